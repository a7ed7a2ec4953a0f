#!/bin/bash
# usage: lint.sh FILE.c...     style and structure; the files are those that clang-tidy reads
#
#   NO_TIDY=1     leaves clang-tidy out, which takes minutes
#   DARKNET=DIR   whose header the plugin's files are read with
#
# Tools that are not there are named, not skipped in silence.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
complain() {
    echo "lint: $1" >&2
    failed=1
}
tool() {
    command -v "$1" >/dev/null && return 0
    complain "$1 is missing (apt-get install $1)"
    return 1
}
darknet=${DARKNET:-/usr/lib/darknet}
[ -e "$darknet/include/darknet.h" ] ||
    complain "$darknet has no include/darknet.h, which the plugin's files need (apt-get install darknet)"
flags="-I. -isystem $darknet/include -D_GNU_SOURCE -DTN_DNNL=1 -DTN_OPENCV=1"
flags+=" $(pkg-config --cflags libxml-2.0 libcjson)"

# Arrows run one way: layers/ knows no host.
grep -nE '#include "(src|tests)/' -r layers && complain "layers/ includes what lies above it"
grep -nE '#include "src/commands/' -r src/net src/data src/eval | grep -v 'notice\.h"' &&
    complain "a command is included from below"
grep -lE '#include <opencv' -r layers src | grep -v '^src/data/image_opencv\.cpp$' &&
    complain "OpenCV outside its file"

# Every global name starts with tn_: in a plugin the executable shares a namespace with the host.
# C++ names are the OpenCV file's, mangled and hidden.
nm -g --defined-only build/libtn.a 2>/dev/null | awk 'NF == 3 && $2 ~ /[TDBRC]/ { print $3 }' |
    grep -vE '^(tn_|_Z|\.gomp_critical_user_tn_)' | sort -u | grep . && complain "global names without tn_"

# Headers stand alone, in C and in C++; bodies of kernels that two files include, in C alone. What
# wants another Darknet's header than the one at hand is not looked at.
for h in $(git ls-files 'layers/*.h' 'src/*.h'); do
    case $h in src/plugin/host_alexeyab.h) grep -q 'struct network_state' "$darknet/include/darknet.h" || continue ;; esac
    echo "#include \"$h\"" | ${CC:-gcc} -std=c17 $flags -mavx2 -mfma -Wno-psabi -fsyntax-only -x c - ||
        complain "$h does not stand alone"
    case $h in layers/ops/convolution_*_cuda.h | layers/ops/convolution_kernels.h | layers/ops/convolution_axis.h) ;;
    layers/ops/convolution_*.h | layers/ops/norm_act_*ward.h | layers/ops/norm_act_bf16.h | *_vector.h | *_avx2.h) continue ;; esac
    echo "#include \"$h\"" | ${CXX:-g++} -std=c++17 $flags -mavx2 -mfma -fsyntax-only -x c++ - ||
        complain "$h is no C++"
done

tool clang-format && {
    clang-format --dry-run -Werror $(git ls-files '*.c' '*.h' '*.cpp') ||
        complain "\`make format\` would change files"
}
tool cppcheck && {
    cppcheck --quiet --std=c11 --enable=warning,performance,portability -j "$(nproc)" \
        --suppressions-list=scripts/cppcheck.suppress --error-exitcode=1 -DTN_DNNL=1 \
        -DTN_OPENCV=1 -I. layers src || complain cppcheck
}

tidy() { # one file
    local isa=
    case $1 in
    *_avx2.c) isa='-mavx2 -mfma' ;;
    *_bf16_avx512.c) isa='-mavx512bf16 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma' ;;
    *_avx512.c) isa='-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma' ;;
    esac
    clang-tidy --quiet "$1" -- -std=c17 $flags $isa -Wno-unknown-pragmas 2>/dev/null
}
export -f tidy
export flags
if [ -z "${NO_TIDY:-}" ] && tool clang-tidy; then
    printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'tidy {}' || complain clang-tidy
fi
[ $failed -eq 0 ] && echo "lint: clean"
exit $failed

#!/bin/bash
# Style and structure: clang-format, the arrows between folders, names, headers that stand alone, cppcheck and
# clang-tidy. Tools that are not there are named, not skipped in silence.
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

# Arrows run one way: layers/ knows no host.
grep -nE '#include "(src|tests)/' -r layers && complain "layers/ includes what lies above it"
grep -nE '#include "src/commands/' -r src/net src/data src/eval | grep -v '^src/eval/.*notice.h' && complain "a command is included from below"
grep -lE '#include <opencv' -r layers src | grep -v '^src/data/image_opencv.cpp$' && complain "OpenCV outside its file"

# Every global name starts with tn_: in a plugin the executable shares a namespace with the host.
if [ -f build/libtn.a ]; then
    nm -g --defined-only build/libtn.a 2>/dev/null | awk 'NF==3 && $2 ~ /[TDBRC]/ {print $3}' |
        grep -vE '^(tn_|_Z|main$)' | sort -u | sed 's/^/  /' | grep . && complain "global names without tn_"
fi

# Headers stand alone, in C and in C++.
for h in $(git ls-files 'layers/*.h' 'src/*.h'); do
    echo "#include \"$h\"" | ${CC:-gcc} -std=c17 -I. -fsyntax-only -x c - || complain "$h does not stand alone"
    echo "#include \"$h\"" | ${CXX:-g++} -std=c++17 -I. -fsyntax-only -x c++ - || complain "$h is no C++"
done

tool clang-format && { clang-format --dry-run -Werror $(git ls-files '*.c' '*.h' '*.cpp') || complain "make format would change files"; }
flags="-I. -D_GNU_SOURCE -DTN_DNNL=1 -DTN_OPENCV=1 $(pkg-config --cflags libxml-2.0 libcjson 2>/dev/null)"
tool cppcheck && { cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
    --suppress=missingIncludeSystem --suppress=invalidPointerCast --suppress=invalidFunctionArg \
    --suppress=arrayIndexThenCheck --suppress=uninitvar --error-exitcode=1 -I. layers src 2>&1 || complain "cppcheck"; }
if [ -z "${NO_TIDY:-}" ] && tool clang-tidy; then
    clang-tidy --quiet "$@" -- -std=c17 $flags 2>/dev/null || complain "clang-tidy"
fi
[ $failed -eq 0 ] && echo "lint: clean"
exit $failed

#!/bin/sh
# Installs what is missing of the packages that this project stands on, through apt, as root or with
# sudo. Says what it installs; says nothing when nothing is missing.
#
#   setup.sh [build] [test] [lint] [fuzz]      (nothing named: build and test)
set -eu

build="gcc g++ make pkg-config libc6-dev libgomp1 libdnnl-dev libopencv-imgcodecs-dev
 libopencv-imgproc-dev libopencv-photo-dev libopencv-videoio-dev libxml2-dev libcjson-dev"
test="libcmocka-dev darknet libxml2-utils python3-opencv python3-sklearn"
lint="clang-tidy cppcheck clang-format"
fuzz="clang libclang-rt-14-dev"

[ $# -gt 0 ] || set -- build test
wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    lint) wanted="$wanted $lint" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    *) echo "setup.sh: no group of packages is called $group (build, test, lint, fuzz)" >&2; exit 1 ;;
    esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "setup.sh: this machine has no apt. The packages, by their names in Debian 12:" >&2
    echo $wanted >&2
    exit 1
fi

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "setup.sh: neither root nor sudo. Let somebody who may install:" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

# The log is shown only when something went wrong.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1
}

echo "Installing with apt:$missing"
# Package lists that are missing or stale show as packages that cannot be found or fetched.
if ! apt install -y --no-install-recommends $missing; then
    echo "Reading the package lists anew (apt-get update)"
    if ! apt update || ! apt install -y --no-install-recommends $missing; then
        cat "$log" >&2
        echo "setup.sh: apt could not install:$missing" >&2
        exit 1
    fi
fi

#!/bin/sh
# Installs through apt what building and testing need and this machine lacks; says what, and nothing when
# nothing is missing. Needs root or sudo. Used by `make setup`, `make demo` and `make test`.
set -eu
build="gcc g++ pkg-config libdnnl-dev libopencv-imgcodecs-dev libopencv-imgproc-dev libopencv-photo-dev
       libopencv-videoio-dev libxml2-dev libcjson-dev libgomp1"
test="libcmocka-dev darknet python3-opencv"

missing=
for package in $build $test; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "this is no Debian: install yourself what corresponds to:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "packages are missing, and neither root nor sudo is at hand; as root: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "installing through apt:$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null

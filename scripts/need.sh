#!/bin/sh
# Names the packages that a build needs and this machine lacks; installs nothing.
set -u
missing=
need() {
    printf '#include <%s>\n' "$1" | ${CC:-cc} $3 -E -x c - >/dev/null 2>&1 || missing="$missing $2"
}
command -v pkg-config >/dev/null || missing="$missing pkg-config"
if command -v "${CC:-cc}" >/dev/null; then
    need stdio.h libc6-dev ""
    need libxml/parser.h libxml2-dev \
        "$(pkg-config --cflags libxml-2.0 2>/dev/null || echo -I/usr/include/libxml2)"
    need cjson/cJSON.h libcjson-dev ""
else
    missing="$missing gcc g++ libxml2-dev libcjson-dev libdnnl-dev libopencv-imgcodecs-dev \
libopencv-imgproc-dev libopencv-photo-dev libopencv-videoio-dev"
fi
[ -z "$missing" ] && exit 0
echo "missing packages:$missing" >&2
echo "\`make setup\` installs them (apt, as root or with sudo)." >&2
exit 1

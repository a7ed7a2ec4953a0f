#!/bin/sh
# Names the packages that a build needs and this machine lacks; installs nothing.
set -u
missing=
need() { printf '#include <%s>\n' "$1" | ${CC:-cc} $3 -E -x c - >/dev/null 2>&1 || missing="$missing $2"; }
need libxml/parser.h libxml2-dev "$(pkg-config --cflags libxml-2.0 2>/dev/null || echo -I/usr/include/libxml2)"
need cjson/cJSON.h libcjson-dev ""
command -v pkg-config >/dev/null || missing="$missing pkg-config"
[ -z "$missing" ] && exit 0
echo "missing packages:$missing" >&2
echo "\`make setup\` installs them (apt, as root or with sudo)." >&2
exit 1

#!/bin/sh
# usage: compile_commands.sh "COMPILER FLAGS" FILE...     writes a compile_commands.json to stdout
command=$1
shift
separator=
echo '['
for f in "$@"; do
    case $f in
    *_avx2.c) isa='-mavx2 -mfma ' ;;
    *_avx512.c) isa='-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma ' ;;
    *) isa= ;;
    esac
    printf '%s{"directory": "%s", "file": "%s", "command": "%s %s-c %s"}' \
        "$separator" "$PWD" "$f" "$command" "$isa" "$f"
    separator=',
'
done
printf '\n]\n'

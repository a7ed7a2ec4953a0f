#!/bin/sh
# usage: compile_commands.sh "COMPILER FLAGS" FILE...     writes a compile_commands.json to stdout
command=$1
shift
separator=
echo '['
for f in "$@"; do
    printf '%s{"directory": "%s", "file": "%s", "command": "%s -c %s"}' "$separator" "$PWD" "$f" "$command" "$f"
    separator=',
'
done
printf '\n]\n'

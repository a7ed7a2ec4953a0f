#!/bin/bash
# usage: fuzz.sh NAME...     lets each fuzzer of build/fuzz search for FUZZ_SECONDS
#
# What is found lies in build/fuzz/found/NAME; once mended, it belongs into tests/fuzz/corpus/NAME,
# where every `make test` tries it again.
cd "$(dirname "$0")/.." || exit 1
failed=0
for name in "$@"; do
    grown=build/fuzz/corpus/$name found=build/fuzz/found/$name
    mkdir -p "$grown" "$found"
    echo "== $name"
    if build/fuzz/tests/fuzz/"search_$name" -max_total_time="${FUZZ_SECONDS:-30}" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found/" "$grown" \
        "tests/fuzz/corpus/$name" >"build/fuzz/$name.log" 2>&1; then
        grep -E 'stat::number_of_executed_units' "build/fuzz/$name.log"
    else
        tail -40 "build/fuzz/$name.log"
        failed=$((failed + 1))
    fi
done
echo "$(($# - failed)) passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]

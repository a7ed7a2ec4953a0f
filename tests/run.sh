#!/bin/bash
# Runs test programs (cmocka) and the scripts of tests/cli and tests/parity, and adds up their results.
#
# A script speaks one line a test: "ok - name", "not ok - name: why" or "skip - name: why".
# The last line is `N passed, N failed, N skipped`; the exit status is 0 only when nothing failed.
cd "$(dirname "$0")/.." || exit 1
# Teams of threads that spin while they wait starve whatever else the machine does.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
passed=0 failed=0 skipped=0
only=${TESTS:-}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

count() { grep -c -- "$1" "$log" || true; }

for t in "$@"; do
    [ -n "$only" ] && [[ $t != *$only* ]] && continue
    echo "== ${t#build/}"
    start=$(date +%s)
    "$t" >"$log" 2>&1
    status=$?
    p=$(count '^\[       OK \]') f=$(count '^\[  FAILED  \] [^0-9]') s=$(count '^\[  SKIPPED \] [^0-9]')
    f=$(grep -E '^\[  FAILED  \] [A-Za-z_]' "$log" | sort -u | wc -l)
    s=$(grep -E '^\[  SKIPPED \] [A-Za-z_]' "$log" | sort -u | wc -l)
    if [ $status -ne 0 ] || [ "$f" -gt 0 ]; then
        [ "$f" -eq 0 ] && f=1 && echo "$t ended with status $status"
        tail -60 "$log"
    fi
    grep -E '^skip:' "$log"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    echo "   $p passed, $f failed, $s skipped ($(($(date +%s) - start)) s)"
done

scripts=(tests/cli/*.sh tests/parity/*.sh)
[ -n "${NO_SCRIPTS:-}" ] && scripts=()
for t in "${scripts[@]}"; do
    [ -x "$t" ] || continue
    [ -n "$only" ] && [[ $t != *$only* ]] && continue
    echo "== $t"
    start=$(date +%s)
    "$t" >"$log" 2>&1
    status=$?
    p=$(count '^ok - ') f=$(count '^not ok - ') s=$(count '^skip - ')
    if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then f=1; echo "$t ended with status $status"; fi
    if [ "$f" -gt 0 ]; then tail -60 "$log"; else grep '^skip - ' "$log"; fi
    if [ $((p + f + s)) -eq 0 ]; then f=1; echo "$t ran no test"; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    echo "   $p passed, $f failed, $s skipped ($(($(date +%s) - start)) s)"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

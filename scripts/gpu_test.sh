#!/bin/bash
# make gpu-test: kernels, then whole nets against the processor, in every precision. Lines of "ok",
# "not ok", "skip"; at the end the table of what was found, and the verdict.
# usage: scripts/gpu_test.sh TEST_DEVICE_NETS [KERNEL_TEST...]
# STEPS (50) training steps of SIZE (128) pixels, BATCH (8) images, RESUME (10) of a resumed run;
# PRECISIONS (fp32,tf32,bf16); NETS (all); ANSWERS (224): pixels at which answers are compared too.
# EMULATE=1: the nets on the emulated GPU of the tests.
set -u
nets=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
precisions="-precision ${PRECISIONS:-fp32,tf32,bf16} ${EMULATE:+-emulated}"
say() { echo "$*" | tee -a "$log"; }
# NAME COMMAND...: its lines; "ok" for a program that speaks none.
run() {
    local name=$1 status
    shift
    "$@" 2>&1 | tee -a "$log"
    status=${PIPESTATUS[0]}
    case $status in
    0 | 77) ;;
    *) say "not ok - $name: exit status $status" ;;
    esac
    return "$status"
}
for test in "$@"; do
    run "$(basename "$test")" "$test" && say "ok - $(basename "$test")"
done
if command -v compute-sanitizer >/dev/null && [ -e /dev/nvidiactl ]; then
    for tool in memcheck racecheck; do
        run "compute-sanitizer $tool" compute-sanitizer --tool $tool --error-exitcode 1 "$nets" -steps 1 -resume 0 mobilenet >/dev/null &&
            say "ok - compute-sanitizer $tool"
    done
else
    say "skip - compute-sanitizer: it, or a GPU, is not there"
fi
# shellcheck disable=SC2086 # flags and names of nets are words
{
    run "answers" "$nets" $precisions -steps 0 -resume 0 -size "${ANSWERS:-224}" ${NETS:-}
    run "training" "$nets" $precisions -steps "${STEPS:-50}" -resume "${RESUME:-10}" \
        -size "${SIZE:-128}" -batch "${BATCH:-8}" ${NETS:-}
}
ran=$?
count() { grep -c -- "$1" "$log"; }
failed=$(count '^not ok - ')
echo
echo "== gpu-test"
awk '/^Worst differences/ { table = 1 } table { print } /^(passed|FAILED):/ { table = 0 }' "$log"
grep -m 1 '^# ' "$log" || true
echo "$(count '^ok - ') ok, $failed not ok, $(count '^skip - ') skipped, $SECONDS s"
if [ "$failed" -gt 0 ]; then
    grep '^not ok - ' "$log"
    echo "gpu-test: FAILED"
    exit 1
elif [ $ran -eq 77 ]; then
    grep '^skip - ' "$log"
    echo "gpu-test: no GPU was tested"
else
    echo "gpu-test: passed"
fi

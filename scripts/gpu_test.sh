#!/bin/bash
# make gpu-test: the programs it built, in every precision. Lines of "ok", "not ok", "skip".
# usage: scripts/gpu_test.sh TEST_DEVICE_NETS [KERNEL_TEST...]
set -u
nets=$1
shift
failed=0
for test in "$@"; do
    if "$test"; then echo "ok - $(basename "$test")"; else echo "not ok - $(basename "$test")"; failed=1; fi
done
for precision in fp32 tf32 bf16; do
    "$nets" -precision $precision -steps "${STEPS:-50}" -size "${SIZE:-64}" || failed=1
done
if command -v compute-sanitizer >/dev/null && [ -e /dev/nvidiactl ]; then
    for tool in memcheck racecheck; do
        if compute-sanitizer --tool $tool --error-exitcode 1 "$nets" -steps 1 mobilenet >/dev/null; then
            echo "ok - compute-sanitizer $tool"
        else
            echo "not ok - compute-sanitizer $tool"
            failed=1
        fi
    done
else
    echo "skip - compute-sanitizer: it, or a GPU, is not there"
fi
exit $failed

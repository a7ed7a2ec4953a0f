#!/bin/bash
# usage: fuzz_kernels.sh TEST...     runs the op tests on SHAPES (20) times as many random shapes,
# from SEED on (the time of day, so others each time). A failure names its seed; TN_SEED=seed TEST
# begins there.
set -u
export TN_SHAPES=${SHAPES:-20} TN_SEED=${SEED:-$(date +%s)}
echo "TN_SHAPES=$TN_SHAPES TN_SEED=$TN_SEED"
failed=0
for test in "$@"; do
    if "$test"; then echo "ok - $(basename "$test")"; else echo "not ok - $(basename "$test")"; failed=1; fi
done
exit $failed

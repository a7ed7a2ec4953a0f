#!/bin/bash
# Every figure against scikit-learn and scipy on the same predictions, to 1e-9: random ones with
# ties, unequal classes and saturated probabilities, and those of a net.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
/usr/bin/python3 -c 'import sklearn, scipy' 2>/dev/null ||
    { echo "skip - figures equal scikit-learn's: python3-sklearn is not installed"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
/usr/bin/python3 "$root/tests/parity/sklearn_check.py" "$root"

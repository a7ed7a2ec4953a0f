#!/bin/bash
# scripts/recipe.sh on a small sample: which folds train and which are scored, several seeds, and what
# "choose" says, against scores by hand.
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OUT=$work/out

check() { # name, command...
    local name=$1
    shift
    if "$@" >"$work/check.log" 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 "$work/check.log")"; fi
}
data=$work/ddti
./darknet ddti synth "$work/sample" -cases 40 >"$work/log" 2>&1 &&
    ./darknet ddti convert "$work/sample" -out "$data" -folds 5 >>"$work/log" 2>&1 ||
    { echo "not ok - a sample is made: $(tail -1 "$work/log")"; exit 1; }
folds() { for f in $1; do cat "$data/fold$f/valid.list"; done | sort; }

# ---- inner and outer ----
recipe() { scripts/recipe.sh "$@" -net epochs=0 -net max_batches=2 >"$work/log" 2>&1; }
PAIRS="02 3" check "inner runs" recipe inner "$data" a tests/fixtures/tiny.cfg
check "02 leaves folds 0 and 2 out" diff <(folds "1 3 4") <(sort "$OUT/a/pair02.train.list")
check "and scores both" diff <(folds "0 2") <(tail -n +2 "$OUT/a/pair02.csv" | cut -d, -f1 | sort)
check "3 leaves folds 3 and 4 out" diff <(folds "0 1 2") <(sort "$OUT/a/pair3.train.list")
check "inner.csv has both" diff <(folds "0 2 3 4") <(tail -n +2 "$OUT/a/inner.csv" | cut -d, -f1 | sort)
FOLDS=4 SEEDS="0 1" check "outer runs" recipe outer "$data" a tests/fixtures/tiny.cfg
check "fold 4 is left out and scored" diff <(folds 4) <(tail -n +2 "$OUT/a/fold4.csv" | cut -d, -f1 | sort)
for seed in 0 1; do
    FOLDS=4 SEEDS=$seed recipe outer "$data" s$seed tests/fixtures/tiny.cfg
done
check "several seeds: the mean of their answers" awk -F, '
    FNR == 1 { file++; next }
    file < 3 { sum[$1] += $4 / 2; next }
    { seen++; d = $4 - sum[$1]; if (d < -1e-6 || d > 1e-6) bad = 1 }
    END { exit bad || !seen }' "$OUT"/s0/fold4.csv "$OUT"/s1/fold4.csv "$OUT"/a/fold4.csv

# ---- choose: two candidates, one right about every image but in pairs with fold 3, one but in others ----
for name in good bad; do
    mkdir -p "$OUT/$name"
    for pair in 01 02 03 04 12 13 14 23 24 34; do
        right=1
        [[ $pair == *3* ]] && right=0
        [ $name = good ] || right=$((1 - right))
        folds "${pair:0:1} ${pair:1:1}" | awk -v right=$right '
            BEGIN { print "image,truth,benign,malignant" }
            { truth = /malignant/ ? "malignant" : "benign"
              p = (truth == "malignant") == right ? .9 : .1
              print $0 "," truth "," 1 - p "," p }' >"$OUT/$name/pair$pair.csv"
    done
done
cat >"$work/want" <<'W'
fold 0  0.7500  good  *
fold 0  0.2500  bad
fold 1  0.7500  good  *
fold 1  0.2500  bad
fold 2  0.7500  good  *
fold 2  0.2500  bad
fold 3  1.0000  bad  *
fold 3  0.0000  good
fold 4  0.7500  good  *
fold 4  0.2500  bad
W
check "choose: the mean of the four other folds' AUCs" diff "$work/want" <(scripts/recipe.sh choose "$data" bad good)
rm "$OUT/good/pair12.csv"
check "choose: a pair that is not there is an error" bash -c "! scripts/recipe.sh choose '$data' bad good"

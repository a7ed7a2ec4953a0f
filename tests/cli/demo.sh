#!/bin/bash
# The demo's small ThyroNet learns: a short training on the generated sample ranks validation cases
# far better than chance, and what the commands write agrees with itself.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive # nets this small are faster without spinning
darknet=$root/darknet cfg=$root/cfg/demo.cfg
weights=w/demo_best.weights

if ! { "$darknet" ddti synth data/demo/sample -cases 100 &&
    "$darknet" ddti convert data/demo/sample -out data/demo -size 72; } >log 2>&1; then
    echo "not ok - a sample is made and converted: $(tail -1 log)"
    exit 1
fi
echo "ok - a sample is made and converted"
if ! "$darknet" classifier train "$cfg" -backup w -epochs 6 >log 2>&1; then
    echo "not ok - training on it ends well: $(tail -1 log)"
    exit 1
fi
echo "ok - training on it ends well"

"$darknet" classifier valid "$cfg" "$weights" -json -probs probs.csv >valid.json 2>log
auc=$(grep -oE '"auc":[0-9.]+' valid.json | head -1 | cut -d: -f2)
# Chance gives 0.5 with a standard deviation of about 0.1 on so few crops.
if awk "BEGIN { exit !(${auc:-0} >= 0.85) }"; then
    echo "ok - validation is far better than chance"
else
    echo "not ok - validation is far better than chance: AUC ${auc:-missing: $(tail -1 log)}, expected 0.85 or more"
fi

# The AUC again, from the probabilities alone: pairs ranked rightly, ties by half.
again=$(awk -F, 'NR > 1 { if ($2 ~ /malignant/ || $2 == 1) m[++a] = $4; else b[++n] = $4 }
    END { for (i = 1; i <= a; i++) for (j = 1; j <= n; j++) s += m[i] > b[j] ? 1 : m[i] == b[j] ? .5 : 0
          printf "%.6f", a && n ? s / (a * n) : -1 }' probs.csv)
if awk "BEGIN { d = ${auc:-9} - ($again); exit !(d < 1e-4 && d > -1e-4) }"; then
    echo "ok - the AUC is that of the probabilities"
else
    echo "not ok - the AUC is that of the probabilities: ${auc:-missing}, from -probs $again: $(head -2 probs.csv | tail -1)"
fi

crop=$(grep -m1 /malignant/ data/demo/valid.list)
image=$(basename "$crop" | cut -d_ -f1,2)
"$darknet" classifier predict "$cfg" "$weights" "data/demo/sample/$image.jpg" \
    -xml "data/demo/sample/${image%_*}.xml" -json >predict.json 2>log
sum=$(grep -oE '"probability":[0-9.e+-]+' predict.json | cut -d: -f2 | awk '{ s += $1 } END { printf "%.6f", s }')
if [ "$sum" = 1.000000 ]; then
    echo "ok - a whole frame with its case file gets probabilities"
else
    echo "not ok - a whole frame with its case file gets probabilities: sum ${sum:-missing}: $(tail -1 log)"
fi

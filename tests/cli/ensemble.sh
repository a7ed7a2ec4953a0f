#!/bin/bash
# Several .weights files in predict and valid: the mean of what each answers alone, how far they are
# apart, what is said of calibration and thresholds, and members that do not belong together.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive # nets this small gain nothing by a second thread
cfg=$root/tests/fixtures/tiny.cfg
data=data/ddti/ddti.data

check() { # name, command...
    local name=$1
    shift
    if "$@" >check.log 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 check.log)"; fi
}
refused() { # name, text of the message, words of the command
    local name=$1 text=$2
    shift 2
    if "$root/darknet" classifier "$@" >out.log 2>err.log; then
        echo "not ok - $name: accepted"
    elif grep -qF -- "$text" err.log; then
        echo "ok - $name"
    else
        echo "not ok - $name: $(tail -1 err.log)"
    fi
}
classifier() { "$root/darknet" classifier "$@" 2>log; }
command -v python3 >/dev/null || { echo "skip - ensembles: python3 is not installed"; exit 0; }

"$root/darknet" ddti synth sample -cases 60 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out data/ddti -size 40 -per image >>log 2>&1 ||
    { echo "not ok - a sample is made: $(tail -1 log)"; exit 1; }
for s in 1 2 3; do
    classifier train $data "$cfg" -backup w$s -seed $s >out || { echo "not ok - a net is trained: $(tail -1 log)"; exit 1; }
    cp w$s/tiny_final.weights $s.weights && cp w$s/tiny_final.weights.json $s.weights.json
done
w=(1.weights 2.weights 3.weights)
list=data/ddti/valid.list
image=$(head -1 $list)

cat >members.py <<'PY'
"""predict and valid of several nets against each of them alone."""
import csv, json, statistics, sys
lines = lambda name: [json.loads(l) for l in open(name)]
positive = lambda o: {c['name']: c['probability'] for c in o['classes']}['malignant']
alone = [lines(f'p{m}.json') for m in (1, 2, 3)]
together = lines('p123.json')
divided = 0
for row in zip(together, *alone):
    o, p = row[0], [positive(x) for x in row[1:]]
    d = o['disagreement']
    near = lambda a, b: abs(a - b) < 2e-7 or sys.exit(f'{a} {b} {p}')
    near(positive(o), statistics.mean(p)); near(d['sd'], statistics.stdev(p))
    near(d['min'], min(p)); near(d['max'], max(p))
    assert d['members'] == 3 and d['class'] == 'malignant' and o['image'] == row[1]['image']
    assert d['divided'] == (len({x > .5 for x in p}) == 2), p
    divided += d['divided']
    assert o['calibrated'] is False and 'temperature' not in o and 'threshold' not in o
assert 0 < divided < len(together), ('nothing to tell apart', divided)
probs = [[float(r['malignant']) for r in csv.DictReader(open(f'v{m}.csv'))] for m in ('1', '2', '3', '123')]
v = json.load(open('v123.json'))
for *p, mean in zip(*probs): assert abs(mean - statistics.mean(p)) < 1e-9, (p, mean)
spread = [statistics.stdev(p) for p in zip(*probs[:3])]
assert abs(v['disagreement']['mean_sd'] - statistics.mean(spread)) < 1e-8
assert abs(v['disagreement']['largest_range'] - max(max(p) - min(p) for p in zip(*probs[:3]))) < 1e-8
assert v['disagreement']['divided_images'] == divided == sum(len({x > .5 for x in p}) == 2 for p in zip(*probs[:3]))
assert [m['weights'] for m in v['members']] == ['1.weights', '2.weights', '3.weights']
truth = [r['truth'] == 'malignant' for r in csv.DictReader(open('v123.csv'))]
a, b = ([x for x, t in zip(probs[3], truth) if t == w] for w in (True, False))
auc = sum((x > y) + .5 * (x == y) for x in a for y in b) / len(a) / len(b)
assert abs(v['auc'] - auc) < 1e-9, (v['auc'], auc)
PY
for m in 1 2 3; do
    classifier predict $data "$cfg" $m.weights $list -json >p$m.json
    classifier valid $data "$cfg" $m.weights -probs v$m.csv >out
done
classifier predict $data "$cfg" "${w[@]}" $list -json >p123.json
classifier valid $data "$cfg" "${w[@]}" -probs v123.csv -json >v123.json
check "the mean of what each answers alone, and how far they are apart" python3 members.py
check "-probs has its format" diff <(head -1 v1.csv) <(head -1 v123.csv)
classifier valid10 $data "$cfg" "${w[@]}" >out
check "valid says in its table how far they are apart" grep -qE '^Mean of 3 nets\. They give "malignant" .* on [0-9]+ of [0-9]+ images some answer so' out
classifier predict $data "$cfg" "${w[@]}" "$image" >text
check "predict does too" grep -qE '^members: 3 nets; "malignant" standard deviation 0\.[0-9]{4}, from 0\.' text
classifier predict $data "$cfg" "${w[@]}" $list -csv >p123.csv
check "and its CSV" python3 -c '
import csv, json
rows, said = list(csv.DictReader(open("p123.csv"))), [json.loads(l)["disagreement"] for l in open("p123.json")]
assert len(rows) == len(said) > 0
for r, d in zip(rows, said):
    assert all(abs(float(r[k]) - d[k]) < 1e-7 for k in ("sd", "min", "max")) and r["divided"] == ("yes" if d["divided"] else "no")'
check "uncalibrated, and called so" grep -q '^scores: uncalibrated: mean of 3 nets$' text
classifier predict $data "$cfg" 1.weights "$image" -json | sed 's/,"time_ms.*//' >one.json
check "one net: nothing new" bash -c '! grep -q disagreement one.json'
mkdir pictures && cp "$image" pictures/x.png
check "without DATA too, images behind the nets" \
    bash -c "'$root/darknet' classifier predict '$cfg' 1.weights 2.weights pictures/x.png -json 2>/dev/null | grep -q '\"members\":2'"

# ---- calibration and thresholds ----
head -40 data/ddti/train.list >data/ddti/held.list
for m in 1 2; do
    cp $m.weights c$m.weights && cp $m.weights.json c$m.weights.json
done
sed "s,^train=.*,train=$PWD/data/ddti/fit.list," $data >data/ddti/fit.data
tail -n +41 data/ddti/train.list >data/ddti/fit.list
calibrated=1
for m in 1 2; do classifier calibrate data/ddti/fit.data "$cfg" c$m.weights -list data/ddti/held.list -sensitivity 0.9 >out || calibrated=0; done
if [ $calibrated = 1 ]; then
    for m in c1 c2; do classifier predict data/ddti/fit.data "$cfg" $m.weights $list -json >p$m.json; done
    classifier predict data/ddti/fit.data "$cfg" c1.weights c2.weights $list -json >pc.json
    check "each at its own temperature, then averaged; calibrated, but without a threshold" python3 -c '
import json
lines = lambda name: [json.loads(l) for l in open(name)]
p = lambda o: {c["name"]: c["probability"] for c in o["classes"]}["malignant"]
for o, a, b in zip(lines("pc.json"), lines("pc1.json"), lines("pc2.json")):
    assert abs(p(o) - (p(a) + p(b)) / 2) < 2e-7 and o["calibrated"] and "threshold" in a and "threshold" not in o
raw = lines("p1.json")
assert any(abs(p(a) - p(r)) > 1e-6 for a, r in zip(lines("pc1.json"), raw)), "no temperature"'
    check "and it is said that thresholds do not carry over" grep -q 'does not carry over to the mean of 2 nets' log
    classifier predict data/ddti/fit.data "$cfg" c1.weights 3.weights "$image" >text
    check "one calibrated member does not make a calibrated mean" grep -q '^scores: uncalibrated: mean of 2 nets, 1 of them calibrated$' text
    check "JSON says so too" bash -c "'$root/darknet' classifier valid data/ddti/fit.data '$cfg' c1.weights 3.weights -json 2>/dev/null | grep -q '\"calibrated\":false'"
    classifier valid data/ddti/fit.data "$cfg" c1.weights c2.weights -list data/ddti/held.list >text
    check "valid: scored on the list that temperatures were fitted on" grep -q 'were chosen on this very list' text
    check "valid: no operating point" bash -c '! grep -q "At the operating threshold" text'
else
    echo "not ok - nets are calibrated: $(tail -1 log)"
fi

# ---- members that do not belong together ----
swap() { sed 's/"benign"/"x"/; s/"malignant"/"benign"/; s/"x"/"malignant"/' "$1" >"$2"; }
cp 2.weights swapped.weights && swap 2.weights.json swapped.weights.json
refused "members whose classes differ" "their answers cannot be averaged" predict "$cfg" 1.weights swapped.weights "$image"
refused "in valid too" "swapped.weights" valid $data "$cfg" 1.weights swapped.weights
cp 2.weights negative.weights && sed 's/"positive":\t"malignant"/"positive":\t"benign"/' 2.weights.json >negative.weights.json
refused "members whose positive class differs" "the positive class is" predict "$cfg" 1.weights negative.weights "$image"
cp 2.weights other.weights && sed 's/"crop_margin":\t"[0-9.]*"/"crop_margin":\t"0.75"/' 2.weights.json >other.weights.json
refused "members of other images" "prepared otherwise" predict "$cfg" 1.weights other.weights "$image"
cp 1.weights copy.weights && cp 1.weights.json copy.weights.json
refused "one net twice" "does not confirm itself" predict "$cfg" 1.weights copy.weights "$image"
refused "a member that is not there" "missing.weights" predict "$cfg" 1.weights missing.weights "$image"
head -c 400 2.weights >short.weights && cp 2.weights.json short.weights.json
refused "a member of another size" "short.weights" valid $data "$cfg" 1.weights short.weights
refused "calibrate takes one net" "one word too many" calibrate $data "$cfg" 1.weights 2.weights

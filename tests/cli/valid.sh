#!/bin/bash
# classifier valid, compare and calibrate as typed: intervals, cases, subgroups, an external list, a
# temperature and threshold that are kept, and what is refused.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive # nets this small are faster without spinning
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
json() { # EXPRESSION over o, the object of FILE
    python3 -c 'import json, sys
o = json.load(open(sys.argv[2]))
sys.exit(0 if eval(sys.argv[1]) else "false: %s of %.400r" % (sys.argv[1], o))' "$1" "$2"
}
command -v python3 >/dev/null || { echo "skip - valid, compare, calibrate: python3 is not installed"; exit 0; }

"$root/darknet" ddti synth sample -cases 70 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out data/ddti -size 40 -per image >>log 2>&1 &&
    classifier train $data "$cfg" -backup one -seed 1 >>log &&
    classifier train $data "$cfg" -backup two -seed 2 -net epochs=1 >>log ||
    { echo "not ok - a sample is made and trained on: $(tail -1 log)"; exit 1; }
w=one/tiny_final.weights
n=$(wc -l <data/ddti/valid.list)

# ---- valid ----
classifier valid $data "$cfg" $w -by composition -prevalence 0.05 >valid.txt
check "every figure beside the trivial answer and with an interval" \
    grep -qE '^AUC +[01]\.[0-9]{4}   [01]\.[0-9]{4} to [01]\.[0-9]{4} +0\.5000$' valid.txt
for figure in 'balanced accuracy' sensitivity specificity 'spec. at 90 % sens.' 'spec. at 95 % sens.' \
    accuracy precision F1 MCC 'average precision' loss 'Brier score' 'calibration error' \
    'PPV at prevalence' 'NPV at prevalence'; do
    grep -qE "^$figure +(-|-?[01]\.)" valid.txt || missing="$missing $figure"
done
check "the text has all figures" test -z "$missing"
check "by case too" grep -q '^By case (mean over its images): [0-9]* cases$' valid.txt
check "-by composition: a line a value" grep -qE '^solid +[0-9]+ ' valid.txt
check "scores are said to be uncalibrated" grep -q '^scores: uncalibrated$' valid.txt
classifier valid $data "$cfg" $w -by composition -prevalence 0.05 -json -probs a.csv >valid.json
check "JSON: intervals hold their figure" json \
    'all(v is None or v[0] <= o[k] <= v[1] for k, v in o["intervals"].items()) and o["intervals"]["auc"]' valid.json
check "JSON: subgroups add up" json 'sum(g["n"] for g in o["by"]["groups"]) == o["n"]' valid.json
check "JSON: cases, baseline, macro, prevalence, notice" json \
    'o["cases"]["n"] <= o["n"] and o["baseline"]["auc"] == 0.5 and o["macro"]["f1"] and o["prevalence"] == 0.05 and "not for diagnosis" in o["notice"]' valid.json
classifier valid $data "$cfg" $w -by composition -prevalence 0.05 -json -threads 1 >again.json
check "the same with one thread" python3 -c "
import json
a, b = (json.load(open(f)) for f in ('valid.json', 'again.json'))
for o in (a, b): o.pop('seconds')
assert a == b"
classifier valid $data "$cfg" $w -json -seed 1 >seed.json
check "-seed draws other resamples" python3 -c "
import json
a, b = (json.load(open(f))['intervals'] for f in ('valid.json', 'seed.json'))
assert a['accuracy'] != b['accuracy'] and a['auc'] == b['auc']"
classifier valid $data "$cfg" $w -json -resamples 0 >none.json
check "-resamples 0: no bootstrap, DeLong's interval stays" json \
    'o["intervals"]["loss"] is None and o["intervals"]["auc"]' none.json
grep /malignant/ data/ddti/valid.list >one_class.list
classifier valid $data "$cfg" $w -list one_class.list -manifest data/ddti/manifest.csv -json >one.json
check "one class alone: AUC, specificity and their intervals are null" json \
    'o["auc"] is None and o["specificity"] is None and o["intervals"]["auc"] is None and o["baseline"]["auc"] is None and o["sensitivity"] is not None' one.json
head -1 data/ddti/valid.list >single.list
check "one image" "$root/darknet" classifier valid $data "$cfg" $w -list single.list
head -5 data/ddti/train.list >other.list
classifier valid $data "$cfg" $w -list data/ddti/valid.list -external other.list >external.txt
check "-external is called unverified, with the drop" \
    grep -qE '^External, unverified: 5 images|^AUC .*[0-9]' external.txt
classifier valid $data "$cfg" $w -external other.list -json >external.json
check "JSON: external and drop" json \
    'o["external"]["verified"] is False and abs(o["accuracy"] - o["external"]["accuracy"] - o["external"]["drop"]["accuracy"]) < 1e-12' external.json
refused "-by needs a column that is there" "no such column; it has image, source, case" \
    valid $data "$cfg" $w -by nothing
refused "-by a column of many values" "different values" \
    valid $data "$cfg" $w -list data/ddti/train.list -by image
refused "-by without a manifest" "no manifest.csv beside single.list" \
    valid $data "$cfg" $w -list single.list -by sex
printf 'image,case\nx,1\n' >lacks.csv
refused "a manifest that lacks images" "is not in it" valid $data "$cfg" $w -manifest lacks.csv
refused "-prevalence is a share" "out of range" valid $data "$cfg" $w -prevalence 5
{ head -1 data/ddti/manifest.csv; tail -1 data/ddti/manifest.csv; } >manifest.csv
classifier valid $data "$cfg" $w -list one_class.list >stale.txt
check "a manifest of other images is left out with a warning" grep -q 'counted as independent' log
rm manifest.csv

# ---- compare ----
classifier valid $data "$cfg" two/tiny_final.weights -probs b.csv >log2
classifier compare a.csv b.csv -manifest data/ddti/manifest.csv >compare.txt
check "compare speaks its verdict on AUC and accuracy" \
    test "$(grep -cE '^    (noise:|a difference:|cannot be tested)' compare.txt)" = 2
classifier compare a.csv a.csv >same.txt
check "a net against itself is noise" test "$(grep -c '^    noise:' same.txt)" = 2
{ head -1 a.csv; tail -n +2 a.csv | tac; } >turned.csv
classifier compare a.csv turned.csv b.csv -json >compare.json
check "images are matched by name, three sets give three pairs" json \
    'len(o["pairs"]) == 3 and o["pairs"][0]["auc"]["difference"] == 0 and o["pairs"][0]["auc"]["verdict"] == "noise"' compare.json
head -5 a.csv >few.csv
refused "other images" "is in a.csv but not in few.csv" compare a.csv few.csv
refused "no predictions" "expected the header image,truth" compare a.csv data/ddti/manifest.csv
sed 's/,malignant,/,MALIGNANT,/' a.csv >spelled.csv
refused "a truth that is no class" "spelled.csv:" compare a.csv spelled.csv
refused "one set alone" "two or more" compare a.csv
refused "no such class" "no class of a.csv" compare a.csv b.csv -positive cyst

# ---- calibrate ----
classifier valid $data "$cfg" $w -json >before.json
classifier calibrate $data "$cfg" $w -sensitivity 0.9 >calibrate.txt
check "calibrate ends well" test $? = 0
check "... and keeps a temperature and a threshold beside the weights" json \
    'o["calibrated"] and o["calibration"]["temperature"] > 0 and o["calibration"]["wanted_sensitivity"] == 0.9 and o["calibration"]["sensitivity"] >= 0.9' $w.json
classifier valid $data "$cfg" $w -json >after.json
check "valid uses and names them" python3 -c "
import json
b, a = (json.load(open(f)) for f in ('before.json', 'after.json'))
k = json.load(open('$w.json'))['calibration']
assert a['calibrated'] and a['calibration']['on_this_list'] and not b['calibrated']
assert abs(a['loss'] - k['loss_after']) < 1e-6 and abs(b['loss'] - k['loss_before']) < 1e-6
assert a['confusion'] == b['confusion'] and abs(a['auc'] - b['auc']) < 1e-9
p = a['operating_point']
assert abs(p['sensitivity'] - k['sensitivity']) < 1e-9 and abs(p['specificity'] - k['specificity']) < 1e-9"
classifier valid $data "$cfg" $w >after.txt
check "... in words" grep -qE '^scores: calibrated \(temperature [0-9.]+, fitted on' after.txt
check "... and says that this very list flatters" grep -q 'chosen on this very list' after.txt
classifier predict $data "$cfg" $w "$(head -1 data/ddti/valid.list)" >predict.txt
check "predict names the temperature and the threshold's answer" \
    grep -qE '^at the operating threshold: (benign|malignant) ' predict.txt
classifier predict $data "$cfg" $w "$(head -1 data/ddti/valid.list)" -json >predict.json
check "predict -json" json 'o["calibrated"] and o["threshold"] > 0 and o["answer_at_threshold"]' predict.json
classifier calibrate $data "$cfg" $w -json >second.json
check "calibrated again, it is the same temperature" python3 -c "
import json
a, b = json.load(open('second.json'))['temperature'], json.load(open('$w.json'))['calibration']['temperature']
assert abs(a - b) < 1e-12 and 'threshold' not in json.load(open('$w.json'))['calibration']"
check "... and a threshold that was is said to be dropped" grep -q 'is dropped' log
cp two/tiny_final.weights $w
classifier valid $data "$cfg" $w >stale.txt
check "a calibration of other weights is left out with a warning" grep -q 'fitted to other weights' log
check "... and scores are uncalibrated" grep -q '^scores: uncalibrated$' stale.txt
refused "never on the training list" "the net learned from them" \
    calibrate $data "$cfg" $w -list data/ddti/train.list
sed '/^test=/d' $data >test.data && echo "test=data/ddti/valid.list" >>test.data
refused "never on the test list" "worth nothing" calibrate test.data "$cfg" $w
refused "-sensitivity is a share" "out of range" calibrate $data "$cfg" $w -sensitivity 95
refused "images of one class give no threshold" "darknet classifier calibrate: " \
    calibrate $data "$cfg" $w -list one_class.list -sensitivity 0.9

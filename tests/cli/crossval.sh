#!/bin/bash
# classifier crossval as typed: no case on both sides of a fold, every image scored once, folds equal
# to train and valid by hand, what was stopped or killed ends with the same bytes, other settings are
# never mixed in, and what cannot be cross-validated is refused.
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
crossval() { "$root/darknet" classifier crossval "$@"; }
refused() { # name, text of the message, words of the command
    local name=$1 text=$2
    shift 2
    if crossval "$@" >out.log 2>err.log; then
        echo "not ok - $name: accepted"
    elif grep -qF -- "$text" err.log; then
        echo "ok - $name"
    else
        echo "not ok - $name: $(tail -1 err.log)"
    fi
}
command -v python3 >/dev/null || { echo "skip - crossval: python3 is not installed"; exit 0; }

"$root/darknet" ddti synth sample -cases 40 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out data/ddti -size 40 -per image >>log 2>&1 ||
    { echo "not ok - a sample is made: $(tail -1 log)"; exit 1; }
n=$(wc -l <data/ddti/train.list)

# ---- a whole one ----
run=(-folds 3 -repeats 2 -seed 4 -net ema_alpha=0.9)
crossval $data "$cfg" -out cv "${run[@]}" >text 2>log
check "a cross-validation ends with status 0 and a table" grep -qE '^AUC +[01]\.[0-9]{4} +[01]\.[0-9]{4} ' text
check "and says what it is not" \
    bash -c 'grep -q "sd is no standard error" text && grep -q "not for diagnosis" text && grep -q "ema_alpha=0.9" text'
check "a line a fold on stderr, no more" bash -c '[ "$(wc -l <log)" -eq 13 ] && [ "$(grep -c ": done, training loss" log)" -eq 6 ]'
check "what training says is in the folds' logs" grep -q 'recipe' cv/r2-f3/train.log
check "nothing half-written or for resuming alone is left" \
    bash -c '[ -z "$(find cv -name "*.part*" -o -name "*.state*" -o -name "*_last*")" ]'

cat >isolation.py <<'PY'
"""No case on both sides of a fold, every image scored once a repeat: isolation.py OUT FOLDS REPEATS"""
import csv, os, sys
out, folds, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
paths = [line.strip() for line in open('data/ddti/train.list')]
tied = {}
for row in csv.DictReader(open('data/ddti/manifest.csv')):
    tied[row['image']] = {('case', row['case']), ('group', row['group'])}
read = lambda name: [line.rstrip('\n').split('\t')[0] for line in open(name)] if os.path.exists(name) else []
several = 0
for r in range(1, repeats + 1):
    seen = []
    for f in range(1, folds + 1):
        part = {k: read(f'{out}/r{r}-f{f}/{k}.list') for k in ('train', 'scored', 'inner')}
        assert sorted(sum(part.values(), [])) == sorted(paths), (r, f, 'not each image once')
        ties = {k: set().union(*(tied[p] for p in v)) for k, v in part.items() if v}
        for a in ties:
            for b in ties:
                assert a == b or not ties[a] & ties[b], (r, f, a, b, ties[a] & ties[b])
        for k, v in part.items():
            labels = {p.split('/')[-2] for p in v}
            assert not v or len(labels) == 2, (r, f, k, labels)
        several += len(part['scored']) > len({t for p in part['scored'] for t in tied[p] if t[0] == 'case'})
        assert [row['image'] for row in csv.DictReader(open(f'{out}/r{r}-f{f}/probs.csv'))] == part['scored']
        seen += part['scored']
    assert sorted(seen) == sorted(paths), (r, 'not every image scored once')
    assert [row['image'] for row in csv.DictReader(open(f'{out}/r{r}/probs.csv'))] == paths, 'order'
assert several, 'the sample has no case of several images: nothing was tested'
PY
check "no case on both sides, every image scored once a repeat" python3 isolation.py cv 3 2
check "repeats have folds of their own" bash -c '! cmp -s cv/r1-f1/scored.list cv/r2-f1/scored.list'

cat >figures.py <<'PY'
"""probs.csv of the folds, the repeats and their mean, and crossval.json agree."""
import csv, json, statistics, struct
single = lambda x: struct.unpack('f', struct.pack('f', x))[0]  # what a net answered
def rows(name, of=single):
    return {r['image']: (r['truth'], of(float(r['malignant']))) for r in csv.DictReader(open(name))}
o = json.load(open('cv/crossval.json'))
repeat = [rows(f'cv/r{r}/probs.csv') for r in (1, 2)]
for r in (1, 2):
    folds = {}
    for f in (1, 2, 3): folds.update(rows(f'cv/r{r}-f{f}/probs.csv'))
    assert folds == repeat[r - 1]
mean = rows('cv/probs.csv', float)
for i, (truth, p) in mean.items():  # floats are written with their own, fewer digits
    assert (repeat[0][i][1] + repeat[1][i][1]) / 2 in (p, single(p)), i
def auc(p):
    a = [x for t, x in p.values() if t == 'malignant']; b = [x for t, x in p.values() if t == 'benign']
    return sum((x > y) + .5 * (x == y) for x in a for y in b) / len(a) / len(b)
def near(a, b): assert abs(a - b) < 1e-9, (a, b)
aucs = [auc(rows(f'cv/r{r}-f{f}/probs.csv')) for r in (1, 2) for f in (1, 2, 3)]
x = o['images']['figures']['auc']
near(x['mean_of_folds'], statistics.mean(aucs)); near(x['sd_over_folds'], statistics.stdev(aucs))
pooled = [auc(p) for p in repeat]
near(x['pooled'], statistics.mean(pooled)); near(x['sd_over_repeats'], statistics.stdev(pooled))
near(x['averaged'], auc(mean)); assert x['interval'][0] <= x['averaged'] <= x['interval'][1]
for got, want in zip(o['by_fold'], aucs): near(got['images']['auc'], want)
for got, want in zip(o['by_repeat'], pooled): near(got['images']['auc'], want)
assert o['choice'] == 'last' and o['folds'] == 3 and o['repeats'] == 2 and o['seed'] == 4
assert o['command'][0] == 'crossval' and o['version'] and o['ema_alpha'] == .9
assert o['counts']['all']['images'] == len(mean) == sum(k['images'] for k in o['counts']['by_class'])
assert sum(f['scored']['images'] for f in o['by_fold']) == 2 * len(mean)
assert all(f['scored']['cases'] + f['train']['cases'] == o['counts']['all']['cases'] for f in o['by_fold'])
assert {'accuracy', 'balanced_accuracy', 'sensitivity', 'specificity', 'precision', 'f1', 'mcc', 'auc',
        'average_precision', 'brier', 'ece'} <= set(o['images']['figures']) == set(o['cases']['figures'])
assert o['images']['baseline']['auc'] == .5 and o['images']['independent'] <= o['counts']['all']['cases']
PY
check "crossval.json, its means and deviations, as worked out from the probs.csv" python3 figures.py

# ---- by hand ----
"$root/darknet" classifier train cv/r2-f1/fold.data "$cfg" -seed 5 -net ema_alpha=0.9 -backup hand >out 2>log &&
    "$root/darknet" classifier valid cv/r2-f1/fold.data "$cfg" hand/tiny_final.weights -net ema_alpha=0.9 \
        -list cv/r2-f1/scored.list -manifest data/ddti/manifest.csv -probs hand.csv -json >hand.json 2>>log
check "a fold's weights are those of train by hand" cmp hand/tiny_final.weights cv/r2-f1/tiny_final.weights
check "its predictions are those of valid -probs by hand" cmp hand.csv cv/r2-f1/probs.csv
check "its figures are those of valid by hand, by image and by case" python3 -c '
import json
a = json.load(open("hand.json")); b = json.load(open("cv/crossval.json"))["by_fold"][3]
assert all(a[k] == v for k, v in b["images"].items()), b
assert all(a["cases"][k] == v for k, v in b["cases"].items()), b'
check "a repeat's predictions are the folds' own lines" \
    bash -c 'cmp <(sort -u cv/r2-f{1,2,3}/probs.csv) <(sort cv/r2/probs.csv)'
check "compare reads what it wrote" "$root/darknet" classifier compare cv/r1/probs.csv cv/r2/probs.csv -manifest data/ddti/manifest.csv
crossval $data "$cfg" -out cv "${run[@]}" -resume -json >printed.json 2>log
check "-json prints crossval.json" cmp printed.json cv/crossval.json
crossval $data "$cfg" -out cv "${run[@]}" -resume -threads 2 >out 2>log
check "another number of threads is warned of" grep -q 'another number of threads than 2' log

# ---- stopped, killed, resumed ----
same() { # folder: predictions and weights equal those of the whole one
    local f
    for f in probs.csv r{1,2}/probs.csv r{1,2}-f{1,2,3}/{probs.csv,tiny_final.weights}; do
        cmp "cv/$f" "$1/$f" || return 1
    done
}
crossval $data "$cfg" -out stopped "${run[@]}" -stop-after 17 >out 2>log
check "-stop-after ends with status 0 and says how to go on" grep -q -- '-resume goes on' log
crossval $data "$cfg" -out stopped "${run[@]}" -resume -stop-after 7 >out 2>log
crossval $data "$cfg" -out stopped "${run[@]}" -resume >out 2>log
check "stopped inside a fold, and at one's end, and resumed: the same bytes" same stopped
check "what was done is not done again" grep -q '^r1-f1: done before$' log
touch -d 2000-01-01 stopped/r1-f1/tiny_final.weights
crossval $data "$cfg" -out stopped "${run[@]}" -resume >out 2>log
check "resuming what is whole only reports" \
    bash -c 'cmp <(grep -v ^r out) <(grep -v ^r text) && [ ! stopped/r1-f1/tiny_final.weights -nt sample ]'

# stop_by SIGNAL FOLDER FOLD: signals it once that fold trains
stop_by() {
    setsid "$root/darknet" classifier crossval $data "$cfg" -out "$2" "${run[@]}" 2>"$2.log" >/dev/null &
    local pid=$! i
    for i in $(seq 1 4000); do grep -qs '^3, ' "$2/$3/train.log" && break; sleep 0.002; done
    kill "-$1" $pid 2>/dev/null
    wait $pid
    stopped=$?
}
for s in INT:130 KILL:137; do
    name=SIG${s%:*}
    stop_by "${s%:*}" "by${s%:*}" r1-f3 2>/dev/null
    if [ $stopped -eq 0 ]; then
        echo "skip - $name: it was over before the signal came"
        continue
    fi
    check "$name ends it with status ${s#*:}" [ $stopped -eq "${s#*:}" ]
    crossval $data "$cfg" -out "by${s%:*}" "${run[@]}" -resume >out 2>log
    check "$name and resumed: the same bytes" same "by${s%:*}"
done
crossval $data "$cfg" -out fewer -folds 3 -repeats 1 -seed 4 -net ema_alpha=0.9 >out 2>log
check "one repeat has no spread over repeats" python3 -c '
import json
x = json.load(open("fewer/crossval.json"))["images"]["figures"]["auc"]
assert x["sd_over_repeats"] is None and x["pooled"] == x["averaged"]'
crossval $data "$cfg" -out fewer "${run[@]}" -resume >out 2>log
check "more repeats may be asked for" same fewer

# ---- never mixed ----
refused "a folder that is taken is not overwritten" "is there already" $data "$cfg" -out cv "${run[@]}"
refused "another cfg key is not mixed in" "the cfg or a [net] key differs" $data "$cfg" -out cv "${run[@]}" -net momentum=0.8 -resume
refused "another length neither" "the length of training differs" $data "$cfg" -out cv "${run[@]}" -epochs 5 -resume
refused "another seed neither" "-seed differs (4 there, 5 here)" $data "$cfg" -out cv "${run[@]}" -seed 5 -resume
refused "another number of folds neither" "-folds differs" $data "$cfg" -out cv "${run[@]}" -folds 4 -resume
sed 's/filters=8/filters=16/' "$cfg" >tiny.cfg
refused "another cfg neither" "the cfg or a [net] key differs" $data tiny.cfg -out cv "${run[@]}" -resume
head -$((n - 1)) data/ddti/train.list >data/ddti/short.list
refused "another list neither" "the list, its labels or the preprocessing differs" $data "$cfg" -out cv "${run[@]}" -list data/ddti/short.list -resume
sed -i 's/"settings":\t"./"settings":\t"x/' fewer/r1-f2/done.json
refused "a fold of another cross-validation neither" "made for another cross-validation" $data "$cfg" -out fewer "${run[@]}" -resume
rm stopped/settings.json
refused "nor folds that nobody vouches for" "is there already, but no stopped/settings.json" $data "$cfg" -out stopped "${run[@]}" -resume
sed -i '$d' byINT/r1-f1/probs.csv
refused "predictions that were changed are seen" "is missing, expected" $data "$cfg" -out byINT "${run[@]}" -resume

# ---- choosing on an inner part ----
crossval $data "$cfg" -out inner -folds 2 -inner 0.3 -net patience=2 >text 2>log
check "-inner: three parts without a common case" python3 isolation.py inner 2 1
check "the best epoch of the inner list is what is scored" grep -q 'best on 0.3 of each training part' text
"$root/darknet" classifier train inner/r1-f2/fold.data "$cfg" -net patience=2 -backup hand2 >out 2>log &&
    "$root/darknet" classifier valid inner/r1-f2/fold.data "$cfg" hand2/tiny_best.weights -list inner/r1-f2/scored.list -probs hand2.csv >out 2>>log
check "and equals train and valid by hand" cmp hand2.csv inner/r1-f2/probs.csv
refused "patience needs an inner part" "patience=2 stops training by a list to choose on" $data "$cfg" -out p -net patience=2

# ---- refused ----
refused "one fold" "-folds" $data "$cfg" -out bad -folds 1
refused "more folds than cases of the rarer class" "is never divided" $data "$cfg" -out bad -folds 30
refused "no folder to write to" "-out DIR" $data "$cfg"
refused "no end" "trains without an end" $data "$cfg" -out bad -net epochs=0 -net max_batches=0 -net policy=constant
refused "an inner part of everything" "-inner" $data "$cfg" -out bad -inner 1
refused "a word too many" "one word too many" $data "$cfg" hand/tiny_final.weights more -out bad
grep malignant data/ddti/train.list >data/ddti/one.list
refused "a class that is missing" 'no image is of class "benign"' $data "$cfg" -out bad -list data/ddti/one.list
cat data/ddti/train.list <(head -1 data/ddti/train.list) >data/ddti/twice.list
refused "an image named twice" "is named twice" $data "$cfg" -out bad -list data/ddti/twice.list
head -3 data/ddti/manifest.csv >part.csv
refused "a manifest of other images" "which images are one case cannot be told" $data "$cfg" -out bad -manifest part.csv
check "a refused one leaves no settings behind" bash -c '[ ! -e bad/settings.json ]'
mkdir elsewhere && cp data/ddti/train.list elsewhere/all.list
crossval $data "$cfg" -out alone -folds 2 -list elsewhere/all.list -epochs 1 >text 2>log
check "without a manifest every image is its own case, and that is said" \
    bash -c 'grep -q "every image is taken for a case of its own" log && grep -q "images are taken as independent" text'
crossval $data "$cfg" hand/tiny_final.weights -clear -out start -folds 2 -epochs 1 >text 2>log
check "weights to start from are warned of" grep -q 'the figures are worthless' log

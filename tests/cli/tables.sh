#!/bin/bash
# scripts/table2.sh and scripts/honest.sh from the database to the report, at toy size: what they
# print is valid -json's and crossval.json's, a stopped run goes on bit for bit, a second call does
# nothing anew, a net whose training fails is named.
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

check() { # name, command...
    local name=$1
    shift
    if "$@" >"$work/check.log" 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 "$work/check.log")"; fi
}
refuses() { # name, text, command...
    local name=$1 text=$2
    shift 2
    if "$@" >"$work/out" 2>&1; then echo "not ok - $name: exit status 0"; else check "$name" grep -qF -- "$text" "$work/out"; fi
}
command -v python3 >/dev/null || { echo "skip - table2, honest: python3 is not installed"; exit 0; }

# A net that cannot be this small, and one that learns so fast that its loss is no number.
cp tests/fixtures/tiny.cfg "$work/tiny.cfg"
sed 's/^learning_rate=.*/learning_rate=1000000/; s/^adam=1/adam=0/; s/^decay=.*/decay=0/; s/^batch_normalize=1//;
    s/=relu/=linear/; s/^expansion=2/expansion=2\nactivation=linear\nbatch_normalize=0/' \
    tests/fixtures/tiny.cfg >"$work/wild.cfg"
sed 's/^stride=2/stride=2\nsize=99\npad=0/' tests/fixtures/tiny.cfg >"$work/large.cfg"
mkdir -p "$work/other/benign" "$work/other/malignant"
./darknet ddti synth "$work/sample" -cases 40 >"$work/log" 2>&1 &&
    ./darknet ddti synth "$work/elsewhere" -cases 12 -seed 9 >>"$work/log" 2>&1 ||
    { echo "not ok - a sample is made: $(tail -1 "$work/log")"; exit 1; }
i=0
for f in "$work"/elsewhere/*_1.jpg; do
    cp "$f" "$work/other/$([ $((i++ % 2)) = 0 ] && echo benign || echo malignant)/"
done
export DDTI=$work/sample EXTERNAL=$work/other SIZE=32 BATCH=16 THREADS=2 HEAT=1

# ---- table2.sh ----
table2() { OUT=$work/t NETS="$work/tiny.cfg" EPOCHS=0.2 SEEDS="0 1" ORDERS=split-first scripts/table2.sh; }
run=$work/t/split-first/tiny
table2 >"$work/table" 2>"$work/err"
check "table2.sh ends well" test $? = 0
check "its table is the mean of valid -json's figures" python3 -c "
import json, re
a, b = (json.load(open('$run/seed%d/valid.json' % s)) for s in (0, 1))
row = [l for l in open('$work/table') if l.startswith('tiny ')][0]
want = ['%.4f' % ((a[k] + b[k]) / 2) for k in ('auc', 'balanced_accuracy', 'accuracy', 'sensitivity', 'specificity')]
got = re.findall(r'(?:^|  )([01]\.\d{4})', row)[:5]
assert all(abs(float(x) - float(y)) < 1.1e-4 for x, y in zip(want, got)) and len(got) == 5, (want, row)
last = [l for l in open('$work/table') if l.startswith('trivial answer')][0].split()
assert last[2:5] == ['%.4f' % a['baseline'][k] for k in ('auc', 'balanced_accuracy', 'accuracy')], last"
check "the paper's counts: 1246 to train on, 578 to validate on" test \
    "$(cat "$work"/t/data/split-first/{train,valid}.list | wc -l) $(wc -l <"$work/t/data/split-first/valid.list")" = "1824 578"
check "the other collection is scored" grep -q '"external":{"list"' "$run/seed0/valid.json"
check "heat maps of the first seed alone" test -d "$run/seed0/gradcam" -a ! -d "$run/seed1/gradcam"
check "no seed is the other" test "$(cksum <"$run/seed0/probs.csv")" != "$(cksum <"$run/seed1/probs.csv")"
check "the report names nets, seeds, commands and the paper's numbers" python3 -c "
import xml.etree.ElementTree as T
text = ''.join(T.fromstring(open('$work/t/report.html').read().split('\n', 1)[1]).itertext())
for w in ('tiny, seed 1', '-epochs 0.2', '0.6702', 'split by case, then augmented', 'processor:'): assert w in text, w"
cp "$run/seed0/probs.csv" "$work/first.csv"
first=$(stat -c %Y%i "$run/seed1/valid.json")
rm -rf "$run/seed0"
./darknet classifier train "$work/t/data/split-first/ddti.data" "$work/tiny.cfg" -epochs 0.2 -net width=32 \
    -net height=32 -net min_crop=32 -net max_crop=38 -net batch=16 -net subdivisions=1 -seed 0 -threads 2 \
    -backup "$run/seed0" -stop-after 5 >"$work/log" 2>&1
check "a run is stopped on the way" test -s "$run/seed0/tiny.state" -a ! -e "$run/seed0/tiny_final.weights"
table2 >"$work/again" 2>"$work/err"
check "typed again, it goes on" grep -q -- '-resume' "$run/seed0/command.txt"
check "... to the same bits" cmp "$run/seed0/probs.csv" "$work/first.csv"
check "... and leaves what is done" test "$(stat -c %Y%i "$run/seed1/valid.json")" = "$first"
check "... with the same table" cmp "$work/table" "$work/again"
refuses "other settings want another OUT" "name another OUT" env OUT="$work/t" NETS="$work/tiny.cfg" EPOCHS=1 \
    SEEDS=0 ORDERS=split-first scripts/table2.sh
refuses "nets that fail are named, the others reported" "Not done:" env OUT="$work/t" EPOCHS=0.2 SEEDS=0 \
    NETS="$work/tiny.cfg $work/wild.cfg $work/large.cfg" ORDERS=split-first scripts/table2.sh
check "... one that has no layers for this size" grep -q 'large: left out: ' "$work/out"
check "... one whose loss is no number" grep -qE 'wild/seed0: .*(nan|inf|finite)' "$work/out"
check "... and a report is there" grep -q '^wrote .*report.html: 1 runs' "$work/out"
refuses "an order that is none" "expected split-first or augment-first" env OUT="$work/t" ORDERS=split scripts/table2.sh
refuses "no database" "no such folder" env DDTI="$work/nothing" scripts/table2.sh

# ---- honest.sh ----
honest() {
    OUT=$work/h NETS="$work/tiny.cfg" EPOCHS=1 FOLDS=2 REPEATS=2 LABELS="malignant out" DENOISE=none scripts/honest.sh
}
run=$work/h/4a-positive-none/tiny
KEEP=1 honest >"$work/table" 2>"$work/err"
check "honest.sh ends well" test $? = 0
check "its table is crossval.json's" python3 -c "
import json
o = json.load(open('$run/crossval.json'))
row = [l for l in open('$work/table') if l.startswith('tiny ')][0].split()
f = o['images']['figures']
want = ['%.4f' % f[k]['averaged'] for k in ('auc', 'balanced_accuracy', 'accuracy')]
assert row[1:4] == want, (row, want)
low, high = f['auc']['interval']
assert row[8:11] == ['%.4f' % low, 'to', '%.4f' % high], row
last = [l for l in open('$work/table') if l.startswith('trivial answer')][0].split()
assert last[4] == '%.4f' % o['images']['baseline']['accuracy'], last"
check "every image is scored once, by a net that has not seen its case" python3 -c "
import csv
rows = lambda f: list(csv.DictReader(open(f)))
case = {r['image']: r['case'] for r in rows('$work/h/data/4a-positive-none/manifest.csv') if r['image']}
assert sorted(r['image'] for r in rows('$run/probs.csv')) == sorted(case)
for part in ('r1-f1', 'r2-f2'):
    seen = {case[l.split('\t')[0].strip()] for l in open('$run/%s/train.list' % part)}
    assert not seen & {case[r['image']] for r in rows('$run/%s/probs.csv' % part)}"
check "4a left out: fewer images" test "$(wc -l <"$work/h/data/4a-out-none/all.list")" -lt \
    "$(wc -l <"$work/h/data/4a-positive-none/all.list")"
for part in r1-f1 r1-f2 r2-f1 r2-f2; do
    ./darknet classifier valid "$work/h/data/4a-positive-none/ddti.data" "$work/tiny.cfg" "$run/$part/tiny_final.weights" \
        -resamples 0 -list "$work/h/data/external.list" -probs "$run/$part/external.csv" >"$work/log" 2>&1
done
check "the other collection: the folds' mean" python3 -c "
import csv
rows = lambda f: list(csv.reader(open(f)))[1:]
folds = [rows('$run/r%d-f%d/external.csv' % (r, f)) for r in (1, 2) for f in (1, 2)]
mean = rows('$run/external.csv')
assert len(mean) == 12
for i, row in enumerate(mean):
    assert abs(float(row[3]) - sum(float(f[i][3]) for f in folds) / 4) < 1e-6 and row[0] == folds[0][i][0]"
first=$(stat -c %Y%i "$run/crossval.json")
honest >"$work/again" 2>"$work/err"
check "typed again, nothing is done anew" test "$(stat -c %Y%i "$run/crossval.json")" = "$first"
check "... with the same table" cmp "$work/table" "$work/again"
check "... without KEEP=1, the folds' weights are gone, their notes are not" test -z "$(find "$run" -name '*.weights')" -a \
    -s "$run/r1-f1/tiny_final.weights.json"
check "the report: both readings of 4a, the spread over repeats, the other collection" python3 -c "
import json, xml.etree.ElementTree as T
text = ''.join(T.fromstring(open('$work/h/report.html').read().split('\n', 1)[1]).itertext())
o = json.load(open('$run/crossval.json'))['images']['figures']['auc']
for w in ('4a malignant, not denoised', '4a left out, not denoised', '2 folds, repeated 2 times', 'External set, by image, unverified',
          '%.4f\u00b1 %.4f' % (o['averaged'], o['sd_over_repeats'])): assert w in text, w"
refuses "a reading of 4a that is none" "expected malignant, benign or out" env OUT="$work/h" LABELS=maybe scripts/honest.sh

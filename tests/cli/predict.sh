#!/bin/bash
# classifier predict, valid, test, label, csv, try, demo and classify as typed: what they answer.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive # nets this small are faster without spinning
cfg=$root/tests/fixtures/tiny.cfg
tools=$root/build/tests/tools
data=data/ddti/ddti.data
w=tiny.weights

check() { # name, command...
    local name=$1
    shift
    if "$@" >check.log 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 check.log)"; fi
}
classifier() { "$root/darknet" classifier "$@" 2>log; }
# json EXPRESSION < LINES: a python expression over `o`, the list of the lines' objects, is true
json() {
    python3 -c 'import json, sys
o = [json.loads(l) for l in sys.stdin]
sys.exit(0 if eval(sys.argv[1]) else "false: %s of %.300r" % (sys.argv[1], o))' "$1"
}
command -v python3 >/dev/null || { echo "skip - predict and valid: python3 is not installed"; exit 0; }

"$root/darknet" ddti synth sample -cases 24 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out data/ddti -per image >>log 2>&1 &&
    "$tools/make_weights" "$cfg" $w 1 >>log 2>&1 ||
    { echo "not ok - a sample and weights are made: $(tail -1 log)"; exit 1; }
image=$(head -1 data/ddti/valid.list)
n=$(wc -l <data/ddti/valid.list)

# ---- predict ----
classifier predict $data "$cfg" $w "$image" >text
check "text names every class" grep -cE '^(benign|malignant): [01]\.[0-9]+$' text
check "text gives the time" grep -qE "^$image: Predicted in [0-9.]+ milli-seconds\.$" text
check "text says that it took a crop for granted" grep -q '^input: assumed_crop' text
check "text says that scores are not calibrated" grep -q 'uncalibrated' text
check "text carries the research-only line" grep -q 'not a medical device; not for diagnosis' text
classifier predict $data "$cfg" $w "$image" -json >one.json
check "JSON: probabilities add up to 1, most probable first" json \
    'abs(sum(c["probability"] for c in o[0]["classes"])-1)<1e-6 and o[0]["classes"][0]["probability"]>=o[0]["classes"][1]["probability"]' <one.json
check "JSON: image, input, time, notice" json \
    "o[0]['image']=='$image' and o[0]['input']=='assumed_crop' and o[0]['time_ms']>0 and 'not for diagnosis' in o[0]['notice']" <one.json
classifier predict $data "$cfg" $w "$image" -t 1 -json >top.json
check "-t 1 shows one class" json 'len(o[0]["classes"])==1' <top.json
classifier predict $data "$cfg" $w data/ddti/valid.list -json >list.json
check "a list: one object a line and image" json "len(o)==$n" <list.json
classifier predict $data "$cfg" $w data/ddti/images/benign -json >folder.json
check "a folder: every image" json "len(o)==$(find data/ddti/images/benign -name '*.png' | wc -l)" <folder.json
printf '%s\n\n%s\n' "$image" "$image" | classifier predict $data "$cfg" $w >prompt.txt
check "paths from stdin, as Darknet prompts" test "$(grep -c Predicted prompt.txt)" = 2
check "the prompt is no result" grep -q 'Enter Image Path: ' log
classifier predict $data "$cfg" $w "$image" -csv >one.csv
check "-csv has a column a class" grep -q '^image,benign,malignant,input,time_ms$' one.csv
probabilities() { sed 's/,"time_ms":[^,]*//' "$1"; }
for t in 1 2; do classifier predict $data "$cfg" $w data/ddti/valid.list -json -threads $t >t$t.json; done
check "1 and 2 threads answer bit for bit alike" diff <(probabilities t1.json) <(probabilities t2.json)
sed "s#^data=.*##; s#^width=#data=$data\nwidth=#" "$cfg" >named.cfg
check "DATA may be left out" "$root/darknet" classifier predict named.cfg $w "$image"
check "classify is predict" diff <("$root/darknet" classify named.cfg $w "$image" -json 2>/dev/null | sed 's/,"time_ms.*//') \
    <(sed 's/,"time_ms.*//' one.json)

# a list in which one image is damaged: named, the others answered, status 1
head -c 300 "$image" >cut.png
{ echo "$image"; echo cut.png; echo missing.png; echo "$image"; } >damaged.list
classifier predict $data "$cfg" $w damaged.list -json >damaged.json
check "a bad image in a list ends in status 1" test $? = 1
check "... the others are answered" json 'len(o)==2' <damaged.json
check "... and both bad ones are named" test "$(grep -cE 'cut\.png|missing\.png' log)" = 2

# ---- one preprocessing ----
crop=$(basename "$image" .png)   # NUMBER_K_OUTLINE
number=${crop%%_*} k=${crop#*_} k=${k%%_*}
only_numbers='abs(o[0]["classes"][0]["probability"]-o[1]["classes"][0]["probability"])<1e-6 and o[0]["classes"][0]["name"]==o[1]["classes"][0]["name"]'
classifier predict $data "$cfg" $w "sample/${number}_$k.jpg" -xml "sample/$number.xml" -json >xml.json
check "-xml on the frame = its crop in the list" json "$only_numbers and o[0]['input']=='xml'" < <(cat xml.json one.json)
box=$(awk -F, -v i="$image" 'NR == 1 { for (c = 1; c <= NF; c++) at[$c] = c; next } $at["image"] == i { print $at["box_x"] "," $at["box_y"] "," $at["box_w"] "," $at["box_h"] }' data/ddti/manifest.csv 2>/dev/null)
if [ -n "${box//,/}" ]; then
    classifier predict $data "$cfg" $w "sample/${number}_$k.jpg" -roi "$box" -json >roi.json
    check "-roi on the frame = its crop in the list" json "$only_numbers and o[0]['input']=='roi'" < <(cat roi.json one.json)
else
    echo "not ok - -roi on the frame = its crop in the list: no box in manifest.csv: $(head -1 data/ddti/manifest.csv)"
fi
classifier predict $data "$cfg" $w "$image" -cropped -json >cropped.json
check "-cropped says so" json 'o[0]["input"]=="nodule_crop"' <cropped.json

# ---- valid and the lists ----
classifier valid $data "$cfg" $w >valid.txt
check "valid: a table with the trivial answer beside it" grep -q 'always "' valid.txt
check "valid carries the research-only line" grep -q 'not for diagnosis' valid.txt
classifier valid $data "$cfg" $w -json -probs probs.csv >valid.json
check "valid -json has what is promised" json \
    "o[0]['n']==$n and sum(map(sum,o[0]['confusion']))==$n and all(k in o[0] for k in 'loss accuracy auc balanced_accuracy sensitivity specificity f1 baseline'.split())" <valid.json
check "-probs: a header and a line an image" test "$(head -1 probs.csv) $(wc -l <probs.csv)" = "image,truth,benign,malignant $((n + 1))"
check "-probs equals predict" python3 -c "
import csv, json
p = {r['image']: r for r in csv.DictReader(open('probs.csv'))}
for l in open('list.json'):
    o = json.loads(l)
    for c in o['classes']:
        assert abs(float(p[o['image']][c['name']]) - c['probability']) < 1e-6, (o, p[o['image']])"
check "accuracy and AUC agree with -probs" python3 -c "
import csv, json
rows = list(csv.DictReader(open('probs.csv')))
v = json.load(open('valid.json'))
s = [float(r['malignant']) for r in rows]
t = [r['truth'] == 'malignant' for r in rows]
pairs = [(a > b) + (a == b) / 2 for a, x in zip(s, t) if x for b, y in zip(s, t) if not y]
assert abs(sum(pairs) / len(pairs) - v['auc']) < 1e-5, v
assert abs(sum((a > .5) == x for a, x in zip(s, t)) / len(t) - v['accuracy']) < 1e-5, v"
for v in valid10 validcrop validmulti validfull; do
    classifier $v $data "$cfg" $w -json >$v.json
    check "$v scores all images" json "o[0]['n']==$n and o[0]['loss']>0" <$v.json
done
classifier valid $data "$cfg" $w -list data/ddti/train.list -json >other.json
check "-list scores another list" json "o[0]['n']==$(wc -l <data/ddti/train.list)" <other.json
sed '/^test=/d' $data >test.data && echo "test=data/ddti/valid.list" >>test.data
classifier test test.data "$cfg" $w >test.txt
check "test prints every image, the last batch too" test "$(grep -cP '^\S+\t[0-9.e-]+\t[0-9.e-]+$' test.txt)" = "$n"
classifier label test.data "$cfg" $w >label.txt
check "label prints a class an image" test "$(grep -cxE 'benign|malignant' label.txt)" = "$n"
classifier csv test.data "$cfg" $w -t 1 >csv.txt
check "csv prints indices" test "$(grep -cP '\t[01]$' csv.txt)" = "$n"
check "label, test and csv agree" diff <(awk -F'\t' '{ print ($3 > $2) }' test.txt) <(cut -f2 csv.txt)

# ---- try and demo ----
classifier try $data "$cfg" $w "$image" >try.txt
check "try: a line a layer and the prediction" test "$(grep -cE '^ +[0-9]+ |^(benign|malignant): ' try.txt)" = 8
classifier try $data "$cfg" $w "$image" 1 -values >try1.txt
check "try LAYER: a line a channel, every output" test "$(grep -cE '^ +[0-9]+ ' try1.txt) $(grep -cP '\t' try1.txt)" = "16 128"
if /usr/bin/python3 -c 'import cv2' 2>/dev/null; then
    /usr/bin/python3 -c "
import cv2, numpy
v = cv2.VideoWriter('v.avi', cv2.VideoWriter_fourcc(*'MJPG'), 10, (160, 120))
for i in range(5): v.write(numpy.full((120, 160, 3), 40 * i, numpy.uint8))"
    classifier demo $data "$cfg" $w v.avi -out frames -frames 3 >demo.txt
    check "demo writes frames with scores" test "$(find frames -name 'frame_*.jpg' | wc -l) $(grep -c '^frame' demo.txt)" = "3 3"
else
    echo "skip - demo writes frames with scores: python3-opencv, which makes the video, is not installed"
fi

#!/bin/bash
# classifier report as typed: a page that is whole, loads nothing, takes nothing from files for
# markup, holds the figures of valid -json, and says what is missing; damaged files are refused.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
data=data/ddti/ddti.data

check() { # name, command...
    local name=$1
    shift
    if "$@" >check.log 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 check.log)"; fi
}
report() { "$root/darknet" classifier report "$@" 2>log; }
refuses() { # name, text that stderr must hold, arguments...
    local name=$1 text=$2
    shift 2
    rm -f refused.html
    if report "$@" -out refused.html >out; then echo "not ok - $name: exit status 0"; return; fi
    check "$name" grep -qF -- "$text" log
    [ ! -e refused.html ] || echo "not ok - $name: a page was left behind"
}
lacks() { ! grep -qE -- "$1" "$2"; }
command -v python3 >/dev/null || { echo "skip - report: python3 is not installed"; exit 0; }

# A net whose name is markup, two seeds of it, and another without heat maps.
evil='net<script>alert(1)<'
cp "$root/tests/fixtures/tiny.cfg" "$evil.cfg"
cp "$root/tests/fixtures/tiny.cfg" plain.cfg
run() { # folder, cfg, seed
    "$root/darknet" classifier train $data "$2" -backup "$1" -seed "$3" -net epochs=1 >>log 2>&1 &&
        "$root/darknet" classifier valid $data "$2" "$1/$(basename "$2" .cfg)_final.weights" -json \
            -probs "$1/probs.csv" -external data/ddti/train.list >"$1/valid.json" 2>>log
}
"$root/darknet" ddti synth sample -cases 40 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out data/ddti -size 40 -per image >>log 2>&1 &&
    run one "$evil.cfg" 1 && run two "$evil.cfg" 2 && run three plain.cfg 3 ||
    { echo "not ok - a sample is made and trained on: $(tail -1 log)"; exit 1; }
cp "$evil.cfg" one/
"$root/darknet" version >one/machine.txt
echo "./darknet classifier train <b>bold</b> & \"more\"" >one/command.txt
echo "first </h3><script>" | tee one/group.txt two/group.txt >three/group.txt
"$root/darknet" classifier gradcam $data "$evil.cfg" "one/${evil}_final.weights" data/ddti/valid.list \
    -out one/gradcam >>log 2>&1
printf '# a comment\nnet,figure,value,note\nplain,accuracy,0.5,"half, <i>said</i>"\nplain,external_auc,0.25,\n' >paper.csv

report one two/ three -out page.html -title 'A <title> & more' -paper paper.csv -order plain >out
check "a page is written" grep -q '^wrote page.html: 3 runs, 2 nets$' out
# Well-formed XML is what xmllint asks for; Python's parser asks the same where there is none.
if command -v xmllint >/dev/null; then
    check "the page is well-formed (xmllint)" xmllint --noout --nonet page.html
else
    echo "skip - the page is well-formed (xmllint): libxml2-utils is not installed"
fi
cat >page.py <<'END'
import json, re, sys, xml.etree.ElementTree as T
text = open(sys.argv[1]).read()
root = T.fromstring(text.split("\n", 1)[1])
tag = lambda e: e.tag.split("}")[1]
every = list(root.iter())
words = lambda e: "".join(e.itertext())
def tables(caption):
    return [t for t in every if tag(t) == "table" and any(tag(c) == "caption" and words(c).startswith(caption) for c in t)]
def rows(table):
    return [[words(c) if not len(c) else c.text for c in r] for r in table.iter() if tag(r) == "tr"]
sys.exit(0 if eval(sys.argv[2]) else "false: " + sys.argv[2])
END
page() { python3 page.py page.html "$1"; }
check "... and by Python's parser" page 'tag(root) == "html"'
check "no script, no link, no frame, no form" page \
    'not {"script", "link", "iframe", "object", "embed", "form", "image", "use"} & {tag(e) for e in every}'
check "nothing is loaded: every src is data:, no href, no url(), no import" page \
    'all(v.startswith("data:image/") for e in every for k, v in e.attrib.items() if k.endswith("src")) and not any(k.endswith("href") for e in every for k in e.attrib) and "url(" not in text and "@import" not in text'
check "no event handlers" page 'not any(k.lower().startswith("on") for e in every for k in e.attrib)'
check "names, titles, groups, commands are text, not markup" page \
    '"net<script>alert(1)<" in words(root) and "A <title> & more" in words(root) and "first </h3><script>" in words(root) and "<b>bold</b> & \"more\"" in words(root) and "<i>said</i>" in words(root)'
check "the research-only line, twice" test "$(grep -c 'not for diagnosis' page.html)" -ge 2
check "date, version, seeds, machine" page \
    '"UTC, written by ThyroNet-X4 for Darknet" in words(root) and "seed 2" in words(root) and "processor:" in words(root)'
check "-order: plain is first" page 'rows(tables("By image")[0])[1][0] == "plain"'
check "a single run's figures are those of valid -json, to the digit" page \
    '(lambda o, r: [r[2], r[3], r[4], r[5], r[6], r[7]] == ["%.4f" % o[k] for k in ("auc", "balanced_accuracy", "accuracy", "sensitivity", "specificity", "f1")])(json.load(open("three/valid.json")), rows(tables("By image")[0])[1])'
check "means over seeds" page \
    '(lambda a, b, r: r[1] == "2" and abs(float(r[4]) - (a["accuracy"] + b["accuracy"]) / 2) < 6e-5 and abs(float(r[2]) - (a["auc"] + b["auc"]) / 2) < 6e-5)(json.load(open("one/valid.json")), json.load(open("two/valid.json")), rows(tables("By image")[0])[2])'
check "spread over seeds" page \
    '(lambda a, b, t: "\u00b1 %.4f" % (abs(a - b) / 2 ** .5) in t)(json.load(open("one/valid.json"))["auc"], json.load(open("two/valid.json"))["auc"], words(tables("By image")[0]))'
check "the trivial answer beside them, by image and by case" page \
    '(lambda o: ["%.4f" % o["baseline"]["accuracy"], "%.4f" % o["cases"]["baseline"]["accuracy"]] == [rows(tables(c)[0])[-1][4] for c in ("By image", "By case")] and rows(tables("By image")[0])[-1][0].startswith("always answering "))(json.load(open("three/valid.json")))'
check "each run has its interval" page \
    '(lambda i: "%.4f to %.4f" % tuple(i) in words(tables("Each run")[0]))(json.load(open("three/valid.json"))["intervals"]["loss"])'
check "the other collection is called unverified" page \
    '(lambda o, r: r[2] == "%.4f" % o["external"]["auc"])(json.load(open("three/valid.json")), rows(tables("External set, by image, unverified")[0])[1])'
check "the paper's number, the measured one, the difference" page \
    '(lambda a, r: ["plain", "0.5000", "%.4f" % a, "%+.4f" % (a - .5)] == [r[0], r[2], r[3], r[6]])(json.load(open("three/valid.json"))["accuracy"], [r for t in every if tag(t) == "table" for r in rows(t) if r[0] == "plain" and len(r) == 9][0])'
check "curves, ROC, calibration, confusion, counts, drawing" page \
    'all(w in words(root) for w in ("Loss", "Accuracy", "F1", "1 - specificity", "ECE ", "answered", "left out: ", "expansion_residual")) and sum(tag(e) == "svg" for e in every) >= 6 + 1 + 2 + 2 + 1 + 1'
check "the confusion matrix is valid -json's" page \
    '(lambda o: all(str(n) in [words(e) for e in every if tag(e) == "text" and e.get("font-size") == "14"] for row in o["confusion"] for n in row))(json.load(open("three/valid.json")))'
check "heat maps and samples are in it" page 'sum(tag(e) == "img" for e in every) >= 6'
check "heat maps: hits and misses apart" page '"hits" in words(root) and "misses" in words(root)'
check "what is missing is said" page \
    '"plain: no folder gradcam/, so no heat maps." in words(root) and "No command.txt in the folder" in words(root) and "plain: no .cfg file in a run folder" in words(root)'
report one two three -out bare.html -no-images >out
check "-no-images: no data: URI, and it is said" lacks 'data:|<img' bare.html
check "... in words" grep -q 'left out (-no-images)' bare.html
mkdir only && cp three/probs.csv only/
report only -out only.html -resamples 0 >out
check "predictions alone give a page that says what is missing" grep -q 'no metrics.jsonl with an epoch' only.html
mkdir -p curve && cp three/metrics.jsonl curve/
report curve -out curve.html >out
check "curves alone do" grep -q 'No probs.csv with a class to ask about' curve.html

# ---- what it refuses ----
refuses "no folder" "name a run folder"
refuses "a folder that is not there" "nowhere: No such file" nowhere
refuses "a file" "page.html: no folder" page.html
mkdir empty
refuses "an empty folder" "empty: no run" empty
damage() { # file, sed script
    rm -rf bad && cp -r three bad && sed -i "$2" "bad/$1"
}
damage valid.json 's/.$//'
refuses "a truncated valid.json" "bad/valid.json:" bad
damage valid.json 's/"auc":[0-9.e-]*,/"auc":"high",/'
refuses "a figure that is no number" 'bad/valid.json: "auc" is no number' bad
cp three/metrics.jsonl lines.jsonl && rm -rf bad && cp -r three bad
cat lines.jsonl <(echo '{"epoch":') >bad/metrics.jsonl
refuses "a damaged line of metrics.jsonl" "bad/metrics.jsonl:$(($(wc -l <lines.jsonl) + 1)): no JSON" bad
damage probs.csv '3s/,[^,]*$/,1.5/'
refuses "a damaged probs.csv" "bad/probs.csv:3" bad
damage plain_final.weights.json 's/"classes"/classes/'
refuses "a damaged sidecar" "plain_final.weights.json:" bad
rm -rf bad && cp -r three bad && mkdir bad/gradcam && head -c 100 "$(find one/gradcam -name '*.png' | head -1)" >bad/gradcam/x.png
refuses "a damaged picture" "bad/gradcam/x.png" bad
printf 'net,figure,value,note\nplain,beauty,1,\n' >paper.csv
refuses "a figure of the paper that is none" 'paper.csv:2: "beauty" is no figure' three -paper paper.csv
printf 'net,figure,value,note\n#\nplain,auc,high,\n' >paper.csv
refuses "a value of the paper that is none" 'paper.csv:3: expected a number' three -paper paper.csv
refuses "-order of a net that is not there" 'called "vgg"' three -order vgg
if report three -out none/page.html >out; then echo "not ok - a place that cannot be written: exit status 0"
else check "a place that cannot be written" grep -q 'none/page.html' log; fi
"$root/darknet" classifier report -h >out
check "-h explains" grep -q 'usage: darknet classifier report' out

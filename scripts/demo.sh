#!/bin/bash
# The main job from end to end on generated data: a sample shaped like DDTI is made, converted, a
# small ThyroNet trained on it, validated and asked about one image. All of it lies in data/demo and
# weights/demo, which each run makes anew.
set -euo pipefail
cd "$(dirname "$0")/.."
cases=${CASES:-160}
weights=weights/demo/demo_best.weights

step() { printf '\n== %s\n' "$1"; }
# Shows the command as one would type it, and of what it says only lines that match.
run() {
    local lines=$1
    shift
    echo "\$ $*"
    set +e
    "$@" 2>&1 | tee "$log" | grep --line-buffered -E "$lines"
    local status=${PIPESTATUS[0]}
    set -e
    [ "$status" -eq 0 ] || { tail -20 "$log" >&2; exit 1; }
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

rm -rf data/demo weights/demo

step "1. A sample shaped like DDTI: case files and ultrasound-like images, no patient's data"
run . ./darknet ddti synth data/demo/sample -cases "$cases"

step "2. Converted: a square around each nodule, split by case"
run '^(TI-RADS|labels|crop|used|split|  train|  valid|wrote)' \
    ./darknet ddti convert data/demo/sample -out data/demo -size 96

step "3. A small ThyroNet-X4 trained on it (validation after every epoch)"
run '^(net:|epoch|best|chosen)' ./darknet classifier train cfg/demo.cfg -backup weights/demo

step "4. Validated"
run '^[^R]' ./darknet classifier valid cfg/demo.cfg "$weights"
auc=$(awk '$1 == "AUC" { print $2; exit }' "$log")

step "5. Asked about one image: the whole frame, its nodule outlined in the case file"
crop=$(grep -m1 /malignant/ data/demo/valid.list)
image=$(basename "$crop" | cut -d_ -f1,2)
sample=data/demo/sample
run . ./darknet classifier predict cfg/demo.cfg "$weights" "$sample/$image.jpg" \
    -xml "$sample/${image%_*}.xml"

step "Done"
if ! awk "BEGIN { exit !($auc >= 0.75) }"; then
    echo "Validation AUC $auc: hardly better than chance (0.5). Something is wrong with this build." >&2
    exit 1
fi
cat <<END
Validation AUC $auc (0.5: chance, and what always giving the larger class gets). The sample is drawn by a
program whose grades differ plainly: this figure says that all the parts work, nothing about patients.
The learning curves: weights/demo/chart_demo.png

Next, with the real database (data/README.md says where it comes from):
    ./darknet ddti convert FOLDER_OF_XML_AND_JPG -out data/ddti
    ./darknet classifier train cfg/thyronet.cfg
    ./darknet classifier valid cfg/thyronet.cfg weights/thyronet_best.weights
Any command explains itself with -h. To test all of it: make test
END

#!/bin/bash
# ddti and list as typed: their lists load in Debian's Darknet, and the real database converts.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
check() { # name, command...
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 "$work/log")"; fi
}
one_label() { # list: each path holds one label, once
    awk '{ n = gsub(/benign/, "&") + gsub(/malignant/, "&") } n != 1 { print "wrong: " $0; bad = 1 } END { exit bad || !NR }' "$1"
}
cd "$work" || exit 1
check "synth makes a sample" "$root/darknet" ddti synth sample -cases 24 -seed 1
check "convert makes lists" "$root/darknet" ddti convert sample -out data/ddti -size 32
for l in train valid; do check "$l.list holds one label a path" one_label "data/ddti/$l.list"; done
check "stats counts" "$root/darknet" ddti stats sample

# Debian's program draws from train.list and speaks up where not exactly one label matches.
if [ -x /usr/bin/darknet ]; then
    mkdir -p weights
    printf '[net]\nbatch=64\nsubdivisions=1\nheight=16\nwidth=16\nchannels=3\nmax_crop=32\nlearning_rate=0.01\nmax_batches=3\n[convolutional]\nfilters=2\nsize=3\nstride=1\npad=1\nactivation=linear\n[avgpool]\n[softmax]\n[cost]\ntype=sse\n' >tiny.cfg
    OMP_NUM_THREADS=2 timeout 60 /usr/bin/darknet classifier train data/ddti/ddti.data tiny.cfg >debian.log 2>&1
    if ! grep -qE '^3, ' debian.log; then
        echo "not ok - Debian's Darknet trains on the lists: $(tail -1 debian.log)"
    elif grep -qiE 'too many or too few|cannot load' debian.log; then
        echo "not ok - Debian's Darknet finds one label a path: $(grep -iE 'too many|cannot' debian.log | head -1)"
    else
        echo "ok - Debian's Darknet trains on the lists, one label a path"
    fi
else
    echo "skip - Debian's Darknet trains on the lists: /usr/bin/darknet is not installed"
fi

if [ -d "$root/../shared/data/ddti" ]; then
    db=$root/../shared/data/ddti
    check "the real database converts" "$root/darknet" ddti convert "$db" -out data/real -folds 5
    cp log real.log 2>/dev/null
    check "its summary counts 298 graded cases" grep -q '^graded: 298 cases' real.log
    check "its summary counts 60 benign images with an outline" grep -q 'benign: 52 cases, 61 images, 60 with' real.log
    check "its summary counts 281 malignant images with an outline" grep -q 'malignant: 246 cases, 288 images, 281 with' real.log
    for l in train valid; do check "$l.list of the real database holds one label a path" one_label "data/real/$l.list"; done
else
    echo "skip - the real database converts: ../shared/data/ddti is not there"
fi

#!/bin/bash
# The paper's protocol on DDTI: its eight nets and the other readings of ThyroNet-X4, its counts of
# images in both orders of splitting and augmenting, over several seeds; then a report of it all.
#
#   DDTI=FOLDER scripts/table2.sh
#
#   EPOCHS=100        SEEDS="0 1 2"       NETS="thyronet baseline ..." (names in cfg/, or files)
#   ORDERS="split-first augment-first"    SIZE=64 (pixels; default: the cfg's, 224)   BATCH=32
#   THREADS=N         OUT=weights/table2  EXTERNAL=FOLDER (of folders benign and malignant)
#   HEAT=4            heat maps of hits and misses each, first seed     IMAGES=0 none on the page
#
# Each run lies in OUT/ORDER/NET/seedS. What is finished is not done again, what was stopped goes on:
# type the same command. The last epoch's weights count, no best one: the list that would choose it is
# the one that is scored. A net whose training fails is named and left out. To try a failed run
# again, remove its folder.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 0 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | grep -v '^set ' >&2; exit 1; }
. scripts/runs.sh
OUT=${OUT:-weights/table2}
SEEDS=${SEEDS:-0 1 2}
ORDERS=${ORDERS:-split-first augment-first}

group_of() {
    case $1 in
    split-first) echo "split by case, then augmented" ;;
    augment-first) echo "augmented, then split: copies of validation images are in training" ;;
    *) fail "ORDERS: $1, expected split-first or augment-first" ;;
    esac
}

convert() { # order
    local to=$OUT/data/$1
    [ ! -s "$to/done" ] || return 0
    say "converting DDTI, $1"
    mkdir -p "$OUT/data"
    ./darknet ddti convert "$DDTI" -out "$to" -paper "$1" -seed 0 "${stored[@]}" >"$OUT/data/$1.log" 2>&1 ||
        fail "$(tail -1 "$OUT/data/$1.log")"
    echo "$1" >"$to/done"
}

train() { # run, data, cfg, seed
    local base resume=()
    base=$(name_of "$3")
    [ ! -s "$1/${base}_final.weights" ] || return 0
    [ ! -s "$1/$base.state" ] || resume=(-resume)
    typed "$1" ./darknet classifier train "$2" "$3" -epochs "$EPOCHS" "${keys[@]}" -seed "$4" \
        -threads "$THREADS" -backup "$1" "${resume[@]}"
}

score() { # run, data, cfg
    local base external=()
    base=$(name_of "$3")
    [ -z "$EXTERNAL" ] || external=(-external "$OUT/data/external.list")
    echo "./darknet classifier valid $2 $3 $1/${base}_final.weights ${keys[*]} -json -probs $1/probs.csv ${external[*]}" \
        >>"$1/command.txt"
    ./darknet classifier valid "$2" "$3" "$1/${base}_final.weights" "${keys[@]}" -threads "$THREADS" \
        -json -probs "$1/probs.csv" "${external[@]}" >"$1/valid.part" 2>>"$1/log.txt" &&
        mv "$1/valid.part" "$1/valid.json"
}

one_run() { # order, net, seed
    local cfg data run base
    cfg=$(cfg_of "$2") data=$OUT/data/$1/ddti.data base=$(name_of "$2")
    run=$OUT/$1/$base/seed$3
    settle "$run/settings.txt" "epochs $EPOCHS, seed $3, keys ${keys[*]}, external $EXTERNAL"
    [ ! -s "$run/failed.txt" ] || { failures+=("$run: $(cat "$run/failed.txt")"); return 0; }
    if [ ! -s "$run/valid.json" ]; then
        say "$1, $base, seed $3"
        describe "$run" "$cfg" "$(group_of "$1")"
        train "$run" "$data" "$cfg" "$3" && score "$run" "$data" "$cfg" || { note_failure "$run"; return 0; }
    fi
    [ "$3" != "${SEEDS%% *}" ] || heat_maps "$run" "$data" "$cfg" "$run/${base}_final.weights" "$run/probs.csv"
    rm -f "$run/$base.state" "$run/${base}_last.weights"* "$run/${base}_best.weights"*
    runs+=("$run")
}

row() { # order, net: the means over seeds
    local key seed file line
    line=$(printf '%-20s' "$2")
    for key in auc balanced_accuracy accuracy sensitivity specificity f1; do
        line+=$(for seed in $SEEDS; do
            file=$OUT/$1/$2/seed$seed/valid.json
            [ ! -s "$file" ] || number "$file" $key
        done | spread | awk '{ printf "  %-15s", $2 == "-" ? $1 : $1 " +- " $2 }')
    done
    echo "$line"
}

table() {
    local order net key file
    for order in $ORDERS; do
        printf '\n%s\n%-20s' "$(group_of "$order")" "mean +- sd"
        printf '  %-15s' AUC "balanced acc." accuracy sensitivity specificity F1
        echo
        for net in $NETS; do row "$order" "$(name_of "$net")"; done
        file=$(find "$OUT/$order" -name valid.json | head -1)
        [ -n "$file" ] || continue
        printf '%-20s' "trivial answer"
        for key in auc balanced_accuracy accuracy sensitivity specificity f1; do
            printf '  %-15s' "$(number "$file" $key '"baseline":' | spread | cut -d' ' -f1)"
        done
        echo
    done
}

need_ddti
for order in $ORDERS; do group_of "$order" >/dev/null; done
make_keys
check_nets
mkdir -p "$OUT/data"
make_external "$OUT/data/external.list"
runs=()
for order in $ORDERS; do
    convert "$order"
    for net in $NETS; do
        for seed in $SEEDS; do one_run "$order" "$net" "$seed"; done
    done
done
table | tee "$OUT/table.txt"
report "$OUT/report.html" "ThyroNet-X4 on DDTI: the paper's protocol in both orders" "${runs[@]}"
finish

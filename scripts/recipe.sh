#!/bin/bash
# A training recipe chosen and judged on DDTI by case: the README's "A recipe for DDTI".
#
#   scripts/recipe.sh inner DATA NAME CFG [options of train]   to choose by
#   scripts/recipe.sh outer DATA NAME CFG [options of train]   to report
#
# DATA is what `ddti convert DIR -out DATA -folds 5 -seed 0` wrote. "inner" leaves two neighbouring
# folds out, j and j+1, for each j of PAIRS (default "0 2"), trains on the other three and scores
# both: fold j+1 counts for a choice inside outer fold j, and fold j for one inside outer fold j+1,
# since neither choice has seen its outer fold. "outer" trains on four folds and scores the fifth,
# for each of FOLDS (default "0 1 2 3 4"). The last epoch's weights count, no best one.
# Predictions go to OUT/NAME (default weights/recipe): pair<j>.csv or fold<i>.csv, and inner.csv or
# outer.csv with all of them, for `classifier compare`. What is there already is not done again.
#
#   VIEWS=valid10    scores with another command than valid
#   THREADS=1        the bits of a run depend on it
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 4 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 1; }
what=$1 data=$2 name=$3 cfg=$4
shift 4
out=${OUT:-weights/recipe}/$name
threads=${THREADS:-1}
views=${VIEWS:-valid}
mkdir -p "$out"

lists_of_pair() { # j
    local next=$((($1 + 1) % 5)) f
    for f in 0 1 2 3 4; do
        [ "$f" = "$1" ] || [ "$f" = $next ] || cat "$data/fold$f/valid.list"
    done >"$out/$part.train.list"
    cat "$data/fold$1/valid.list" "$data/fold$next/valid.list" >"$out/$part.valid.list"
}
lists_of_fold() { # i
    cp "$data/fold$1/train.list" "$out/$part.train.list"
    cp "$data/fold$1/valid.list" "$out/$part.valid.list"
}

# The net's keys, without what only `train` knows.
keys=()
for ((i = 1; i < $#; i++)); do
    [ "${!i}" != -net ] || { next=$((i + 1)) && keys+=(-net "${!next}"); }
done

train_and_score() { # options of train
    local files=$out/$part weights
    weights=$files/$(basename "$cfg" .cfg)_final.weights
    [ ! -s "$files.csv" ] || return 0
    sed "s,^train=.*,train=$files.train.list,; s,^valid=.*,valid=$files.valid.list," \
        "$data/fold0/ddti.data" >"$files.data"
    echo "$name $part: training" >&2
    ./darknet classifier train "$files.data" "$cfg" "$@" -threads "$threads" -valid-every 1000 \
        -backup "$files" >"$files.log" 2>&1 || { tail -3 "$files.log" >&2; exit 1; }
    ./darknet classifier "$views" "$files.data" "$cfg" "$weights" "${keys[@]}" -threads "$threads" \
        -manifest "$data/manifest.csv" -probs "$files.csv" >"$files.txt"
    awk -v part="$part" '$1 == "AUC" { print part, $0; exit }' "$files.txt"
    rm -f "$files"/*.weights "$files"/*.state
}

case $what in
inner) kind=pair parts=${PAIRS:-0 2} ;;
outer) kind=fold parts=${FOLDS:-0 1 2 3 4} ;;
*) echo "$what: inner or outer expected" >&2 && exit 1 ;;
esac
tables=()
for i in $parts; do
    part=$kind$i
    "lists_of_$kind" "$i"
    train_and_score "$@"
    tables+=("$out/$part.csv")
done
awk 'FNR > 1 || NR == 1' "${tables[@]}" >"$out/$what.csv"
echo "wrote $out/$what.csv"

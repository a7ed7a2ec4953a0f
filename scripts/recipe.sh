#!/bin/bash
# A training recipe chosen and judged on DDTI by case: the README's "A recipe for DDTI".
#
#   scripts/recipe.sh inner DATA NAME CFG [options of train]   to choose by
#   scripts/recipe.sh choose DATA NAME...                      what outer folds would choose by it
#   scripts/recipe.sh outer DATA NAME CFG [options of train]   to report
#
# DATA is what `ddti convert DIR -out DATA -folds 5 -seed 0` wrote. "inner" leaves two folds out, for
# each of PAIRS (default "0 2"; j is j and j+1, jk is j and k), trains on the other three and scores
# both: each fold counts for a choice inside the other as outer fold, which that choice has not seen.
# "choose" wants all ten pairs (PAIRS="01 02 03 04 12 13 14 23 24 34") of every NAME: for each outer
# fold, the mean AUC of the four others by nets that knew neither, and the NAME that has most.
# "outer" trains on four folds and scores the fifth, for each of FOLDS (default "0 1 2 3 4"). The last
# epoch's weights count, no best one.
# Predictions go to OUT/NAME (default weights/recipe): pair<j>.csv or fold<i>.csv, and inner.csv or
# outer.csv with all of them, for `classifier compare`. What is there already is not done again.
#
#   VIEWS="valid valid10"   the commands that score; what another than valid says is in ....VIEW.csv
#   SEEDS="0 1"             trains once a seed, and scores the mean of their answers
#   EARLY=1                 the last of the folds to train on is kept back, and the epoch that is best
#                           there counts instead of the last (give -net patience=N too)
#   THREADS=1               the bits of a run depend on it
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 4 ] || [ "${1:-}" = choose -a $# -ge 3 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 1; }
what=$1 data=$2 name=$3 cfg=${4:-}
home=${OUT:-weights/recipe}

# A list's AUC by the scores of a table: pairs of one image of each class, ties by halves.
auc() { # list, table
    awk -F, 'NR == FNR { wanted[$1]; next }
        FNR == 1 { for (i = 3; i <= NF; i++) if ($i == "malignant") column = i; next }
        $1 in wanted { if ($2 == "malignant") up[++m] = $column; else down[++n] = $column }
        END { for (i in up) for (j in down) wins += up[i] > down[j] ? 1 : up[i] == down[j] ? .5 : 0
              if (!m || !n) exit 1
              print wins / m / n }' "$1" "$2"
}

if [ "$what" = choose ]; then
    shift 2
    for fold in 0 1 2 3 4; do
        for name; do
            for other in 0 1 2 3 4; do
                [ $other != $fold ] || continue
                pair=$fold$other
                [ $other -gt $fold ] || pair=$other$fold
                auc "$data/fold$other/valid.list" "$home/$name/pair$pair.csv"
            done | awk -v name="$name" '{ sum += $1 } END { printf "%.4f %s\n", sum / NR, name }'
        done | sort -rn | awk -v fold=$fold '{ printf "fold %s  %s  %s%s\n", fold, $1, $2, NR == 1 ? "  *" : "" }'
    done
    exit
fi

shift 4
out=$home/$name
threads=${THREADS:-1}
views=${VIEWS:-valid}
seeds=${SEEDS:-0}
early=${EARLY:-}
mkdir -p "$out"

# The folds that a part trains on, and those that it is scored on.
folds_of_pair() { # j or jk
    local first=${1:0:1} second=${1:1:1} f
    second=${second:-$(((first + 1) % 5))}
    train=()
    score=("$first" "$second")
    for f in 0 1 2 3 4; do [ "$f" = "$first" ] || [ "$f" = "$second" ] || train+=("$f"); done
}
folds_of_fold() { # i
    local f
    train=()
    score=("$1")
    for f in 0 1 2 3 4; do [ "$f" = "$1" ] || train+=("$f"); done
}

lists_of_part() {
    local f files=$out/$part
    kept=()
    if [ "$early" ]; then
        kept=("${train[-1]}")
        unset 'train[-1]'
    fi
    for f in "${train[@]}"; do cat "$data/fold$f/valid.list"; done >"$files.train.list"
    for f in "${score[@]}"; do cat "$data/fold$f/valid.list"; done >"$files.valid.list"
    for f in "${kept[@]}"; do cat "$data/fold$f/valid.list"; done >"$files.kept.list"
    data_file "$files.data" "$files.valid.list"
    [ -z "$early" ] || data_file "$files.early.data" "$files.kept.list"
}
data_file() { # FILE, list to validate on
    sed "s,^train=.*,train=$out/$part.train.list,; s,^valid=.*,valid=$2," "$data/fold0/ddti.data" >"$1"
}

# Without EARLY the scored list is the trainer's valid= too, but nothing is chosen by it.
lists=data counts=final how=(-valid-every 1000)
[ -z "$early" ] || lists=early.data counts=best how=()

# The net's keys, without what only `train` knows.
keys=()
for ((i = 1; i < $#; i++)); do
    [ "${!i}" != -net ] || { next=$((i + 1)) && keys+=(-net "${!next}"); }
done

csv_of() { # view, part
    [ "$1" = valid ] && echo "$out/$2.csv" || echo "$out/$2.$1.csv"
}

train_and_score() { # options of train
    local files=$out/$part view seed all_there=yes weights=()
    for view in $views; do [ -s "$(csv_of "$view" "$part")" ] || all_there=; done
    [ -z "$all_there" ] || return 0
    for seed in $seeds; do
        echo "$name $part seed $seed: training" >&2
        ./darknet classifier train "$files.$lists" "$cfg" "$@" -seed "$seed" -threads "$threads" \
            "${how[@]}" -backup "$files/$seed" >"$files.$seed.log" 2>&1 ||
            { tail -3 "$files.$seed.log" >&2; exit 1; }
        weights+=("$files/$seed/$(basename "$cfg" .cfg)_$counts.weights")
    done
    for view in $views; do
        ./darknet classifier "$view" "$files.data" "$cfg" "${weights[@]}" "${keys[@]}" -threads "$threads" \
            -manifest "$data/manifest.csv" -probs "$(csv_of "$view" "$part")" >"$files.$view.txt"
        awk -v part="$part $view" '$1 == "AUC" { print part, $0; exit }' "$files.$view.txt"
    done
    rm -rf "$files"
}

case $what in
inner) kind=pair parts=${PAIRS:-0 2} ;;
outer) kind=fold parts=${FOLDS:-0 1 2 3 4} ;;
*) echo "$what: inner or outer expected" >&2 && exit 1 ;;
esac
for i in $parts; do
    part=$kind$i
    "folds_of_$kind" "$i"
    lists_of_part
    train_and_score "$@"
done
for view in $views; do
    tables=()
    for i in $parts; do tables+=("$(csv_of "$view" "$kind$i")"); done
    awk 'FNR > 1 || NR == 1' "${tables[@]}" >"$(csv_of "$view" "$what")"
    echo "wrote $(csv_of "$view" "$what")"
done

#!/bin/bash
# The same nets judged honestly: DDTI by case, every crop scored by a net that has seen none of its
# case (classifier crossval), with TI-RADS 4a read as malignant, as benign and left out, with and
# without denoising; and on another collection, unverified. Then a report of it all.
#
#   DDTI=FOLDER scripts/honest.sh
#
#   FOLDS=5           REPEATS=1 (each deals and trains anew)   SEED=0    EPOCHS=100
#   LABELS="malignant benign out" (what 4a is)                 DENOISE="none median" (nlm, srad)
#   NETS="thyronet baseline ..." (names in cfg/, or files)     SIZE=64 (pixels; default 224)   BATCH=32
#   THREADS=N         OUT=weights/honest  EXTERNAL=FOLDER (of folders benign and malignant)
#   HEAT=4            heat maps of hits and misses each        IMAGES=0 none on the page
#   KEEP=1            keeps the folds' weights
#
# Each cross-validation lies in OUT/4a-positive-none/NET and so on. What is finished is not done again, what
# was stopped goes on: type the same command. On the other collection the folds' nets answer
# together: the mean of their probabilities. A net whose training fails is named and left out. To try
# it again, remove its folder.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 0 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | grep -v '^set ' >&2; exit 1; }
. scripts/runs.sh
OUT=${OUT:-weights/honest}
FOLDS=${FOLDS:-5}
REPEATS=${REPEATS:-1}
SEED=${SEED:-0}
LABELS=${LABELS:-malignant benign out}
DENOISE=${DENOISE:-none median}

group_of() { # label, denoise
    local grade
    case $1 in
    malignant) grade="4a malignant" ;;
    benign) grade="4a benign" ;;
    out) grade="4a left out" ;;
    *) fail "LABELS: $1, expected malignant, benign or out" ;;
    esac
    [ "$2" = none ] && echo "$grade, not denoised" || echo "$grade, denoised ($2)"
}

# No label may occur in the path of an image.
folder_of() { # label, denoise
    case $1 in malignant) echo "4a-positive-$2" ;; benign) echo "4a-negative-$2" ;; *) echo "4a-out-$2" ;; esac
}

convert() { # label, denoise
    local to=$OUT/data/$(folder_of "$1" "$2") grades
    case $1 in
    malignant) grades=(-benign 2,3 -malignant 4a,4b,4c,5) ;;
    benign) grades=(-benign 2,3,4a -malignant 4b,4c,5) ;;
    out) grades=(-benign 2,3 -malignant 4b,4c,5) ;;
    esac
    [ ! -s "$to/all.list" ] || return 0
    say "converting DDTI, $(group_of "$1" "$2")"
    mkdir -p "$OUT/data"
    ./darknet ddti convert "$DDTI" -out "$to" "${grades[@]}" -denoise "$2" -seed 0 "${stored[@]}" \
        >"$to.log" 2>&1 || fail "$(tail -1 "$to.log")"
    cat "$to/train.list" "$to/valid.list" >"$to/all.part"
    mv "$to/all.part" "$to/all.list"
}

crossval() { # run, data, cfg
    local resume=()
    [ ! -e "$1/settings.json" ] || resume=(-resume)
    typed "$1" ./darknet classifier crossval "$2/ddti.data" "$3" -list "$2/all.list" -folds "$FOLDS" \
        -repeats "$REPEATS" -seed "$SEED" -epochs "$EPOCHS" "${keys[@]}" -threads "$THREADS" -out "$1" \
        "${resume[@]}"
}

# The folds' nets together on the other collection.
external() { # run, data, cfg
    local weights=("$1"/r*-f*/"$(name_of "$3")_final.weights")
    [ -n "$EXTERNAL" ] && [ ! -s "$1/external.csv" ] || return 0
    if [ ! -e "${weights[0]}" ]; then
        say "$1: the folds' weights are gone (KEEP=1 keeps them), so no figures of EXTERNAL"
        return 0
    fi
    typed "$1" ./darknet classifier valid "$2/ddti.data" "$3" "${weights[@]}" "${keys[@]}" \
        -list "$OUT/data/external.list" -resamples 0 -threads "$THREADS" -probs "$1/external.part" &&
        mv "$1/external.part" "$1/external.csv"
}

one_run() { # label, denoise, net
    local cfg data run base
    cfg=$(cfg_of "$3") data=$OUT/data/$(folder_of "$1" "$2") base=$(name_of "$3")
    run=$OUT/$(folder_of "$1" "$2")/$base
    settle "$run/settings.txt" "epochs $EPOCHS, seed $SEED, folds $FOLDS, repeats $REPEATS, keys ${keys[*]}"
    [ ! -s "$run/failed.txt" ] || { failures+=("$run: $(cat "$run/failed.txt")"); return 0; }
    if [ ! -s "$run/crossval.json" ]; then
        say "$(group_of "$1" "$2"): $base, $FOLDS folds, $REPEATS times"
        describe "$run" "$cfg" "$(group_of "$1" "$2")"
        crossval "$run" "$data" "$cfg" || { note_failure "$run"; return 0; }
    fi
    external "$run" "$data" "$cfg" || { note_failure "$run"; return 0; }
    if [ "$1 $2" = "${LABELS%% *} ${DENOISE%% *}" ]; then
        heat_maps "$run" "$data/ddti.data" "$cfg" "$run/r1-f1/${base}_final.weights" "$run/r1-f1/probs.csv"
        [ ! -d "$run/gradcam" ] || cp "$run/r1-f1/probs.csv" "$run/gradcam/"
    fi
    [ "${KEEP:-}" = 1 ] || rm -f "$run"/r*-f*/*.weights "$run"/r*-f*/*.state
    runs+=("$run")
}

row() { # crossval.json, net
    local key
    printf '%-20s' "$2"
    for key in auc balanced_accuracy accuracy sensitivity specificity f1; do
        number "$1" averaged "\"$key\":{" | spread | awk '{ printf "  %-8s", $1 }'
    done
    grep -oE '"auc":\{[^}]*"interval":\[[^]]*\]' "$1" | head -1 | sed 's/.*\[//; s/\]//' |
        awk -F, '{ printf "  AUC %.4f to %.4f", $1, $2 }'
    echo
}

table() {
    local label denoise net key file some
    for label in $LABELS; do
        for denoise in $DENOISE; do
            printf '\n%s\n%-20s' "$(group_of "$label" "$denoise")" "by image, out of fold"
            printf '  %-8s' AUC balanced accuracy sensit. specif. F1
            echo
            some=
            for net in $NETS; do
                file=$OUT/$(folder_of "$label" "$denoise")/$(name_of "$net")/crossval.json
                [ -s "$file" ] || continue
                row "$file" "$(name_of "$net")"
                some=$file
            done
            [ -n "$some" ] || continue
            printf '%-20s' "trivial answer"
            for key in auc balanced_accuracy accuracy sensitivity specificity f1; do
                number "$some" $key '"baseline":{' | spread | awk '{ printf "  %-8s", $1 }'
            done
            echo
        done
    done
}

need_ddti
for label in $LABELS; do group_of "$label" none >/dev/null; done
make_keys
check_nets
mkdir -p "$OUT/data"
make_external "$OUT/data/external.list"
runs=()
for label in $LABELS; do
    for denoise in $DENOISE; do
        convert "$label" "$denoise"
        for net in $NETS; do one_run "$label" "$denoise" "$net"; done
    done
done
table | tee "$OUT/table.txt"
report "$OUT/report.html" "ThyroNet-X4 on DDTI by case" "${runs[@]}"
finish

# What table2.sh and honest.sh share; they source it. Nothing runs by itself.
# shellcheck shell=bash

eight="thyronet baseline baseline-block baseline-bottleneck vgg16 alexnet googlenet mobilenet"
readings="thyronet-b thyronet-c thyronet-dense"

EPOCHS=${EPOCHS:-100}
NETS=${NETS:-$eight $readings}
THREADS=${THREADS:-$(nproc)}
SIZE=${SIZE:-}
BATCH=${BATCH:-}
EXTERNAL=${EXTERNAL:-}
HEAT=${HEAT:-4}
IMAGES=${IMAGES:-1}
failures=()

say() { printf '== %s\n' "$*" >&2; }
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

need_ddti() {
    [ -x ./darknet ] || fail "there is no ./darknet: make"
    [ -n "${DDTI:-}" ] || fail "name the database: DDTI=FOLDER_OF_XML_AND_JPG $0"
    [ -d "$DDTI" ] || fail "DDTI=$DDTI: no such folder"
    [ -z "$EXTERNAL" ] || [ -d "$EXTERNAL" ] || fail "EXTERNAL=$EXTERNAL: no such folder"
}

# thyronet or a path: the cfg, and what it is called.
cfg_of() { case $1 in *.cfg) echo "$1" ;; *) echo "cfg/$1.cfg" ;; esac; }
name_of() { basename "$1" .cfg; }

# [net] keys that differ from the cfg's: another size keeps the ratio of crops to window.
# Crops are stored at twice the size that is asked for: no smaller than any window is cut from.
make_keys() {
    keys=() stored=()
    [ -z "$SIZE" ] || stored=(-size $((2 * SIZE)))
    [ -z "$SIZE" ] || keys+=(-net "width=$SIZE" -net "height=$SIZE" -net "min_crop=$SIZE"
        -net "max_crop=$((SIZE * 17 / 14))")
    [ -z "$BATCH" ] || keys+=(-net "batch=$BATCH" -net subdivisions=1)
}

# Nets that have no layers for this size are named and left out.
check_nets() {
    local net kept= why
    for net in $NETS; do
        if why=$(./darknet classifier summary "$(cfg_of "$net")" "${keys[@]}" 2>&1 >/dev/null); then
            kept="$kept $net"
        else
            failures+=("$(name_of "$net"): left out: $(tail -1 <<<"$why")")
            say "${failures[-1]}"
        fi
    done
    [ -n "$kept" ] || fail "no net is left"
    NETS=$kept
}

# A file that holds these words; another run's words in it are an error, not a mix of both.
settle() { # FILE, words...
    local file=$1
    shift
    if [ -e "$file" ] && [ "$(cat "$file")" != "$*" ]; then
        fail "$file was made with other settings: $(cat "$file") (now: $*); name another OUT"
    fi
    mkdir -p "$(dirname "$file")"
    echo "$*" >"$file"
}

# Runs a command, its output in LOG, and notes it in command.txt of the run. 128 and more is a
# signal: everything stops.
typed() { # RUN, words...
    local run=$1 status=0
    shift
    grep -qxF -- "$*" "$run/command.txt" 2>/dev/null || echo "$*" >>"$run/command.txt"
    "$@" >>"$run/log.txt" 2>&1 || status=$?
    [ $status -lt 128 ] || { say "stopped; the same command goes on"; exit $status; }
    return $status
}

# What the program said last in its own name, else its last line.
note_failure() { # RUN
    grep '^darknet ' "$1/log.txt" | tail -1 >"$1/failed.txt"
    [ -s "$1/failed.txt" ] || tail -1 "$1/log.txt" >"$1/failed.txt"
    failures+=("$1: $(cat "$1/failed.txt")")
    say "${failures[-1]}"
}

describe() { # RUN, cfg, group
    ./darknet version >"$1/machine.txt"
    echo "threads: $THREADS" >>"$1/machine.txt"
    cp "$2" "$1/"
    echo "$3" >"$1/group.txt"
}

# A list of the other collection, whose classes are folders called as DDTI's labels.
make_external() { # FILE
    [ -n "$EXTERNAL" ] || return 0
    [ -s "$1" ] && return 0
    find "$EXTERNAL" -type f \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.bmp' \) |
        LC_ALL=C sort >"$1.part"
    [ -s "$1.part" ] || fail "EXTERNAL=$EXTERNAL holds no images"
    mv "$1.part" "$1"
}

# About HEAT images that the net was right about and HEAT that it was wrong about, of every class;
# no turned or mirrored copies.
hits_and_misses() { # probs.csv
    awk -F, -v most="$HEAT" '
        NR == 1 { for (i = 3; i <= NF; i++) name[i] = $i; next }
        $1 ~ /_a[0-9]+\.png$/ { next }
        { best = 3
          for (i = 4; i <= NF; i++) if ($i > $best) best = i
          kind = name[best] == $2
          if (seen[kind, $2]++ < (most + 1) / 2) print $1 }' "$1"
}

heat_maps() { # RUN, data, cfg, weights, probs
    local list
    [ "$IMAGES" = 1 ] && [ "$HEAT" -gt 0 ] && [ ! -d "$1/gradcam" ] || return 0
    mapfile -t list < <(hits_and_misses "$5")
    [ ${#list[@]} -gt 0 ] || return 0
    rm -rf "$1/gradcam.part"
    typed "$1" ./darknet classifier gradcam "$2" "$3" "$4" "${list[@]}" -out "$1/gradcam.part" \
        "${keys[@]}" -threads "$THREADS" &&
        mv "$1/gradcam.part" "$1/gradcam" || say "$1: no heat maps: $(tail -1 "$1/log.txt")"
}

# The report, from the runs that there are.
report() { # FILE, title, runs...
    local file=$1 title=$2 images=()
    shift 2
    [ $# -gt 0 ] || fail "no run has ended well"
    [ "$IMAGES" = 1 ] || images=(-no-images)
    ./darknet classifier report -out "$file" -title "$title" -paper scripts/paper.csv \
        "${images[@]}" "$@"
}

# A number of a JSON file on one line: the first of that name, or after the text AFTER.
number() { # FILE, name, AFTER
    local line
    line=$(cat "$1")
    [ -z "${3:-}" ] || case $line in *"$3"*) line=${line#*"$3"} ;; *) echo - && return ;; esac
    line=$(grep -oE "\"$2\":[-+.0-9eE]+" <<<"$line" | head -1)
    echo "${line#*:}"
}

# "0.7213 0.0120 3": mean, standard deviation and count of the numbers on stdin.
spread() {
    awk '$1 ~ /^[-+.0-9]/ && $1 != "-" { n++; x[n] = $1; sum += $1 }
        END { if (!n) { print "- - 0"; exit }
              for (i = 1; i <= n; i++) off += (x[i] - sum / n) ^ 2
              sd = "-"
              if (n > 1) sd = sprintf("%.4f", sqrt(off / (n - 1)))
              printf "%.4f %s %d\n", sum / n, sd, n }'
}

finish() {
    [ ${#failures[@]} -eq 0 ] && return 0
    printf '\nNot done:\n' >&2
    printf '  %s\n' "${failures[@]}" >&2
    return 1
}

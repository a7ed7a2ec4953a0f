#!/bin/bash
# Speed against peers measured in the same run: kernels against oneDNN, whole nets against torch,
# OpenCV's dnn and Debian's darknet, and everything against what this machine can do at most.
#
#   PARTS="limits kernels train infer threads hosts"    what to run (default: all)
#   NETS="thyronet baseline"   which nets (default: all eight; torch knows no others)
#   PYTHON=python3             a Python that has torch; without one only our own figures are printed
#   BATCH=32 STEPS=5           every figure is the median of STEPS steps, after 3 to warm up
#   DARKNET_ALEXEYAB=DIR       a build of AlexeyAB's fork, besides Debian's package
set -u
cd "$(dirname "$0")/.." || exit 1
parts=${PARTS:-limits kernels train infer threads hosts}
nets=${NETS:-thyronet baseline baseline-block baseline-bottleneck vgg16 alexnet googlenet mobilenet}
python=${PYTHON:-python3}
batch=${BATCH:-32} steps=${STEPS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

field() { sed -E "s/.*\"$2\": ?\"?([^,\"}]*).*/\1/" <<<"$1"; }
calc() { awk "BEGIN{printf \"$1\", $2}"; }
runs() { [[ " $parts " == *" $1 "* ]]; }

# One line: net, who, seconds with their spread, memory where known, and our seconds put in relation.
line() { # net, who, JSON, ours
    local s memory=
    s=$(field "$3" seconds)
    [[ $3 != *peak_bytes* ]] || memory=$(calc '%6.2f GiB' "$(field "$3" peak_bytes)/2^30")
    printf '%-20s %-30s %9.4f s (%.4f to %.4f) %s' "$1" "$2" "$s" "$(field "$3" fastest)" \
        "$(field "$3" slowest)" "$memory"
    [ -z "${4:-}" ] || printf '   ours is %.2f times as fast' "$(calc %f "$s/$4")"
    printf '\n'
}

torch() { # setting, net, options
    local setting=$1
    shift
    if [ "$setting" = best ]; then # its allocator keeps memory: page faults cost it more than arithmetic
        MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000 MALLOC_TOP_PAD_=4000000000 \
            "$python" scripts/bench_torch.py "$@" --steps "$steps" 2>/dev/null
    else
        "$python" scripts/bench_torch.py "$@" --steps "$steps" 2>/dev/null
    fi
}

share_of_peak() { calc '%.0f %%' "100*$(field "$1" gflops)/$peak"; }

# ---- this machine ----

grep -m1 'model name' /proc/cpuinfo
echo "$(nproc) processors, batch $batch, median of $steps steps after 3 to warm up"
limits=$(./darknet bench -limits -json) || exit 1
peak=$(field "$limits" peak_gflops)
runs limits && echo "at most $peak GFLOP/s in fp32, $(field "$limits" bandwidth) GB/s"
has_torch=
if "$python" -c 'import torch' 2>/dev/null; then
    has_torch=yes
else
    echo "$python has no torch: no such peer (PYTHON=... names another)"
fi
has_bf16=
grep -qm1 avx512_bf16 /proc/cpuinfo && has_bf16=yes

# ---- kernels: grouped convolutions against oneDNN ----

grouped_cfg() { # map, channels, groups, size, stride
    cat <<CFG
[net]
width=$1
height=$1
channels=3
batch=$batch
[convolutional]
filters=$2
size=1
activation=linear
[grouped_convolutional]
filters=$2
groups=$3
size=$4
stride=$5
pad=1
activation=linear
[avgpool]
[convolutional]
filters=2
size=1
activation=linear
[softmax]
CFG
}

# The second layer's kernels and GFLOP/s: forward, backward data, backward params.
kernel_row() { # options of bench
    ./darknet bench "$work/kernel.cfg" -steps "$steps" -layers "$@" |
        awk '$1 == "1" && $2 == "convolution" { print $5, $7, $10, $12, $15, $17 }'
}

bench_kernels() {
    echo
    echo "grouped convolution, GFLOP/s (and share of the peak) against oneDNN's"
    printf '%-34s %-28s %-28s %s\n' "map, channels a group, kernel" forward "backward data" "backward params"
    local map channels groups size stride ours theirs i row
    while read -r map channels groups size stride; do
        grouped_cfg "$map" "$channels" "$groups" "$size" "$stride" >"$work/kernel.cfg"
        read -ra ours <<<"$(kernel_row)"
        read -ra theirs <<<"$(kernel_row -kernels onednn)"
        row=$(printf '%dx%dx%d, %d, %dx%d/%d' "$map" "$map" "$channels" $((channels / groups)) "$size" "$size" "$stride")
        printf '%-34s' "$row"
        for i in 0 2 4; do
            printf ' %-28s' "${ours[i]} ${ours[i + 1]} ($(calc '%.0f %%' "100*${ours[i + 1]}/$peak")), ${theirs[i]} ${theirs[i + 1]}"
        done
        printf '\n'
    done <<SHAPES
56 64 16 5 1
28 128 16 5 1
56 128 16 5 2
14 256 16 5 1
28 256 16 5 2
7 512 16 5 1
14 512 16 5 2
56 64 32 5 1
28 128 128 5 1
56 64 16 3 1
28 128 16 3 1
28 256 256 3 1
SHAPES
}

# ---- training ----

train_net() { # net
    local net=$1 ours s theirs setting kind
    ours=$(./darknet bench "cfg/$net.cfg" -batch "$batch" -steps "$steps" -json) || return
    s=$(field "$ours" seconds)
    line "$net" "./darknet, $(share_of_peak "$ours") of peak" "$ours"
    if [ "$has_bf16" ]; then
        theirs=$(./darknet bench "cfg/$net.cfg" -batch "$batch" -steps "$steps" -precision bf16 -json) &&
            line "$net" "./darknet -precision bf16" "$theirs"
    fi
    [ "$has_torch" ] || return
    for setting in best default; do
        theirs=$(torch $setting "$net" --batch "$batch") || continue
        line "$net" "$(field "$theirs" peer), $setting" "$theirs" "$s"
    done
    [ "$has_bf16" ] || return
    theirs=$(torch best "$net" --batch "$batch" --bf16) || return
    line "$net" "$(field "$theirs" peer), best" "$theirs"
}

# ---- prediction ----

infer_net() { # net, images
    local net=$1 n=$2 ours s theirs setting
    ours=$(./darknet bench "cfg/$net.cfg" -infer -batch "$n" -steps $((4 * steps)) -json) || return
    s=$(field "$ours" seconds)
    line "$net, $n" "./darknet, $(share_of_peak "$ours") of peak" "$ours"
    if [ "$has_torch" ]; then
        for setting in best default; do
            theirs=$(torch $setting "$net" --batch "$n" --infer) || continue
            line "$net, $n" "$(field "$theirs" peer), $setting, $(field "$theirs" how)" "$theirs" "$s"
        done
    fi
    folded "$net" || return
    if /usr/bin/python3 -c 'import cv2' 2>/dev/null; then
        theirs=$(/usr/bin/python3 scripts/bench_opencv.py "$work/$net.cfg" "$work/$net.weights" \
            --batch "$n" --steps "$steps") && line "$net, $n" "$(field "$theirs" peer)" "$theirs" "$s"
    fi
    [ "$n" = 1 ] && [ -x /usr/bin/darknet ] || return
    printf 'P6\n224 224\n255\n' >"$work/image.ppm"
    head -c $((224 * 224 * 3)) /dev/zero >>"$work/image.ppm"
    printf 'a\nb\n' >"$work/names"
    printf 'classes=2\nnames=%s/names\ntop=2\n' "$work" >"$work/host.data"
    theirs=$(/usr/bin/darknet classifier predict "$work/host.data" "$work/$net.cfg" "$work/$net.weights" \
        "$work/image.ppm" 2>&1 | sed -nE 's/.*Predicted in ([0-9.]+) seconds.*/\1/p')
    [ -z "$theirs" ] || line "$net, $n" "Debian's darknet, one thread" \
        "{\"seconds\":$theirs,\"fastest\":$theirs,\"slowest\":$theirs}" "$s"
}

# The net as other programs read it.
folded() { # net
    [ -s "$work/$1.weights" ] && return
    [ -x build/tests/tools/make_weights ] || make -s build/tests/tools/make_weights || return
    build/tests/tools/make_weights "cfg/$1.cfg" "$work/own.weights" 1 >/dev/null &&
        ./darknet cfg expand -fold "cfg/$1.cfg" "$work/own.weights" "$work/$1.cfg" "$work/$1.weights" >/dev/null
}

# ---- threads ----

bench_threads() {
    local net one all
    echo
    echo "training, more threads"
    for net in $nets; do
        one=$(./darknet bench "cfg/$net.cfg" -batch "$batch" -steps "$steps" -threads 1 -json) || return
        all=$(./darknet bench "cfg/$net.cfg" -batch "$batch" -steps "$steps" -json) || return
        printf '%-20s 1 thread %.4f s, %d threads %.4f s: %.2f times as fast\n' "$net" "$(field "$one" seconds)" \
            "$(nproc)" "$(field "$all" seconds)" "$(calc %f "$(field "$one" seconds)/$(field "$all" seconds)")"
    done
}

# ---- real Darknets: alone, and with our layers inside ----

in_host() { # name, DIR
    local plugin=build/darknet-plugin-$1 bundled with alone figures
    make -s plugin DARKNET="$2" PLUGIN="$plugin" >/dev/null || return
    figures=$(./darknet bench cfg/thyronet.cfg -batch "$batch" -steps "$steps" -json) || return
    bundled=$(field "$figures" seconds)
    figures=$("$plugin" bench cfg/thyronet.cfg -batch "$batch" -steps "$steps" -json 2>/dev/null | tail -1)
    with=$(field "$figures" seconds)
    printf '%-20s %-30s %9.4f s (%.4f to %.4f)   %.2f times the bundled %.4f s\n' thyronet "$1, plugin" \
        "$with" "$(field "$figures" fastest)" "$(field "$figures" slowest)" "$(calc %f "$with/$bundled")" "$bundled"
    figures=$("$plugin" -without all bench cfg/thyronet.cfg -batch "$batch" -steps 1 -warm-up 1 -json 2>/dev/null | tail -1)
    alone=$(field "$figures" seconds)
    printf '%-20s %-30s %9.4f s (one step)   the plugin is %.1f times as fast\n' thyronet "$1, host alone" "$alone" \
        "$(calc %f "$alone/$with")"
}

runs kernels && bench_kernels
if runs train; then
    echo
    echo "training, batch $batch"
    for net in $nets; do train_net "$net"; done
fi
if runs infer; then
    echo
    echo "prediction, one image and $batch"
    for net in $nets; do
        infer_net "$net" 1
        infer_net "$net" "$batch"
    done
fi
runs threads && bench_threads
if runs hosts; then
    echo
    echo "training in real Darknets"
    if [ -e /usr/lib/darknet/libdarknet.so ]; then in_host debian /usr/lib/darknet; fi
    if [ -n "${DARKNET_ALEXEYAB:-}" ]; then
        in_host alexeyab "$DARKNET_ALEXEYAB"
    else
        echo "AlexeyAB's Darknet: not run, DARKNET_ALEXEYAB names no build of it"
    fi
fi
exit 0

#!/bin/bash
# Whole nets against torch in one run: ratios, with the spread of each side.
#
#   NETS="thyronet baseline"   which nets (default: these two)
#   PYTHON=python3             a Python that has torch; without one only our own figures are printed
#   BATCH=32 STEPS=5
#   HOSTS=0                   leaves out real Darknets: Debian's package, and DARKNET_ALEXEYAB=DIR
set -u
cd "$(dirname "$0")/.." || exit 1
nets=${NETS:-thyronet baseline}
python=${PYTHON:-python3}
batch=${BATCH:-32} steps=${STEPS:-5}

field() { sed -E "s/.*\"$2\": ?\"?([^,\"}]*).*/\1/" <<<"$1"; }

peer() { # setting, net
    if [ "$1" = best ]; then # torch's allocator keeps its memory: page faults cost it more than arithmetic
        MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000 MALLOC_TOP_PAD_=4000000000 \
            "$python" scripts/bench_torch.py "$2" --batch "$batch" --steps "$steps"
    else
        "$python" scripts/bench_torch.py "$2" --batch "$batch" --steps "$steps"
    fi
}

grep -m1 'model name' /proc/cpuinfo
echo "$(nproc) processors, batch $batch, $steps steps timed after 3 to warm up"
if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "$python has no torch: no peer to compare with (PYTHON=... names another)"
    torch=
else
    torch=yes
fi
for net in $nets; do
    ours=$(./darknet bench "cfg/$net.cfg" -batch "$batch" -steps "$steps" -json) || exit 1
    s=$(field "$ours" seconds)
    printf '%-20s %-26s %8.3f s (%.3f to %.3f)\n' "$net" "./darknet" "$s" "$(field "$ours" fastest)" \
        "$(field "$ours" slowest)"
    [ -z "$torch" ] && continue
    for setting in best default; do
        theirs=$(peer $setting "$net") || continue
        t=$(field "$theirs" seconds)
        printf '%-20s %-26s %8.3f s (%.3f to %.3f)   ours is %.2f times as fast\n' "$net" \
            "$(field "$theirs" peer), $setting" "$t" "$(field "$theirs" fastest)" \
            "$(field "$theirs" slowest)" "$(awk "BEGIN{print $t/$s}")"
    done
done

# ---- real Darknets: alone, and with our layers inside ----
in_host() { # name, DIR
    local plugin=build/darknet-plugin-$1 bundled with alone figures
    make -s plugin DARKNET="$2" PLUGIN="$plugin" >/dev/null || return
    figures=$(./darknet bench cfg/thyronet.cfg -batch "$batch" -steps "$steps" -json) || return
    bundled=$(field "$figures" seconds)
    figures=$("$plugin" bench cfg/thyronet.cfg -batch "$batch" -steps "$steps" -json 2>/dev/null | tail -1)
    with=$(field "$figures" seconds)
    printf '%-20s %-26s %8.3f s (%.3f to %.3f)   %.2f times the bundled %.3f s\n' thyronet "$1, plugin" \
        "$with" "$(field "$figures" fastest)" "$(field "$figures" slowest)" "$(awk "BEGIN{print $with/$bundled}")" "$bundled"
    figures=$("$plugin" -without all bench cfg/thyronet.cfg -batch "$batch" -steps 1 -warm-up 1 -json 2>/dev/null | tail -1)
    alone=$(field "$figures" seconds)
    printf '%-20s %-26s %8.3f s (one step)   the plugin is %.1f times as fast\n' thyronet "$1, host alone" "$alone" \
        "$(awk "BEGIN{print $alone/$with}")"
}
[ "${HOSTS:-1}" = 0 ] && exit 0
if [ -e /usr/lib/darknet/libdarknet.so ]; then in_host debian /usr/lib/darknet; fi
if [ -n "${DARKNET_ALEXEYAB:-}" ]; then
    in_host alexeyab "$DARKNET_ALEXEYAB"
else
    echo "AlexeyAB's Darknet: not run, DARKNET_ALEXEYAB names no build of it"
fi

#!/bin/bash
# Our layers inside a real libdarknet: Debian's package, and with DARKNET_ALEXEYAB=DIR a build of
# AlexeyAB's fork (LIBSO=1), with DARKNET_ALEXEYAB_GPU=DIR one of GPU=1 CUDNN=1, told to use the
# processor. Each host is built for, its numbers are compared, its commands are typed.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MAKELEVEL MFLAGS # of the make that runs the tests: hosts are built for here as a user would
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

check() { # name, command...
    local name=$1
    shift
    if "$@" >"$work/check.log" 2>&1; then
        echo "ok - $name"
    else
        echo "not ok - $name: $(tail -1 "$work/check.log")"
    fi
}
# refuses NAME TEXT COMMAND...: exit status 1 and a message that holds TEXT
refuses() {
    local name=$1 text=$2 status
    shift 2
    "$@" >"$work/out" 2>"$work/log"
    status=$?
    if [ $status -ne 1 ]; then
        echo "not ok - $name: exit status $status, expected 1: $(tail -1 "$work/log")"
    elif ! grep -qF -- "$text" "$work/log"; then
        echo "not ok - $name: no \"$text\" in: $(tail -2 "$work/log" | tr '\n' ' ')"
    else
        echo "ok - $name"
    fi
}
# The largest difference of two -probs files is at most 1e-5.
same_probabilities() {
    paste -d, "$1" "$2" | awk -F, 'NR == 1 { n = NF / 2 }
        NR > 1 { for (i = 3; i <= n; i++) { d = $i - $(i + n); if (d < 0) d = -d; if (d > m) m = d } }
        END { print "largest difference " m; exit !(NR > 1 && m <= 1e-5) }'
}

kind() { # host: whose Darknet it is
    echo "${1%_gpu}"
}
program() { # host: what its commands are typed with
    if [ "$(kind "$1")" = "$1" ]; then
        echo "$root/build/darknet-plugin-$1"
    else
        printf '#!/bin/sh\nexec "%s" -nogpu "$@"\n' "$root/build/darknet-plugin-$1" >"$work/plugin-$1"
        chmod +x "$work/plugin-$1"
        echo "$work/plugin-$1"
    fi
}

numbers() { # host, a program of tests/plugin
    "build/plugin_$(kind "$1")/$2" >"$work/numbers" 2>"$work/why"
    grep -a '^\[       OK \]' "$work/numbers" | sed "s/.*\] /ok - $1: /; s/_/ /g"
    grep -a '^\[  FAILED  \] t' "$work/numbers" | sort -u | while read -r _ _ _ name; do
        echo "not ok - $1: $name: $(grep -a 'ERROR: ' "$work/why" | head -1)"
    done
    grep -qa '^\[       OK \]' "$work/numbers" || echo "not ok - $1: $2 ran: $(tail -1 "$work/why")"
}

build() { # host, DIR: into build/darknet-plugin-HOST
    make -s plugin DARKNET="$2" PLUGIN="build/darknet-plugin-$1" &&
        make -s "build/plugin_$(kind "$1")/test_plugin" "build/plugin_$(kind "$1")/test_faults" DARKNET="$2"
}

commands() { # host
    local host=$1 data=data/ddti/ddti.data plugin
    plugin=$(program "$host")
    cd "$work" || return
    check "$host: trains Adam, cosine, blocks, dropout" \
        "$plugin" classifier train $data tiny.cfg -backup "w-$host"
    check "$host: trains with DATA left out" \
        "$plugin" classifier train here.cfg -backup "w-$host" -epochs 1
    check "$host: trains from ./darknet's weights" \
        "$plugin" classifier train $data tiny.cfg ours/tiny_final.weights -clear -epochs 1 -backup "w2-$host"
    check "$host: validates" "$plugin" classifier valid $data tiny.cfg "w-$host/tiny_final.weights" -probs a
    check "$host: ./darknet reads its weights" \
        "$root/darknet" classifier valid $data tiny.cfg "w-$host/tiny_final.weights" -probs b
    check "$host: and gives the same probabilities" same_probabilities a b
    check "$host: it reads ./darknet's weights" \
        "$plugin" classifier valid $data tiny.cfg ours/tiny_final.weights -probs a
    "$root/darknet" classifier valid $data tiny.cfg ours/tiny_final.weights -probs b >/dev/null 2>&1
    check "$host: and gives the same probabilities there" same_probabilities a b
    "$root/darknet" classifier valid $data tiny.cfg warm/tiny_final.weights -probs b >/dev/null 2>&1
    "$plugin" classifier valid $data tiny.cfg warm/tiny_final.weights -probs a >/dev/null 2>&1
    check "$host: and of a calibrated net" same_probabilities a b
    check "$host: predicts" bash -c "'$plugin' classifier predict $data tiny.cfg w-$host/tiny_final.weights '$image' 2>/dev/null | grep -q malignant"
    check "$host: valid -json is JSON alone" bash -c "'$plugin' classifier valid $data tiny.cfg w-$host/tiny_final.weights -json 2>/dev/null | python3 -m json.tool"
    check "$host: summary shows the block" bash -c "'$plugin' classifier summary tiny.cfg | grep -q expansion_residual"
    check "$host: -version lists the switches" bash -c "'$plugin' -version -without adam | grep -q '^  adam  *off'"
    refuses "$host: unknown switch" "did you mean adam" "$plugin" -without adm -version
    refuses "$host: unknown key" "flters" "$plugin" classifier train $data bad.cfg
    refuses "$host: truncated weights" "short.weights" "$plugin" classifier predict $data tiny.cfg short.weights "$image"
    refuses "$host: missing image" "no.png" "$plugin" classifier predict $data tiny.cfg ours/tiny_final.weights no.png
    refuses "$host: missing weights" "no.weights" "$plugin" classifier train $data tiny.cfg no.weights
    refuses "$host: what only ./darknet can" "-resume" "$plugin" classifier train $data tiny.cfg -resume
    check "$host: -precision fp32 is what it has" "$plugin" -precision fp32 classifier summary tiny.cfg
    refuses "$host: -precision bf16" "the processor computes in fp32 alone" "$plugin" -precision bf16 classifier summary tiny.cfg
    check "$host: train -h says what differs" bash -c "'$plugin' classifier train -h | grep -q 'the host trains'"
    sed 's/^adam=1/adam=1\nema_alpha=.9/' tiny.cfg >average.cfg
    refuses "$host: no average" "ema_alpha" "$plugin" classifier train $data average.cfg
    [ "$host" = alexeyab_gpu ] ||
        refuses "$host: no GPU" "on the processor" "$plugin" -gpus 0 classifier train $data tiny.cfg
    sed 's/^learning_rate=.*/learning_rate=1e6/; s/^adam=1/adam=0/; s/^policy=.*/policy=constant/' tiny.cfg >diverges.cfg
    refuses "$host: a loss that is no number ends the run" "training stops" \
        "$plugin" classifier train $data diverges.cfg -epochs 20 -backup "w2-$host"
    check "$host: and nothing of it is kept" test ! -e "w2-$host/diverges_final.weights"
    refuses "$host: two labels in one path" 'would also find "malignant"' "$plugin" classifier train two.data tiny.cfg
    check "$host: a backup folder and labels with spaces in their names" \
        "$plugin" classifier train spaces.data tiny.cfg -epochs 1 -backup "w $host"
    check "$host: weights and their note are there" \
        test -s "w $host/tiny_final.weights" -a -s "w $host/tiny_final.weights.json" -a ! -e "w $host/tiny_final.weights.part"
    check "$host: a signal ends the run, and another goes on from it" interrupted "$plugin" "w3-$host"
    sed '0,/activation=relu/s//activation=relu6/' tiny.cfg >relu6.cfg
    check "$host: an activation that the host has not is ours" \
        "$plugin" classifier train $data relu6.cfg -epochs 1 -backup "w2-$host"
    refuses "$host: and is refused where the host computes" "activation=relu6: the host" \
        "$plugin" -without kernels classifier train $data relu6.cfg -epochs 1 -backup "w2-$host"
    refuses "$host: empty list" "empty.list" "$plugin" classifier train empty.data tiny.cfg
    refuses "$host: damaged image" "broken_benign.png" "$plugin" classifier train broken.data tiny.cfg
    same_words "$host" train $data bad.cfg
    same_words "$host" train $data tiny.cfg -net batch=100000 -net subdivisions=1
    same_words "$host" train $data tiny.cfg -net min_crop=300 -net max_crop=200
    same_words "$host" predict $data tiny.cfg short.weights "$image"
    if [ "$(kind "$host")" = alexeyab ]; then
        sed 's/^\[avgpool\]/[shortcut]\nfrom=0\nactivation=linear\n[avgpool]/' tiny.cfg >strided.cfg
        refuses "$host: a shortcut that would end it" "16x16" "$plugin" classifier train $data strided.cfg
        check "$host: its own valid" bash -c "'$plugin' classifier valid $data tiny.cfg w-$host/tiny_final.weights -host | grep -q 'top 1: '"
        check "$host: its own predict" bash -c "'$plugin' classifier predict $data tiny.cfg w-$host/tiny_final.weights '$image' -host -t 2 | grep -q '^malignant: 0'"
    else
        sed 's/^adam=1/adam=1\nmixup=1/' tiny.cfg >mixup.cfg
        refuses "$host: no mixup" "mixup" "$plugin" classifier train $data mixup.cfg
        refuses "$host: it has no commands of its own" "-host" "$plugin" classifier valid $data tiny.cfg ours/tiny_final.weights -host
    fi
    cd "$root" || exit 1
}
# Stops a run of no end, starts from what it left.
# Runs a command until its log says PATTERN, ends it by a signal and gives its status. The log is a new
# one: a shell that has yet to become the program would get the signal.
stopped_at() { # PATTERN, command...
    local pattern=$1 pid i
    shift
    rm -f endless.log
    "$@" >endless.log 2>&1 &
    pid=$!
    for ((i = 0; i < 600; i++)); do
        grep -qas "$pattern" endless.log && break
        sleep 0.1
    done
    kill -TERM $pid
    wait $pid
}
interrupted() { # plugin, folder
    local data=data/ddti/ddti.data status
    sed 's/^epochs=4/max_batches=100000000/; s/^policy=.*//' tiny.cfg >endless.cfg
    stopped_at '^20, ' "$1" classifier train $data endless.cfg -backup "$2"
    status=$?
    tail -1 endless.log
    [ $status -eq 1 ] && grep -qa "stopped by signal 15" endless.log && test -s "$2/endless_last.weights.json" || return
    stopped_at ' avg, ' "$1" classifier train $data endless.cfg "$2/endless_last.weights" -net max_batches=100000 -backup "$2"
    tail -1 endless.log
    [ "$(grep -am1 ' avg, ' endless.log | cut -d, -f1)" -gt 20 ]
}
same_words() { # host, arguments: the message is ./darknet's, after the command's name
    local host=$1
    shift
    "$(program "$host")" classifier "$@" 2>&1 >/dev/null | grep -v '^warning' | sed 's/^[^:]*: //' >a
    "$root/darknet" classifier "$@" 2>&1 >/dev/null | grep -v '^warning' | sed 's/^[^:]*: //' >b
    check "$host: $* says what ./darknet says" bash -c 'test -s a && cmp a b'
}

# Folded, the stock program of the fork gives the plugin's probabilities (the images are of the net's
# size, so that nobody resizes).
stock_program() { # DIR
    local ours theirs
    cd "$work" || return
    "$root/darknet" cfg expand -fold tiny.cfg w-alexeyab/tiny_final.weights f.cfg f.weights >log 2>&1
    theirs=$("$1/darknet" classifier predict data/ddti/ddti.data f.cfg f.weights "$image" -t 2 2>log | sed -n 's/^malignant: //p')
    ours=$("$root/build/darknet-plugin-alexeyab" classifier predict data/ddti/ddti.data tiny.cfg \
        w-alexeyab/tiny_final.weights "$image" -csv 2>>log | tail -1 | cut -d, -f3)
    if [ -n "$theirs" ] && [ -n "$ours" ] &&
        awk "BEGIN { d = $ours - $theirs; exit !(d < 1.1e-5 && d > -1.1e-5) }"; then
        echo "ok - alexeyab: the stock program gives the folded net's probabilities"
    else
        echo "not ok - alexeyab: the stock program says \"$theirs\", the plugin \"$ours\": $(tail -1 log)"
    fi
    cd "$root" || exit 1
}

# Debian's program prints the probabilities of a whole list. It gives those of the plugin for what
# was trained in a host, and the plugin gives its own for what it trained itself.
debians_program() { # host
    local plugin data=data/ddti/ddti.data stock=/usr/bin/darknet
    plugin=$(program "$1")
    cd "$work" || return
    check "$1: Debian's program gives the folded net's probabilities" \
        folded_alike "$plugin" tiny.cfg "w-$1/tiny_final.weights"
    sed 's/^epochs=4/max_batches=100/; s/^adam=1//; s/^policy=.*//' tiny.cfg >back.cfg
    sed "s,^backup=.*,backup=w-$1," $data >"back-$1.data"
    "$root/darknet" cfg expand back.cfg back-stock.cfg >log 2>&1
    rm -f "w-$1"/back-stock*.weights
    check "$1: Debian's program trains the net in stock sections" \
        bash -c "$stock classifier train back-$1.data back-stock.cfg && test -s w-$1/back-stock.weights"
    check "$1: and the plugin reads what it trained" \
        folded_alike "$plugin" back.cfg "w-$1/back-stock.weights"
    cd "$root" || exit 1
}
folded_alike() { # plugin, cfg, weights
    local data=data/ddti/ddti.data
    "$root/darknet" cfg expand -fold "$2" "$3" f.cfg f.weights &&
        "$1" classifier valid $data "$2" "$3" -probs a &&
        /usr/bin/darknet classifier valid $data f.cfg f.weights >b.log &&
        { head -1 a && grep -aE '^data/[^ ]*, [01], ' b.log | tr -d ' ' | sed 's/,$//'; } >b &&
        [ "$(wc -l <a)" = "$(wc -l <b)" ] && same_probabilities a b
}

# One name, one host after the other: the program is for the host that was asked for last.
changes_hosts() {
    local plugin=$work/either
    make -s plugin DARKNET=/usr/lib/darknet PLUGIN="$plugin" && "$plugin" -version | grep -q "plugin for pjreddie" &&
        make -s plugin DARKNET="$DARKNET_ALEXEYAB" PLUGIN="$plugin" && "$plugin" -version | grep -q "plugin for AlexeyAB" &&
        make -s plugin DARKNET=/usr/lib/darknet PLUGIN="$plugin" && "$plugin" -version | grep -q "plugin for pjreddie"
}

# A YOLO net with our sections in its backbone: trains, finds the boxes, also with the host alone
# computing what was trained.
detector() {
    local plugin=$root/build/darknet-plugin-alexeyab map
    cd "$work" && mkdir -p w && python3 "$root/tests/plugin/boxes.py" || return
    cp "$root/tests/plugin/boxes.cfg" .
    check "alexeyab: detector trains" "$plugin" detector train boxes.data boxes.cfg -dont_show
    sed 's/^learning_rate=.*/learning_rate=0.003\nadam=1/' boxes.cfg >adam.cfg
    check "alexeyab: detector trains with Adam" "$plugin" detector train boxes.data adam.cfg -dont_show
    map=$("$plugin" detector map boxes.data adam.cfg w/adam_final.weights 2>/dev/null |
        sed -n 's/.*mAP@0.50) = \([0-9.]*\).*/\1/p')
    check "alexeyab: and finds the boxes" awk "BEGIN { print \"mAP $map\"; exit !($map + 0 > 0.9) }"
    sed '0,/^stride=1/s//stride=1\nstopbackward=1/' boxes.cfg >frozen.cfg
    check "alexeyab: detector trains with frozen layers" \
        "$plugin" detector train boxes.data frozen.cfg w/boxes_final.weights -clear -dont_show
    for without in adam all; do
        map=$("$plugin" -without $without detector map boxes.data boxes.cfg w/boxes_final.weights 2>/dev/null |
            sed -n 's/.*mAP@0.50) = \([0-9.]*\).*/\1/p')
        check "alexeyab: detector finds the boxes, -without $without" awk "BEGIN { print \"mAP $map\"; exit !($map + 0 > 0.9) }"
    done
    sed 's/^filters=8/flters=8/' boxes.cfg >bad-boxes.cfg
    refuses "alexeyab: detector, unknown key of ours" "did you mean filters" "$plugin" detector train boxes.data bad-boxes.cfg
    sed 's/^random=0/random=1/' boxes.cfg >random.cfg
    refuses "alexeyab: detector, random=1" "set random=0" "$plugin" detector train boxes.data random.cfg
    sed 's/^policy=.*/policy=cosine/' boxes.cfg >cosine.cfg
    refuses "alexeyab: detector, policy=cosine" "policy=cosine" "$plugin" detector train boxes.data cosine.cfg
    head -c 5000 w/boxes_final.weights >short-boxes.weights
    refuses "alexeyab: detector, truncated weights" "short-boxes.weights: 5000 bytes, expected" \
        "$plugin" detector map boxes.data boxes.cfg short-boxes.weights
    check "alexeyab: detector trains from first layers" \
        "$plugin" detector train boxes.data boxes.cfg short-boxes.weights -clear -dont_show
    refuses "alexeyab: detector, no such weights" "no.weights" "$plugin" detector map boxes.data boxes.cfg no.weights
    cd "$root" || exit 1
}

# Every function of the library's that the plugin's files need is one that it looks for at the start.
functions_looked_for() { # host, DIR
    local name
    for name in $(comm -12 <(nm -D --defined-only "$2/libdarknet.so" | awk '{ print $3 }' | sort -u) \
        <(comm -23 <(nm -u "build/plugin_$(kind "$1")"/src/plugin/*.o | awk '$1 == "U" { print $2 }' | sort -u) \
            <(nm --defined-only "build/plugin_$(kind "$1")"/src/plugin/*.o | awk '{ print $3 }' | sort -u))); do
        sed -n '/tn_host_symbols\[\]/,/NULL/p' src/plugin/host_"$(kind "$1")"*.c | grep -q "\"$name\"" && continue
        echo "$name is needed and not looked for"
        return 1
    done
}

# A header in which gradients of weights and of biases have changed places: only training can tell.
swapped_header() { # host, DIR
    local odd=$work/swapped-$1
    mkdir -p "$odd/include" && cp "$2"/include/*.h* "$odd/include" && ln -sf "$2/libdarknet.so" "$odd/libdarknet.so"
    sed -i -E 's/float \* ?weight_updates;/float *kept;/; s/float \* ?bias_updates;/float *weight_updates;/; s/float \*kept;/float *bias_updates;/' \
        "$odd/include/darknet.h"
    if make -s plugin DARKNET="$odd" PLUGIN="$work/swapped-plugin" >"$work/log" 2>&1; then
        refuses "$1: a header with two fields swapped is found out" "does not fit the darknet.h" "$work/swapped-plugin" -version
    else
        echo "not ok - $1: a plugin is built with a swapped header: $(tail -1 "$work/log")"
    fi
}

wrong_hosts() { # a header with a field too many, and a library that is another
    local lib=/usr/lib/darknet
    mkdir -p "$work/odd/include" && ln -sf $lib/libdarknet.so "$work/odd/libdarknet.so"
    sed 's/^    int batch_normalize;/    int odd;\n    int batch_normalize;/' $lib/include/darknet.h >"$work/odd/include/darknet.h"
    if make -s plugin DARKNET="$work/odd" BUILD=build PLUGIN="$work/odd-plugin" >"$work/log" 2>&1; then
        refuses "a header that does not fit is found out" "does not fit the darknet.h" "$work/odd-plugin" -version
    else
        echo "not ok - a plugin is built with an odd header: $(tail -1 "$work/log")"
    fi
    mkdir -p "$work/empty"
    echo 'int parse_network_cfg(void) { return 0; }' | cc -shared -fPIC -x c -o "$work/empty/libdarknet.so" -
    refuses "a library without the functions is found out" "has no function" \
        env LD_PRELOAD="$work/empty/libdarknet.so" LD_LIBRARY_PATH="$work/empty" "$root/build/darknet-plugin-debian" -version
    # what a build of another Darknet, or one for GPUs, would hold besides
    for odd in parse_network_cfg_custom forward_network_gpu; do
        echo "int $odd(void) { return 0; }" | cc -shared -fPIC -x c -o "$work/$odd.so" -
    done
    refuses "another Darknet is found out" "it is not pjreddie" \
        env LD_PRELOAD="$work/parse_network_cfg_custom.so" "$root/build/darknet-plugin-debian" -version
    refuses "a GPU build is refused, and says why" "no GPU kernels" \
        env LD_PRELOAD="$work/forward_network_gpu.so" "$root/build/darknet-plugin-debian" -version
    refuses "no Darknet there" "has no libdarknet.so" bash -c "make -s plugin DARKNET=$work/nowhere 2>&1 >/dev/null | grep 'has no' >&2; exit 1"
}

# A library built for GPUs starts only where the driver's libcuda.so.1 is; the CUDA toolkit has a
# stand-in.
find_driver() {
    local stub
    ldconfig -p 2>/dev/null | grep -q libcuda.so.1 && return
    for stub in /usr/local/cuda*/lib*/stubs/libcuda.so; do
        [ -e "$stub" ] || continue
        mkdir -p "$work/driver" && ln -sf "$stub" "$work/driver/libcuda.so.1"
        export LD_LIBRARY_PATH=$work/driver${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
        return
    done
    return 1
}

# What a build for GPUs says where there is none, and where it cannot use the processor.
on_gpus() { # host
    local plugin=$root/build/darknet-plugin-$1 data=data/ddti/ddti.data
    cd "$work" || return
    check "$1: -version says what it computes on" bash -c "'$plugin' -version | grep -q 'GPU, or CPU with -nogpu'"
    refuses "$1: several GPUs" "on one GPU" "$plugin" -gpus 0,1 classifier train $data tiny.cfg
    refuses "$1: a GPU's number" "expected" "$plugin" -gpus x classifier train $data tiny.cfg
    if nvidia-smi -L >/dev/null 2>&1; then
        echo "skip - $1: without a GPU: there is one"
    else
        refuses "$1: without a GPU, training" "there is none to use (-nogpu" "$plugin" classifier train $data tiny.cfg
        refuses "$1: without a GPU, prediction" "there is none to use (-nogpu" \
            "$plugin" classifier predict $data tiny.cfg ours/tiny_final.weights "$image"
    fi
    check "$1: help needs no GPU" "$plugin" classifier train -h
    mkdir -p w && python3 "$root/tests/plugin/boxes.py"
    refuses "$1: no detector on the processor" "no [yolo] on the processor" \
        "$plugin" -nogpu detector train boxes.data "$root/tests/plugin/boxes.cfg" -dont_show
    cd "$root" || exit 1
}

alexeyab() { # host, DIR
    check "$1: builds" build "$1" "$2"
    check "$1: its functions are looked for" functions_looked_for "$1" "$2"
    numbers "$1" test_plugin
    numbers "$1" test_faults
    commands "$1"
    if [ -x /usr/bin/darknet ]; then debians_program "$1"; fi
    swapped_header "$1" "$2"
}

mkdir -p "$work"
if [ ! -e /usr/lib/darknet/libdarknet.so ]; then
    echo "skip - Debian's Darknet: the package darknet is not installed (make setup)"
    exit 0
fi
(
    cd "$work" && "$root/darknet" ddti synth sample -cases 24 &&
        "$root/darknet" ddti convert sample -out data/ddti -size 32 &&
        cp "$root/tests/fixtures/tiny.cfg" . && sed 's/filters=8/flters=8/' tiny.cfg >bad.cfg &&
        sed 's,^\[net\],[net]\ndata=data/ddti/ddti.data,' tiny.cfg >here.cfg &&
        "$root/darknet" classifier train data/ddti/ddti.data tiny.cfg -backup ours -epochs 2 &&
        "$root/darknet" classifier train data/ddti/ddti.data tiny.cfg -backup warm -epochs 30 &&
        "$root/darknet" classifier calibrate data/ddti/ddti.data tiny.cfg warm/tiny_final.weights &&
        head -c 900 ours/tiny_final.weights >short.weights && : >empty.list &&
        sed 's,^train=.*,train=empty.list,' data/ddti/ddti.data >empty.data &&
        mkdir benign_malignant && cp "$(head -1 data/ddti/train.list)" benign_malignant/1.png &&
        printf 'benign_malignant/1.png\tbenign\n' >two.list &&
        sed 's,^train=.*,train=two.list,' data/ddti/ddti.data >two.data &&
        cp data/ddti/labels.list "the labels" && cp data/ddti/ddti.names "the names" &&
        sed 's,^labels=.*,labels=the labels,; s,^names=.*,names=the names,' data/ddti/ddti.data >spaces.data &&
        head -c 300 "$(grep -m1 benign data/ddti/train.list)" >broken_benign.png &&
        echo broken_benign.png >broken.list &&
        sed 's,^train=.*,train=broken.list,' data/ddti/ddti.data >broken.data
) >"$work/setup.log" 2>&1 || { echo "not ok - a sample is made: $(tail -1 "$work/setup.log")"; exit 1; }
image=$(head -1 "$work/data/ddti/valid.list")

check "debian: builds" build debian /usr/lib/darknet
check "debian: its functions are looked for" functions_looked_for debian /usr/lib/darknet
numbers debian test_plugin
numbers debian test_faults
commands debian
if [ -x /usr/bin/darknet ]; then
    debians_program debian
else
    echo "skip - Debian's own program: no /usr/bin/darknet"
fi
wrong_hosts
swapped_header debian /usr/lib/darknet
if nm -D "${DARKNET_ALEXEYAB:-/}/libdarknet.so" 2>/dev/null | grep -q forward_network_gpu; then
    DARKNET_ALEXEYAB_GPU=${DARKNET_ALEXEYAB_GPU:-$DARKNET_ALEXEYAB}
    unset DARKNET_ALEXEYAB
fi
if [ -z "${DARKNET_ALEXEYAB:-}" ]; then
    echo "skip - AlexeyAB's Darknet: DARKNET_ALEXEYAB names no build of it (LIBSO=1)"
else
    check "make plugin for one host after the other" changes_hosts
    alexeyab alexeyab "$DARKNET_ALEXEYAB"
    detector
    if [ -x "$DARKNET_ALEXEYAB/darknet" ]; then
        stock_program "$DARKNET_ALEXEYAB"
    else
        echo "skip - AlexeyAB's own program: $DARKNET_ALEXEYAB has no darknet"
    fi
fi
if [ -z "${DARKNET_ALEXEYAB_GPU:-}" ]; then
    echo "skip - AlexeyAB's Darknet for GPUs: DARKNET_ALEXEYAB_GPU names no build of it (GPU=1 CUDNN=1 LIBSO=1)"
elif ! find_driver; then
    echo "skip - AlexeyAB's Darknet for GPUs: no libcuda.so.1, and no CUDA toolkit with a stand-in"
else
    alexeyab alexeyab_gpu "$DARKNET_ALEXEYAB_GPU"
    on_gpus alexeyab_gpu
    check "alexeyab_gpu: its test on an emulated GPU builds" make -s build/plugin_alexeyab/test_gpu DARKNET="$DARKNET_ALEXEYAB_GPU"
    numbers alexeyab_gpu test_gpu
fi

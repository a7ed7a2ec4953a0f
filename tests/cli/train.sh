#!/bin/bash
# classifier train as typed: what it writes, that a run stopped in any way goes on bit for bit, and
# that what is wrong is said before, and costs nothing.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive # nets this small are faster without spinning
cfg=$root/tests/fixtures/tiny.cfg
data=data/ddti/ddti.data

check() { # name, command...
    local name=$1
    shift
    if "$@" >check.log 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 check.log)"; fi
}
train() { "$root/darknet" classifier train "$@"; }
# refuses NAME TEXT ARGUMENT...: exit status 1 and a message that holds TEXT
refuses() {
    local name=$1 text=$2 status
    shift 2
    train "$@" >out 2>log
    status=$?
    if [ $status -ne 1 ]; then
        echo "not ok - $name: exit status $status, expected 1: $(tail -1 log)"
    elif ! grep -qF -- "$text" log; then
        echo "not ok - $name: no \"$text\" in: $(tail -3 log | tr '\n' ' ')"
    else
        echo "ok - $name"
    fi
}
figures() { sed 's/,"seconds".*//' "$1/metrics.jsonl"; }
same_run() { # folder: weights and figures equal those of the straight run
    for w in final best last; do cmp "straight/tiny_$w.weights" "$1/tiny_$w.weights" || return 1; done
    diff <(figures straight) <(figures "$1")
}

"$root/darknet" ddti synth sample -cases 24 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out data/ddti -size 40 >>log 2>&1 ||
    { echo "not ok - a sample is made: $(tail -1 log)"; exit 1; }

# ---- a whole run ----
check "a run of 4 epochs" train $data "$cfg" -backup straight -net ema_alpha=0.9
check "weights, notes, state, metrics and chart are there" \
    ls straight/tiny_{last,best,final}.weights{,.json} straight/{tiny.state,metrics.jsonl,chart.png,chart_tiny.png}
check "nothing half-written is left" bash -c '! ls straight/*.part* straight/.write*'
check "metrics have a line an epoch" bash -c '[ "$(grep -c "\"train\":{\"loss\":[0-9.e+-]*,\"accuracy\":[0-9.]*,\"f1\":[0-9.]*" straight/metrics.jsonl)" -ge 4 ]'
train $data "$cfg" -backup again -net ema_alpha=0.9 >out 2>log
check "the same seed gives the same bits" same_run again
check "seed, threads and the notice are printed" \
    bash -c 'grep -q "seed 0, 2 threads" log && grep -q "not for diagnosis" log'
train $data "$cfg" -backup other -net ema_alpha=0.9 -seed 1 >out 2>log
check "another seed gives other bits" bash -c '! cmp -s straight/tiny_final.weights other/tiny_final.weights'

# ---- stopped and resumed ----
train $data "$cfg" -backup resumed -net ema_alpha=0.9 -stop-after 4 >out 2>log
check "a stopped run says how to go on" grep -q -- '-resume goes on' log
train $data "$cfg" -backup resumed -net ema_alpha=0.9 -resume -stop-after 3 >out 2>log
train $data "$cfg" -backup resumed -net ema_alpha=0.9 -resume >out 2>log
check "stopped twice and resumed: bit for bit the straight run" same_run resumed

# stop_by SIGNAL FOLDER UPDATES: starts a run and signals it once so many updates are done
stop_by() {
    setsid "$root/darknet" classifier train $data "$cfg" -backup "$2" -net ema_alpha=0.9 2>"$2.log" >/dev/null &
    local pid=$! i
    for i in $(seq 1 2000); do grep -q "^$3, " "$2.log" && break; sleep 0.002; done
    kill "-$1" $pid 2>/dev/null
    wait $pid
    stopped=$?
}
for s in INT:130 TERM:143; do
    stop_by "${s%:*}" "by${s%:*}" 3 2>/dev/null
    if [ $stopped -eq 0 ]; then
        echo "skip - SIG${s%:*} saves: the run was over before the signal came"
        continue
    fi
    check "SIG${s%:*} saves and ends with status ${s#*:}" \
        bash -c "[ $stopped -eq ${s#*:} ] && grep -q 'stopped by signal' by${s%:*}.log"
    [ "$s" = INT:130 ] || continue
    train $data "$cfg" -backup byINT -net ema_alpha=0.9 -resume >out 2>log
    check "and is resumed bit for bit" same_run byINT
done
stop_by KILL byKILL 5 2>/dev/null # the first epoch has ended with the fourth
if [ -f byKILL/tiny.state ] && [ $stopped -eq 137 ]; then
    train $data "$cfg" -backup byKILL -net ema_alpha=0.9 -resume >out 2>log
    check "after kill -9 the last checkpoint is resumed bit for bit" same_run byKILL
else
    echo "skip - kill -9: no checkpoint was there yet, or the run was over"
fi

# ---- resuming what cannot be resumed ----
cp -r straight damaged
head -c 20000 straight/tiny.state >damaged/tiny.state
refuses "a truncated .state is refused" "truncated or damaged" $data "$cfg" -backup damaged -net ema_alpha=0.9 -resume
refuses "no .state, nothing to resume" "there is no run to resume" $data "$cfg" -backup empty -resume
refuses "another cfg cannot go on" "another cfg" $data "$cfg" -backup straight -resume
refuses "another seed cannot go on" "the seed is 0 there and 5 here" $data "$cfg" -backup straight -net ema_alpha=0.9 -resume -seed 5
refuses "a run that has ended says so" "More epochs" $data "$cfg" -backup straight -net ema_alpha=0.9 -resume
train $data "$cfg" -backup again -net ema_alpha=0.9 -resume -epochs 5 >out 2>log
check "more epochs let it go on" grep -q 'iteration' out
train $data "$cfg" -backup unfinished -stop-after 2 >out 2>log
train $data "$cfg" -backup unfinished -stop-after 1 >out 2>log
check "an unfinished run is put aside, not overwritten" ls unfinished/tiny.state.old

# ---- a disk that fills ----
mkdir full && cp straight/* full/
train $data "$cfg" -backup full -net ema_alpha=0.9 -stop-after 3 >out 2>log
cp full/tiny.state kept.state
(
    ulimit -f 16
    "$root/darknet" classifier train $data "$cfg" -backup full -net ema_alpha=0.9 -resume >out 2>log
    echo $? >status
)
check "a full disk ends the run with a message" bash -c '[ "$(cat status)" -eq 1 ] && grep -q "File too large" log'
check "and leaves the previous state whole" cmp full/tiny.state kept.state
train $data "$cfg" -backup full -net ema_alpha=0.9 -resume >out 2>log
check "from which the run goes on bit for bit" same_run full

# ---- weights as a start ----
refuses "weights that have seen all images leave nothing to train" "-clear starts at" $data "$cfg" straight/tiny_final.weights -backup w
check "-clear starts anew" train $data "$cfg" straight/tiny_final.weights -backup w -clear -stop-after 1
head -c 1000 straight/tiny_final.weights >cut.weights
refuses "truncated weights are refused" "cut.weights" $data "$cfg" cut.weights -backup w

# ---- frozen layers ----
awk '/^\[avgpool\]/ { print "stopbackward=1" } { print }' "$cfg" >frozen.cfg
train $data frozen.cfg straight/tiny_final.weights -backup frozen -clear -epochs 2 >out 2>log
layer0=$(((8 * 4 + 8 * 3 * 9) * 4)) # biases, scales, two statistics, weights of the first layer
check "what lies below stopbackward=1 does not change by a bit, decay and statistics neither" \
    cmp -i 20 -n $layer0 straight/tiny_final.weights frozen/frozen_final.weights
check "what lies above it learns" bash -c '! cmp -s -i 20 straight/tiny_final.weights frozen/frozen_final.weights'

# ---- other recipes ----
check "SGD, burn_in, steps, smoothing, cutmix, balanced classes" train $data "$cfg" -backup sgd -net adam=0 -net policy=steps \
    -net steps=3,5 -net scales=.1,.1 -net burn_in=2 -net label_smooth_eps=0.1 -net cutmix=1 -net balanced=1 -epochs 2
train $data "$cfg" -backup patience -net patience=2 -net learning_rate=0 -epochs 50 >out 2>log
check "patience ends a run that gets no better" bash -c '[ "$(wc -l <patience/metrics.jsonl)" -lt 20 ] && grep -q final out'

# ---- bad input ----
refuses "missing data says how it is made" "./darknet ddti convert DIR -out data/ddti" nowhere/ddti.data "$cfg"
refuses "a cfg without data= says what to do" "names no data=" "$cfg"
refuses "a missing cfg is named" "nowhere.cfg" $data nowhere.cfg
sed 's/filters=2/filters=3/' "$cfg" >three.cfg
refuses "outputs that do not match the classes" "has 3 outputs, but $data has classes=2" $data three.cfg
sed 's/batch_normalize/batch_normalise/' "$cfg" >typo.cfg
refuses "a misspelt key is named with its line" "typo.cfg:" $data typo.cfg
refuses "a misspelt [net] key is named" "learningrate" $data "$cfg" -net learningrate=1
touch file
refuses "a backup folder that cannot be made" "backup folder file/weights cannot be made" $data "$cfg" -backup file/weights
sed 's/train.list/bad.list/' $data >data/ddti/bad.data
{ cat data/ddti/train.list; echo data/ddti/none.png; } >data/ddti/bad.list
refuses "an image that matches no label, with its line" "bad.list:$(wc -l <data/ddti/bad.list)" data/ddti/bad.data "$cfg"
: >data/ddti/bad.list
refuses "an empty list" "bad.list" data/ddti/bad.data "$cfg"
refuses "a mistyped flag" "did you mean -resume?" $data "$cfg" -resum
refuses "a precision that is not there" "fp32" $data "$cfg" -nogpu -precision tf32
refuses "a word too many" "one word too many" $data "$cfg" straight/tiny_final.weights more
train $data "$cfg" -dont_show -mjpeg_port 8090 -i -1 -topk -show_imgs -backup flags -stop-after 1 >out 2>log
check "Darknet's flags are accepted" grep -q 'stopped as asked' log
check "augmented images are shown" ls flags/aug_0.png flags/aug_3.png
check "those without effect are said once" bash -c '[ "$(grep -c "^warning: -mjpeg_port has no effect" log)" -eq 1 ]'

# ---- numbers that explode ----
refuses "a loss that is no number names layer and iteration" "is the first whose output holds" $data "$cfg" -backup nan -net adam=0 -net learning_rate=1e6 -net decay=1e6 -net policy=constant
check "and names the iteration" grep -qE 'iteration [0-9]+ \(epoch' log

check "the loader is measured alone" bash -c "'$root/darknet' classifier train $data '$cfg' -benchmark-loader | grep -qE '[0-9.]+ images/s after it'"

#!/bin/bash
# classifier quantize and -precision int8 as typed: scales that are kept with the weights, answers
# that say what they were computed in, and what is refused.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
cfg=$root/tests/fixtures/tiny.cfg
data=data/ddti/ddti.data
w=tiny.weights

check() { # name, command...
    local name=$1
    shift
    if "$@" >check.log 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 check.log)"; fi
}
classifier() { "$root/darknet" classifier "$@" 2>log; }
refused() { # name, text of the message, words of the command
    local name=$1 text=$2
    shift 2
    if "$root/darknet" "$@" >out.log 2>err.log; then
        echo "not ok - $name: accepted"
    elif grep -qF -- "$text" err.log; then
        echo "ok - $name"
    else
        echo "not ok - $name: $(tail -1 err.log)"
    fi
}
json() { # EXPRESSION over o, the object of FILE
    python3 -c 'import json, sys
o = json.load(open(sys.argv[2]))
sys.exit(0 if eval(sys.argv[1]) else "false: %s of %.400r" % (sys.argv[1], o))' "$1" "$2"
}
command -v python3 >/dev/null || { echo "skip - int8: python3 is not installed"; exit 0; }

"$root/darknet" ddti synth sample -cases 40 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out data/ddti -size 40 -per image >>log 2>&1 &&
    classifier train $data "$cfg" -backup one -seed 1 -net epochs=2 >>log ||
    { echo "not ok - a net is trained: $(tail -1 log)"; exit 1; }
cp one/tiny_final.weights $w && cp one/tiny_final.weights.json $w.json
image=$(head -1 data/ddti/valid.list)

# ---- scales: every processor can choose them ----
classifier quantize $data "$cfg" $w -exact 0 -images 20 >quantize.txt
check "quantize ends well" test $? = 0
check "it says how many images and convolutions" grep -qE '^20 images of .*train\.list$' quantize.txt
check "scales are kept with the weights" json \
    'len(o["int8"]["scales"]) >= 1 and all(s["step"] > 0 for s in o["int8"]["scales"]) and o["int8"]["images"] == 20 and o["int8"]["list"].endswith("train.list") and len(o["int8"]["weights_digest"]) == 16' $w.json
check "what was kept before stays" json 'o["classes"] == ["benign","malignant"] and o["epoch"] == 2' $w.json
cp $w.json first.json
classifier quantize $data "$cfg" $w -exact 0 -images 20 -json >quantize.json
check "again, it is the same" cmp $w.json first.json
check "-json" json 'o["images"] == 20 and o["int8"] >= 1 and o["clip"] == "least-squares"' quantize.json
classifier quantize $data "$cfg" $w -exact 0 -clip max >quantize.txt
check "-clip max ends scales at the largest value" python3 -c '
import json
a, b = (json.load(open(f))["int8"]["scales"] for f in ("first.json", "tiny.weights.json"))
assert all(x["step"] <= y["step"] * 1.0001 for x, y in zip(a, b)) and len(a) == len(b)'
classifier quantize $data "$cfg" $w -exact 1 -json >exact.json
check "-exact leaves the first layers in fp32" python3 -c '
import json
a, b = (json.load(open(f)) for f in ("quantize.json", "exact.json"))
assert b["int8"] < a["int8"] and b["fp32"] > a["fp32"]
assert all(s["op"].split(".")[0] != "0" for s in json.load(open("tiny.weights.json"))["int8"]["scales"])'
cp first.json $w.json
refused "nothing left" "-exact 0 tries them too" classifier quantize $data "$cfg" $w
refused "no such way to clip" "expected least-squares, max or percentile" classifier quantize $data "$cfg" $w -exact 0 -clip most

# ---- refusals that need no such processor ----
if DNNL_MAX_CPU_ISA=AVX2 "$root/darknet" classifier predict "$cfg" $w "$image" -precision int8 2>err.log >out.log; then
    echo "not ok - a processor that cannot: accepted"
else
    check "a processor or program that cannot is named" grep -qE '^darknet: -precision int8: this (processor does not multiply bytes|program was built without oneDNN)' err.log
fi
if ! "$root/darknet" -precision int8 version >out.log 2>err.log && ! grep -q 'is for answers alone' err.log; then
    echo "skip - answers in int8: $(sed 's/^darknet: //' err.log)"
    exit 0
fi
check "quantize measures what it does to answers" json '0 < o["mean_change"] <= o["largest_change"] < 0.2' quantize.json
refused "training takes no int8" "is for answers alone" classifier train $data "$cfg" -precision int8
refused "nor does gradcam" "is for answers alone" classifier gradcam "$cfg" $w "$image" -precision int8
refused "nor quantize" "is for answers alone" classifier quantize $data "$cfg" $w -precision int8
refused "bench trains in fp32" "add -infer" bench "$cfg" -precision int8
refused "no GPU computes so" "GPUs do not" classifier predict "$cfg" $w "$image" -precision int8 -gpus 0

# ---- answers ----
classifier predict "$cfg" $w "$image" -precision int8 >text
check "predict answers" test $? = 0
check "... and says so" grep -q '^precision: int8$' text
classifier predict "$cfg" $w "$image" >plain
check "fp32 says nothing new" bash -c '! grep -q "^precision" plain'
classifier predict "$cfg" $w "$image" -precision int8 -json >int8.json
classifier predict "$cfg" $w "$image" -json >fp32.json
check "JSON says so" json 'o["precision"] == "int8"' int8.json
check "of fp32 too" json 'o["precision"] == "fp32"' fp32.json
check "answers are near those in fp32, and not the same" python3 -c '
import json
a, b = (json.load(open(f))["classes"] for f in ("int8.json", "fp32.json"))
a, b = ({c["name"]: c["probability"] for c in x} for x in (a, b))
d = max(abs(a[k] - b[k]) for k in a)
assert 0 < d < 0.05, d'
for threads in 1 2; do
    classifier valid $data "$cfg" $w -precision int8 -probs $threads.csv -threads $threads -json >valid$threads.json
done
check "valid says so" json 'o["computed_in"] == "int8" and o["calibrated"] is False' valid1.json
check "1 and 2 threads give the same bits" cmp 1.csv 2.csv
classifier valid $data "$cfg" $w -precision int8 >valid.txt
check "... in words" grep -q '^computed in int8$' valid.txt
check "valid10 takes it" classifier valid10 $data "$cfg" $w -precision int8
check "bench takes it" "$root/darknet" bench "$cfg" -infer -precision int8 -steps 1
refused "kernels that cannot" "no convolution of" classifier predict "$cfg" $w "$image" -precision int8 -kernels ref

# ---- calibration: each precision its own ----
classifier calibrate $data "$cfg" $w -sensitivity 0.9 >calibrate.txt
classifier predict "$cfg" $w "$image" -precision int8 -json >after.json
check "what was fitted to fp32 is not used for int8" python3 -c '
import json
a, b = (json.load(open(f)) for f in ("int8.json", "after.json"))
assert a["classes"] == b["classes"] and b["calibrated"] is False and "threshold" not in b'
classifier predict "$cfg" $w "$image" -precision int8 >text
check "... and it is said" grep -q '^scores: uncalibrated: what `calibrate` chose was for answers in fp32' text
classifier calibrate $data "$cfg" $w -sensitivity 0.9 -precision int8 >calibrate.txt
check "calibrate -precision int8 fits them" test $? = 0
check "both are kept" json 'o["calibrated"] and o["calibration"]["temperature"] > 0 and o["int8"]["calibrated"] and o["int8"]["calibration"]["threshold"] > 0' $w.json
classifier predict "$cfg" $w "$image" -precision int8 -json >after.json
check "... and used" json 'o["calibrated"] and o["threshold"] > 0 and o["precision"] == "int8"' after.json
if classifier predict "$cfg" $w "$image" -precision bf16 >text; then
    check "bf16 does not take fp32's either" grep -q '^scores: uncalibrated: what `calibrate` chose was for answers in fp32' text
    cp $w half.weights && cp $w.json half.weights.json
    check "calibrate -precision bf16 fits them" classifier calibrate $data "$cfg" half.weights -sensitivity 0.9 -precision bf16
    check "... and used" bash -c "'$root/darknet' classifier predict '$cfg' half.weights '$image' -precision bf16 2>/dev/null | grep -q '^scores: calibrated'"
    check "... not for fp32" bash -c "'$root/darknet' classifier predict '$cfg' half.weights '$image' 2>/dev/null | grep -q 'for answers in bf16'"
else
    echo "skip - calibration in bf16: $(tail -1 log)"
fi
classifier quantize $data "$cfg" $w -exact 0 -images 10 >quantize.txt
check "new scales drop it" json 'o["calibrated"] and not o["int8"]["calibrated"]' $w.json
check "... and it is said" grep -q 'of other scales' log

# ---- whose scales they are ----
cp $w other.weights && cp $w.json other.weights.json
printf '\001' | dd of=other.weights bs=1 seek=40 conv=notrunc 2>log
refused "other weights" "are of other weights than" classifier predict "$cfg" other.weights "$image" -precision int8
cp one/tiny_final.weights.json other.weights.json
refused "no scales" "holds no scales for it: \`darknet classifier quantize" classifier predict "$cfg" other.weights "$image" -precision int8
rm other.weights.json
refused "no note at all" "holds no scales for it" classifier predict $data "$cfg" other.weights "$image" -precision int8
check "quantize writes one" classifier quantize $data "$cfg" other.weights -exact 0 -images 5
check "... that serves" classifier predict "$cfg" other.weights "$image" -precision int8
python3 - <<'P'
import json
o = json.load(open("other.weights.json"))
o["int8"]["scales"][0]["op"] = "77"
json.dump(o, open("wrong.json", "w"))
o["int8"]["scales"][0]["step"] = 0
json.dump(o, open("zero.json", "w"))
P
mv wrong.json other.weights.json
refused "a scale of another net" "has no such one" classifier predict "$cfg" other.weights "$image" -precision int8
mv zero.json other.weights.json
refused "a step of 0" "expected more than 0" classifier predict "$cfg" other.weights "$image"

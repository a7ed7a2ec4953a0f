#!/bin/bash
# classifier gradcam as typed: pictures, 16-bit maps, where the heat lies, and what it refuses.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
cfg=$root/tests/fixtures/tiny.cfg
tools=$root/build/tests/tools
w=tiny.weights

check() { # name, command...
    local name=$1
    shift
    if "$@" >check.log 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 check.log)"; fi
}
gradcam() { "$root/darknet" classifier gradcam "$@" 2>log; }
refuses() { # name, text that stderr must hold, arguments...
    local name=$1 text=$2
    shift 2
    if gradcam "$@" >out; then echo "not ok - $name: exit status 0"; return; fi
    check "$name" grep -qF -- "$text" log
}
json() {
    python3 -c 'import json, sys
o = [json.loads(l) for l in sys.stdin]
sys.exit(0 if eval(sys.argv[1]) else "false: %s of %.400r" % (sys.argv[1], o))' "$1"
}
# Width, height, bits and all samples of a grey PNG whose rows have filter 0, CRCs checked.
samples() {
    python3 -c 'import struct, sys, zlib
b, at, data = open(sys.argv[1], "rb").read(), 8, b""
while at < len(b):
    n, name = struct.unpack(">I4s", b[at:at + 8])
    body = b[at + 8:at + 8 + n]
    assert struct.unpack(">I", b[at + 8 + n:at + 12 + n])[0] == zlib.crc32(name + body), "CRC"
    if name == b"IHDR": w, h, bits, colour = struct.unpack(">IIBB", body[:10])
    if name == b"IDAT": data += body
    at += 12 + n
raw = zlib.decompress(data)
v = [struct.unpack(">%dH" % w, raw[y * (2 * w + 1) + 1:(y + 1) * (2 * w + 1)]) for y in range(h)]
assert bits == 16 and colour == 0, (bits, colour)
sys.exit(0 if eval(sys.argv[2]) else "%d x %d, %d bits" % (w, h, bits))' "$1" "$2"
}
command -v python3 >/dev/null || { echo "skip - gradcam: python3 is not installed"; exit 0; }

"$root/darknet" ddti synth sample -cases 24 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out data/ddti >>log 2>&1 &&
    "$root/darknet" ddti convert sample -crop none -out data/frames >>log 2>&1 &&
    "$tools/make_weights" "$cfg" $w 1 >>log 2>&1 ||
    { echo "not ok - a sample and weights are made: $(tail -1 log)"; exit 1; }
data=data/ddti/ddti.data
image=$(head -1 data/ddti/valid.list)
name=$(basename "${image%.*}")
frame=sample/${name%_*}.jpg
size=$(sed -n 's/^width=//p' "$cfg" | head -1)

gradcam $data "$cfg" $w "$image" -out maps -raw >text
check "a picture is written" test -s "maps/$name.png"
check "text names image, class and probability" grep -qE "^$image: (benign|malignant) [01]\.[0-9]+" text
check "text carries the research-only line" grep -q 'not for diagnosis' text
check "the manifest's box is the nodule" grep -q 'heat in the nodule\|no heat' text
check "-raw: 16 bits, the net's size, hottest place 65535" \
    samples "maps/${name}_heat.png" "(w, h) == ($size, $size) and max(map(max, v)) == 65535"

for method in gradcam gradcam++ layercam occlusion; do
    gradcam $data "$cfg" $w "$image" -out "m$method" -method $method -json -class malignant >$method.json
    check "-method $method" json "o[0]['method']=='$method' and o[0]['class']=='malignant' and o[0]['nodule']=='box'" <$method.json
done
check "the probability is predict's" json \
    "abs(o[0]['probability']-$("$root/darknet" classifier predict $data "$cfg" $w "$image" -json 2>/dev/null |
        python3 -c 'import json,sys; print({c["name"]:c["probability"] for c in json.load(sys.stdin)["classes"]}["malignant"])'))<1e-6" <gradcam.json
gradcam $data "$cfg" $w "$image" -out other -class benign -method layercam -json >benign.json
check "the other class: 1 minus the probability" json \
    "abs(o[0]['probability']+$(python3 -c 'import json; print(json.load(open("layercam.json"))["probability"])')-1)<1e-5" <benign.json

# ---- outlines ----
gradcam $data "$cfg" $w "$frame" -xml sample -out xml -method layercam -json >xml.json
check "-xml FOLDER: the crop, its outline, and the whole frame" json \
    "o[0]['input']=='xml' and o[0]['nodule']=='outline' and 0<o[0]['nodule_area']<1 and 0<=o[0]['heat_in_nodule']<=1 and 0<=o[0]['frame']['probability_picture_only']<=1" <xml.json
gradcam $data "$cfg" $w "$image" -xml sample -out both -method layercam -json >both.json
check "a crop of the manifest finds outline and frame there" json \
    "o[0]['input']=='nodule_crop' and o[0]['nodule']=='outline' and 'frame' in o[0]" <both.json
check "outline by frame and by manifest agree" json \
    "abs(o[0]['nodule_area']-$(python3 -c 'import json; print(json.load(open("xml.json"))["nodule_area"])'))<0.02" <both.json
gradcam data/frames/ddti.data "$cfg" $w "$frame" -xml sample -out frames -method layercam -json >frame.json
check "a net of frames: heat outside the picture, and the answer without it" json \
    "o[0]['input']=='frame' and 'frame' not in o[0] and 0<o[0]['outside_picture_area']<1 and 'probability_picture_only' in o[0]" <frame.json
gradcam $data "$cfg" $w data/ddti/valid.list -out all -sanity >all.txt
check "a list: a picture an image" test "$(find all -name '*.png' | wc -l)" = "$(wc -l <data/ddti/valid.list)"
check "the pointing game over all" grep -q '^pointing game on' all.txt
check "-sanity compares with fresh weights" grep -q '^sanity: mean rank correlation' all.txt
cp data/ddti/valid.list twice.list && cat data/ddti/valid.list >>twice.list
gradcam $data "$cfg" $w twice.list -out twice >out
check "equal names do not overwrite one another" test -s "twice/${name}_2.png"

# ---- what it refuses ----
refuses "without -out" "-out DIR" $data "$cfg" $w "$image"
refuses "without an image" "name an image" $data "$cfg" $w -out x
refuses "a layer that is not there" "from 0 to" $data "$cfg" $w "$image" -out x -layer 99
refuses "a class that is not there" "no class of that name" $data "$cfg" $w "$image" -out x -class cyst
refuses "an unknown method" "gradcam++" $data "$cfg" $w "$image" -out x -method cam
refuses "-roi with -xml" "give one" $data "$cfg" $w "$frame" -out x -roi 1,1,50,50 -xml sample
refuses "a case of another image" "describes case" $data "$cfg" $w "$frame" -out x \
    -xml "$(ls sample/*.xml | grep -v "/${name%%_*}.xml" | head -1)"
gradcam $data "$cfg" $w missing.png "$image" -out some >out
check "one image that is missing: status 1, the others done" test $? = 1 -a -s "some/$name.png"
gradcam -h >out
check "-h explains" grep -q 'usage: darknet classifier gradcam' out

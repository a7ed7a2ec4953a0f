#!/bin/bash
# The front door and what is wrong at it: help, unknown words and flags, damaged files. Nothing that
# cannot be answered is answered: each is a clear message on stderr and exit status 1.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive # nets this small are faster without spinning
tools=$root/build/tests/tools
darknet=$root/darknet

ok() { echo "ok - $1"; }
not_ok() { echo "not ok - $1: $2"; }
# accepts NAME WORD...: exit status 0
accepts() {
    local name=$1
    shift
    if "$darknet" "$@" >out 2>log </dev/null; then ok "$name"; else not_ok "$name" "status $?: $(tail -1 log)"; fi
}
# refuses NAME TEXT WORD...: exit status 1, TEXT on stderr, and no class named on stdout
refuses() {
    local name=$1 text=$2 status
    shift 2
    "$darknet" "$@" >out 2>log </dev/null
    status=$?
    if [ $status -ne 1 ]; then
        not_ok "$name" "status $status, expected 1: $(tail -1 log)"
    elif ! grep -qF -- "$text" log; then
        not_ok "$name" "no \"$text\" in: $(tail -2 log | tr '\n' ' ')"
    elif grep -qE '^(benign|malignant):|"probability"|accuracy' out; then
        not_ok "$name" "an answer all the same: $(head -2 out | tr '\n' ' ')"
    else
        ok "$name"
    fi
}
says() { # NAME TEXT: in what the last command printed
    if grep -qF -- "$2" out log; then ok "$1"; else not_ok "$1" "no \"$2\" in: $(tail -2 out log | tr '\n' ' ')"; fi
}

# ---- a net, weights, images ----
cp "$root/tests/fixtures/tiny.cfg" net.cfg
mkdir -p set/benign set/malignant
for i in 1 2 3; do
    "$tools/make_image" set/benign/$i.png 40 36 $i && "$tools/make_image" set/malignant/$i.png 36 40 1$i
done
printf 'benign\nmalignant\n' >names
ls set/*/*.png >all.list
data() { # FILE LIST [NAMES]
    printf 'classes=2\nvalid=%s\ntest=%s\nlabels=names\nnames=%s\n' "$2" "$2" "${3:-names}" >"$1"
}
data d.data all.list
"$tools/make_weights" net.cfg good.weights 1 || { echo "not ok - weights are made"; exit 1; }
image=set/benign/1.png
predict() { refuses "$1" "$2" classifier predict "${@:3}"; }

# ---- the front door ----
refuses "without a command: usage, status 1" "usage: darknet COMMAND"
accepts "help" help
says "help lists the commands" classifier
accepts "classifier -h" classifier -h
says "classifier -h lists its commands" predict
for c in train valid valid10 validcrop validfull validmulti predict test label csv try gradcam demo summary; do
    accepts "classifier $c -h" classifier $c -h
    says "classifier $c -h explains itself" "usage: darknet classifier"
done
for c in classify ddti list bench cfg version; do accepts "$c -h" $c -h; done
accepts "version" version
says "version names the processor" "processor: "
refuses "an unknown command suggests one" "did you mean classifier?" clasifier
refuses "an unknown verb suggests one" "did you mean predict?" classifier predikt d.data net.cfg
refuses "an unknown flag suggests one" "did you mean -letterbox?" classifier predict d.data net.cfg good.weights -leterbox "$image"
refuses "a flag without its value" "-t needs a value" classifier predict d.data net.cfg good.weights "$image" -t
refuses "a flag's value of the wrong kind" "expected a whole number" classifier predict d.data net.cfg good.weights "$image" -t two
refuses "a word too many" "one word too many" classifier valid d.data net.cfg good.weights more
accepts "-nogpu and -i -1 anywhere" -i -1 classifier predict -nogpu d.data net.cfg good.weights "$image"
accepts "-nogpu beats -gpus" -gpus 0 classifier predict -nogpu d.data net.cfg good.weights "$image"
if [ -e /dev/nvidiactl ]; then
    echo "skip - -gpus 0 without a GPU: there is one here"
else
    refuses "-gpus 0 without a GPU says why it cannot" "-gpus 0: " -gpus 0 classifier predict d.data net.cfg good.weights "$image"
    says "... and what to do" "-nogpu"
    refuses "a precision that takes a GPU" "it takes a GPU" -precision tf32 classifier predict d.data net.cfg good.weights "$image"
fi
if grep -q avx512_bf16 /proc/cpuinfo; then
    accepts "bf16 on a processor that multiplies it" -nogpu -precision bf16 classifier predict d.data net.cfg good.weights "$image"
else
    refuses "bf16 on a processor that does not" "takes a processor that multiplies bf16" -nogpu -precision bf16 classifier predict d.data net.cfg good.weights "$image"
fi
refuses "a GPU named twice" "named twice" -gpus 0,0 classifier predict d.data net.cfg good.weights "$image"
refuses "a precision that is none" "expected one of fp32|tf32|bf16" -precision fp8 classifier predict d.data net.cfg good.weights "$image"
refuses "-i with junk" "expected a whole number" -i zero classifier predict d.data net.cfg good.weights "$image"

# ---- bench ----
accepts "bench -limits needs no net" bench -limits
says "... and says what the machine can do" "this machine at most: "
accepts "bench with its table" bench net.cfg -batch 2 -steps 1 -layers
says "... by op, with what memory gives" "GB/s"
accepts "bench as JSON" bench net.cfg -batch 2 -steps 1 -layers -json -infer
if python3 -c 'import json; d = json.load(open("out")); assert d["layers"] and d["peak_bytes"] > d["bytes"]' 2>log; then
    ok "... which is JSON"
else
    not_ok "... which is JSON" "$(tail -1 log)"
fi
refuses "bench without a net" "expected one: CFG" bench

# ---- weights ----
accepts "the good ones are accepted" classifier predict d.data net.cfg good.weights "$image"
predict "no weights named" "name the weights" d.data net.cfg
predict "weights that are not there" "none.weights" d.data net.cfg none.weights "$image"
: >empty.weights
predict "empty weights" "too short" d.data net.cfg empty.weights "$image"
head -c 3000 good.weights >cut.weights
predict "truncated weights: which layer" "ends before" d.data net.cfg cut.weights "$image"
{ cat good.weights; printf abcd; } >long.weights
predict "weights of another net: how many bytes" "4 too many" d.data net.cfg long.weights "$image"
sed 's/^filters=8$/filters=4/' net.cfg >other.cfg
predict "weights of a larger net" "too many" d.data other.cfg good.weights "$image"
cp good.weights nan.weights
printf '\x00\x00\xc0\x7f' | dd of=nan.weights bs=1 seek=1000 conv=notrunc status=none
predict "weights that hold NaN" "damaged" d.data net.cfg nan.weights "$image"
size=$(stat -c %s good.weights)
cp good.weights huge.weights # the last filters: 1e38 overflows in the sum
for ((i = size - 64; i < size; i += 4)); do printf '\x99\x76\x96\x7e' | dd of=huge.weights bs=1 seek=$i conv=notrunc status=none; done
predict "outputs that are not finite are no class" "nothing can be said" d.data net.cfg huge.weights "$image"
sed '/^\[softmax\]/d' net.cfg >raw.cfg
predict "outputs that are no probabilities" "[softmax]" d.data raw.cfg good.weights "$image"
sed 's/^classes=2/classes=3/' d.data >three.data
printf 'benign\nmalignant\nother\n' >names3
sed -i 's/names$/names3/' three.data
predict "classes that are not the net's outputs" "2 outputs" three.data net.cfg good.weights "$image"

# ---- names, data ----
printf 'benign\n' >short.names
data short.data all.list short.names
predict "fewer names than classes" "short.names: 1 lines for classes=2" short.data net.cfg good.weights "$image"
predict "a .data file that is not there" "no.data: no such file" no.data net.cfg good.weights "$image"
predict "no names anywhere" "have no names" net.cfg good.weights "$image"
sed 's/^names=/nams=/' d.data >typo.data
predict "a typo in .data" "did you mean" typo.data net.cfg good.weights "$image"
sed '/^valid/d; /^test/d' d.data >names.data
refuses "valid without a list" "names no valid= list" classifier valid names.data net.cfg good.weights
: >empty.list
refuses "an empty list" "no image in this list" classifier valid d.data net.cfg good.weights -list empty.list
echo set/benign/none.png >missing.list
refuses "a list with a missing image: the line" "missing.list:1" classifier valid d.data net.cfg good.weights -list missing.list
mkdir -p set/neither && cp "$image" set/neither/ && echo set/neither/1.png >neither.list
refuses "a path that matches no label" "matches none" classifier valid d.data net.cfg good.weights -list neither.list
mkdir -p set/benign_malignant && cp "$image" set/benign_malignant/ && echo set/benign_malignant/1.png >both.list
refuses "a path that matches two labels" "matches 2 labels" classifier valid d.data net.cfg good.weights -list both.list
mkdir -p "set/benign/with space" && cp "$image" "set/benign/with space/a b.png"
printf '\nset/benign/with space/a b.png\r\n\n' >space.list
accepts "blank lines, CR and spaces in a list" classifier valid d.data net.cfg good.weights -list space.list
refuses "test without a list" "names no test= list" classifier test names.data net.cfg good.weights

# the weights' own record wins over a wrong .data
printf '{"notice":"","cfg":"net.cfg","classes":["malignant","benign"],"calibrated":false,"width":32,"height":32,"channels":3,"preprocessing":{},"seed":"0","step":1,"epoch":1}\n' >swapped.weights.json
cp good.weights swapped.weights
predict "classes in another order than the weights'" 'class 0 is "malignant" to the weights' d.data net.cfg swapped.weights "$image"
sed 's/\["malignant","benign"\]/["benign","malignant"]/; s/"preprocessing":{}/"preprocessing":{"denoise":"median"}/' swapped.weights.json >denoised.weights.json
cp good.weights denoised.weights
predict "images prepared otherwise than in training" "denoise=" d.data net.cfg denoised.weights "$image"
accepts "... -allow-mismatch goes on" classifier predict d.data net.cfg denoised.weights "$image" -allow-mismatch
says "... with a warning" "warning: "
echo '{' >broken.weights.json && cp good.weights broken.weights
predict "a damaged record beside the weights" "broken.weights.json" d.data net.cfg broken.weights "$image"

# ---- images ----
predict "an image that is not there" "none.png" d.data net.cfg good.weights none.png
head -c 200 "$image" >cut.png
predict "a truncated image" "cut.png" d.data net.cfg good.weights cut.png
echo hello >text.png
predict "a file that is no image" "text.png" d.data net.cfg good.weights text.png
mkdir void
predict "a folder without images" "no image" d.data net.cfg good.weights void
predict "-roi on a net of whole frames" "crop=none" d.data net.cfg good.weights "$image" -roi 1,1,9,9
{ cat d.data; printf 'crop=nodule\ncrop_margin=0.25\n'; } >crop.data
predict "-roi outside the image" "does not lie in the 40x36 frame" crop.data net.cfg good.weights "$image" -roi 400,1,9,9
predict "-roi with a number missing" "expected x,y,w,h" crop.data net.cfg good.weights "$image" -roi 1,1,9
predict "-roi without a size" "above 0" crop.data net.cfg good.weights "$image" -roi 1,1,0,9
predict "-xml that is not there" "none.xml" crop.data net.cfg good.weights "$image" -xml none.xml
predict "-xml and -roi together" "give one" crop.data net.cfg good.weights "$image" -xml a.xml -roi 1,1,9,9
predict "-json and -csv together" "not both" d.data net.cfg good.weights "$image" -json -csv

# ---- channels=1 is honoured ----
sed 's/^channels=3/channels=1/' net.cfg >grey.cfg
"$tools/make_weights" grey.cfg grey.weights 1
"$tools/make_image" grey.png 32 32 5 grey
accepts "channels=1: a grey image" classifier predict d.data grey.cfg grey.weights grey.png
accepts "channels=1: a colour image" classifier predict d.data grey.cfg grey.weights "$image"
accepts "channels=1: valid" classifier valid d.data grey.cfg grey.weights

# ---- cfg files ----
echo '<html><body>404</body></html>' >html.cfg
predict "a web page for a cfg" "html.cfg:1" d.data html.cfg good.weights "$image"
sed 's/$/\r/' net.cfg >crlf.cfg
accepts "a cfg with CR LF" classifier predict d.data crlf.cfg good.weights "$image"
printf '\xef\xbb\xbf' | cat - net.cfg >bom.cfg
accepts "a cfg with a byte-order mark" classifier predict d.data bom.cfg good.weights "$image"
: >empty.cfg
predict "an empty cfg" "empty.cfg" d.data empty.cfg good.weights "$image"
bad() { # NAME TEXT SED: the cfg, spoilt
    sed "$3" net.cfg >bad.cfg
    predict "$1" "$2" d.data bad.cfg good.weights "$image"
}
bad "stride=0" "stride" 's/^stride=2/stride=0/'
bad "an activation's typo" "did you mean relu?" 's/^activation=relu/activation=relo/'
bad "an unknown section" "avgpol" 's/^\[avgpool\]/[avgpol]/'
bad "an unknown key" "did you mean" 's/^filters=8/fliters=8/'
bad "a misspelt key of [net]" "did you mean" 's/^learning_rate/lerning_rate/'
bad "groups that do not divide" "groups" 's/^groups=2/groups=3/'
bad "a number that is none" "filters" 's/^filters=8/filters=eight/'
bad "a width of 0" "width" 's/^width=32/width=0/'
predict "a cfg that is not there" "none.cfg" d.data none.cfg good.weights "$image"

# ---- more than one size ----
printf '[net]\nwidth=16\nheight=16\nchannels=3\n[connected]\noutput=2\nactivation=linear\n[softmax]\n' >full.cfg
"$tools/make_weights" full.cfg full.weights 1
refuses "validfull needs a net that works at any size" "one input size" classifier validmulti d.data full.cfg full.weights
accepts "... valid10 does not" classifier valid10 d.data full.cfg full.weights

refuses "try without an image" "name an image" classifier try d.data net.cfg good.weights
refuses "try with a layer that is none" "out of range" classifier try d.data net.cfg good.weights "$image" 99
refuses "demo without a video" "name one video" classifier demo d.data net.cfg good.weights -out frames
refuses "demo without a folder" "-out DIR" classifier demo d.data net.cfg good.weights none.avi
refuses "demo of a file that is no video" "none.avi" classifier demo d.data net.cfg good.weights none.avi -out frames
if [ -e /dev/full ]; then
    "$darknet" classifier predict d.data net.cfg good.weights "$image" >/dev/full 2>log
    if [ $? -eq 1 ]; then ok "a full disk behind stdout"; else not_ok "a full disk behind stdout" "status 0"; fi
fi

#!/bin/bash
# ddti stats of a folder and of two lists, and the warning of classifier train, as typed.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
check() { # name, command...
    local name=$1
    shift
    if "$@" >check.log 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 check.log)"; fi
}
says() { grep -qF -- "$1" "$2" || { echo "no \"$1\" in: $(tail -2 "$2")"; return 1; }; }
"$root/darknet" ddti synth sample -cases 90 >log 2>&1 &&
    "$root/darknet" ddti convert sample -out clean >>log 2>&1 &&
    "$root/darknet" ddti convert sample -split image -out leaky >>log 2>&1 ||
    { echo "not ok - a sample is made: $(tail -1 log)"; exit 1; }
train() { timeout 60 "$root/darknet" classifier train "$1" "$root/tests/fixtures/tiny.cfg" -backup w -stop-after 1 2>&1; }

"$root/darknet" ddti stats clean/train.list clean/valid.list >clean.txt
check "a split by case does not leak" says "leaks: 0 images" clean.txt
check "the manifest told the cases" says "0 of a case that is in both" clean.txt
"$root/darknet" ddti stats leaky/train.list leaky/valid.list >leaky.txt
check "a split by image leaks cases" grep -qE '^leaks: [1-9]' leaky.txt
check "and says which" says ": one case" leaky.txt
"$root/darknet" ddti stats clean/train.list clean/train.list >same.txt
check "a list against itself: the same bytes" says ": the same bytes" same.txt
train leaky/ddti.data >leaky.log
check "train warns of it" says "validation images LEAK" leaky.log
train clean/ddti.data >clean.log
check "and is silent where nothing leaks" test "$(grep -c LEAK clean.log)" = 0
"$root/darknet" ddti stats clean/train.list missing.list >out 2>log
check "a missing list: status 1" test $? = 1
check "and it is named" says missing.list log

ddti=$root/../shared/data/ddti
[ -d "$ddti" ] || { echo "skip - the real DDTI: ../shared/data/ddti is not there"; exit 0; }
"$root/darknet" ddti stats "$ddti" >real.txt
check "DDTI: burned-in text suspected in 95 images" says "more): 95 images:" real.txt
check "DDTI: the diagnosis of 292_1 and 396_1 is among it" grep -q 'suspected.* 292_1 .* 396_1' real.txt
check "DDTI: two look alike" says "234_2 ~ 234_3" real.txt

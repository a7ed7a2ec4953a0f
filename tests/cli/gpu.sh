#!/bin/bash
# What gpu-test does, on the emulated driver: whole nets trained, saved and loaded, in emulated
# kernels and with every op staged. Prints "ok - ..." lines; run from the repository's root.
set -u
if ! make -s build/tests/device/test_device_nets >/tmp/tn-gpu-make.$$ 2>&1; then
    echo "not ok - the GPU's nets build: $(tail -1 /tmp/tn-gpu-make.$$)"
fi
rm -f /tmp/tn-gpu-make.$$
nets=build/tests/device/test_device_nets
for how in "-emulated -precision fp32,tf32,bf16" "-staged -precision bf16"; do
    $nets $how -size 32 -steps 3 -resume 4 demo >/tmp/tn-gpu-nets.$$ 2>&1 || echo "not ok - demo, $how"
    grep -E '^(ok|not ok) - ' /tmp/tn-gpu-nets.$$
done
grep -q '^demo *bf16 .* ok$' /tmp/tn-gpu-nets.$$ && grep -q '^passed: ' /tmp/tn-gpu-nets.$$ && echo "ok - they end in a table" || echo "not ok - they end in a table"
rm -f /tmp/tn-gpu-nets.$$
# All of them take minutes: GPU_NETS="" tries the eight nets and the readings.
$nets -emulated -size 64 -batch 3 -steps 2 -resume 2 ${GPU_NETS-mobilenet mobilenet-smooth} || echo "not ok - ${GPU_NETS-mobilenet mobilenet-smooth}, -emulated"
$nets -steps 0 -resume 0 -precision fp64 demo >/dev/null 2>&1 && echo "not ok - an unknown precision is refused" || echo "ok - an unknown precision is refused"
if EMULATE=1 NETS=demo SIZE=32 ANSWERS=48 STEPS=2 RESUME=2 scripts/gpu_test.sh $nets >/tmp/tn-gpu-nets.$$ && [ "$(tail -1 /tmp/tn-gpu-nets.$$)" = "gpu-test: passed" ]; then echo "ok - gpu-test ends in its verdict"; else echo "not ok - gpu-test ends in its verdict: $(tail -1 /tmp/tn-gpu-nets.$$)"; fi
rm -f /tmp/tn-gpu-nets.$$
if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
    for fatbin in $(find layers -name '*.cu'); do
        if [ -s "build/cuda/${fatbin%.cu}.fatbin" ]; then echo "ok - $fatbin is compiled"; else echo "not ok - $fatbin is compiled: no build/cuda/${fatbin%.cu}.fatbin"; fi
    done
else
    echo "skip - CUDA code is compiled: there is no nvcc"
fi

# ---- the commands, on emulated GPUs: the processor's bits, since every op is staged ----
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
here=$root/darknet there=$root/build/tests/tools/emulated_gpu cfg=$root/cfg/demo.cfg
check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >out 2>&1; then echo "ok - $name"; else echo "not ok - $name: $(tail -1 out)"; fi
}
"$here" ddti synth synth >log 2>&1 && "$here" ddti convert synth -out data/ddti >log 2>&1 ||
    echo "not ok - sample data: $(tail -1 log)"
small="-net batch=8 -net subdivisions=2 -net width=32 -net height=32 -net min_crop=32 -net max_crop=40"
train() { # PROGRAM FOLDER ARGUMENTS...
    local program=$1 folder=$2
    shift 2
    "$program" ${TRAIN-train} data/ddti/ddti.data "$cfg" $small -backup "$folder" "$@" >log 2>&1
}
TRAIN="classifier train" train "$here" cpu -nogpu -stop-after 5
check "trains on a GPU" train "$there" gpu -gpus 0 -stop-after 3
check "the GPU's run goes on" train "$there" gpu -gpus 0 -stop-after 2 -resume
check "its weights are the processor's, bit for bit" cmp cpu/demo_last.weights gpu/demo_last.weights
check "the choice of a GPU is in the .state file" grep -q 'Emulated GPU 0 (sm_90' gpu/demo.state
check "trains on two GPUs" train "$there" two -gpus 0,1 -stop-after 2
check "trains in bf16" train "$there" bf16 -gpus 0 -precision bf16 -stop-after 2
check "bf16 gives other weights than fp32" bash -c '! cmp -s two/demo_last.weights bf16/demo_last.weights'
check "a batch that does not divide is refused" bash -c "! '$there' train data/ddti/ddti.data '$cfg' -net batch=3 -gpus 0,1 2>log && grep -q 'does not divide among 2 GPUs' log"
size="-net width=32 -net height=32"
"$here" classifier valid data/ddti/ddti.data "$cfg" cpu/demo_last.weights $size -nogpu -kernels ref -json >valid.cpu 2>log
"$there" valid data/ddti/ddti.data "$cfg" cpu/demo_last.weights $size -gpus 0 -kernels ref -json >valid.gpu 2>log
sed -i 's/"seconds":[0-9.e-]*//' valid.cpu valid.gpu
check "valid gives the processor's figures" cmp valid.cpu valid.gpu
check "there are figures" grep -q '"auc"' valid.gpu

#!/bin/bash
# What gpu-test does, on the emulated driver: whole nets trained, saved and loaded with every op
# staged. Prints "ok - ..." lines; run from the repository's root.
set -u
if ! make -s build/tests/device/test_device_nets >/tmp/tn-gpu-make.$$ 2>&1; then
    echo "not ok - the GPU's nets build: $(tail -1 /tmp/tn-gpu-make.$$)"
fi
rm -f /tmp/tn-gpu-make.$$
for precision in fp32 bf16; do
    build/tests/device/test_device_nets -emulated -precision $precision -size 32 -steps 3 demo ||
        echo "not ok - demo in $precision on the emulated driver"
done
if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
    for fatbin in $(find layers -name '*.cu'); do
        if [ -s "build/${fatbin%.cu}.fatbin" ]; then echo "ok - $fatbin is compiled"; else echo "not ok - $fatbin is compiled: no build/${fatbin%.cu}.fatbin"; fi
    done
else
    echo "skip - CUDA code is compiled: there is no nvcc"
fi

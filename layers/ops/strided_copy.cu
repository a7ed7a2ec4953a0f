/* See strided_copy_cuda.h. */
#include "layers/ops/strided_copy_cuda.h"

#include "layers/device/kernel.cuh"

enum { THREADS = TN_STRIDED_COPY_THREADS };

TN_DEVICE float element(const tn_strided &s, size_t at) {
    return s.dtype == TN_BF16 ? tn_load((const tn_bf16 *)s.data + at)
                              : tn_load((const float *)s.data + at);
}

TN_KERNEL(tn_strided_copy, THREADS, tn_strided_copy_args a) {
    const size_t count = a.extent[0] * a.extent[1] * a.extent[2];
    const size_t grid = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += grid) {
        const size_t z = i % a.extent[2], y = i / a.extent[2] % a.extent[1];
        const size_t x = i / a.extent[2] / a.extent[1];
        const size_t to = x * a.to.step[0] + y * a.to.step[1] + z * a.to.step[2];
        const float value =
            element(a.from, x * a.from.step[0] + y * a.from.step[1] + z * a.from.step[2]);
        if (a.to.dtype == TN_BF16)
            tn_put((tn_bf16 *)a.to.data + to, value, a.add);
        else
            tn_put((float *)a.to.data + to, value, a.add);
    }
}

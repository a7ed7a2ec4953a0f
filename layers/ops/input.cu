/* Images of bytes on the GPU: see input.h. */
#include "layers/ops/input.h"

#include "layers/device/kernel.cuh"

enum { THREADS = TN_INPUT_THREADS, MOST = TN_INPUT_CHANNELS * TN_INPUT_VALUES };

struct lookup {
    float of[MOST];
};

TN_KERNEL(tn_input_widen_bytes, THREADS, tn_input_args a) {
    TN_SHARED(lookup, table);
    const unsigned channels = (unsigned)a.to.c;
    for (unsigned i = threadIdx.x; i < channels * TN_INPUT_VALUES; i += THREADS)
        table.of[i] = a.table[i];
    __syncthreads();
    const size_t count = tn_elements(&a.to), step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const size_t pixel = i / channels;
        const unsigned c = (unsigned)(i - pixel * channels);
        tn_set(a.to, pixel * a.to.pitch + c, table.of[c * TN_INPUT_VALUES + a.from[i]]);
    }
}

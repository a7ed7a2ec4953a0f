/* Concatenation of channels on the GPU: see gather.h. One launch for each input. */
#include "layers/ops/gather_cuda.h"

#include "layers/device/kernel.cuh"

enum { THREADS = TN_GATHER_THREADS };

TN_KERNEL(tn_gather_slice, THREADS, tn_gather_args a) {
    tn_each_element(a.to, [&](size_t pixel, int c) {
        const int from = c - a.first;
        const bool given = from >= 0 && from < a.from.c;
        if (a.add && !given) return;
        const float x = given ? tn_get(a.from, pixel * a.from.pitch + from) : 0;
        tn_give(a.to, pixel * a.to.pitch + c, x, a.add);
    });
}

/* The same for whole views of one dtype: 16 bytes at a time, which c and pitches count. */
TN_KERNEL(tn_gather_wide, THREADS, tn_gather_args a) {
    tn_each_element(a.to, [&](size_t pixel, int c) {
        ((uint4 *)a.to.data)[pixel * a.to.pitch + c] =
            ((const uint4 *)a.from.data)[pixel * a.from.pitch + c];
    });
}

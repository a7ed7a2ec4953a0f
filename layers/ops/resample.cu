/* Darknet's strided skip connection on the GPU: see resample.h. */
#include "layers/ops/resample_cuda.h"

#include "layers/device/kernel.cuh"
#include "layers/ops/resample.h"

enum { THREADS = TN_RESAMPLE_THREADS };

/* Forward, and backward with the two sides exchanged: each element looks for where it comes from.
 */
TN_KERNEL(tn_resample_bring, THREADS, tn_resample_args a) {
    const unsigned w = (unsigned)a.to.w, h = (unsigned)a.to.h;
    tn_each_element(a.to, [&](size_t pixel, int c) {
        const unsigned row = (unsigned)pixel / w;
        const int x = tn_resample_source((int)(pixel % w), a.to.w, a.from.w);
        const int y = tn_resample_source((int)(row % h), a.to.h, a.from.h);
        float value = 0;
        if (x >= 0 && y >= 0 && c < a.from.c) {
            const size_t at = ((size_t)(row / h) * a.from.h + y) * a.from.w + x;
            value = tn_mul(a.factor, tn_get(a.from, at * a.from.pitch + c));
        }
        tn_give(a.to, pixel * a.to.pitch + c, value, a.add);
    });
}

/* Dropout on the GPU: see dropout.h. The words are those of the processor, so the masks are too. */
#include "layers/ops/dropout_cuda.h"

#include "layers/device/map.cuh"
#include "layers/device/rng.h"

/* word[which], without an address: the words stay in registers. */
TN_DEVICE uint32_t pick(const uint32_t word[4], size_t which) {
    const uint32_t low = which & 1 ? word[1] : word[0], high = which & 1 ? word[3] : word[2];
    return which & 2 ? high : low;
}

/* Threads over channels and runs of pixels within a sample. Elements of a run are neighbours in
 * c,h,w order, so that they share one block of four words, or two. */
TN_KERNEL(tn_dropout_move, TN_DROPOUT_THREADS, tn_dropout_args a) {
    const unsigned area = (unsigned)a.from.h * (unsigned)a.from.w;
    const unsigned runs = (area + TN_DROPOUT_RUN - 1) / TN_DROPOUT_RUN;
    const unsigned all = (unsigned)a.from.n * runs;
    const int c = tn_map_channel<1>();
    if (c >= a.from.c) return;
    for (unsigned i = tn_map_pixel(); i < all; i += tn_map_step()) {
        const unsigned n = i / runs, begin = i % runs * TN_DROPOUT_RUN;
        uint32_t word[4] = {0, 0, 0, 0}, block = 0;
        bool has = false;
        for (unsigned p = begin; p < begin + TN_DROPOUT_RUN && p < area; p++) {
            const size_t pixel = (size_t)n * area + p, element = (size_t)c * area + p;
            float x = tn_get(a.from, pixel * a.from.pitch + c);
            if (a.drops && (!has || block != (uint32_t)(element / 4))) {
                block = (uint32_t)(element / 4);
                has = true;
                const uint32_t counter[4] = {block, a.stream.sample + n, a.stream.layer,
                                             a.stream.step};
                tn_philox(a.stream.key, counter, word);
            }
            if (a.drops) {
                const bool kept = pick(word, element % 4) >= a.stream.threshold;
                x = kept ? tn_mul(x, a.scale) : 0;
            }
            tn_give(a.to, pixel * a.to.pitch + c, x, a.add);
        }
    }
}

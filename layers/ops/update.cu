#include "layers/ops/update.h"

#include "layers/device/kernel.cuh"

/* nvcc would join products and sums; the processor's loops do not: tn_mul, tn_add. */
TN_DEVICE void update_sgd(const tn_update_row &r, uint64_t i) {
    const float w = r.value[i], g = tn_mul(r.grad_scale, r.grad[i]);
    const float u = tn_add(tn_mul(r.k.momentum, r.first[i]), tn_add(g, tn_mul(r.k.l2, w)));
    r.first[i] = u;
    r.value[i] = tn_add(w, -tn_mul(r.k.rate, u));
}

TN_DEVICE void update_adam(const tn_update_row &r, uint64_t i) {
    const tn_update_rates &k = r.k;
    const float w = r.value[i], old = tn_add(w, -tn_mul(k.shrink, w));
    const float d = tn_add(tn_mul(r.grad_scale, r.grad[i]), tn_mul(k.l2, old));
    const float m = tn_add(tn_mul(k.b1, r.first[i]), tn_mul(k.one_b1, d));
    const float v = tn_add(tn_mul(k.b2, r.second[i]), tn_mul(k.one_b2, tn_mul(d, d)));
    r.first[i] = m;
    r.second[i] = v;
    r.value[i] = tn_add(
        old, -tn_divide(tn_mul(k.rate, m), tn_add(tn_mul(tn_root(v), k.root_correction), k.eps)));
}

/* Block (x, y): the xth chunk of row y. */
TN_KERNEL(tn_update_tensors, TN_UPDATE_THREADS, tn_update_args a) {
    const tn_update_row r = a.row[blockIdx.y];
    const uint64_t begin = (uint64_t)blockIdx.x * TN_UPDATE_CHUNK;
    const uint64_t end = begin + TN_UPDATE_CHUNK < r.count ? begin + TN_UPDATE_CHUNK : r.count;
    for (uint64_t i = begin + threadIdx.x; i < end; i += TN_UPDATE_THREADS) {
        if (!r.frozen && a.adam) update_adam(r, i);
        if (!r.frozen && !a.adam) update_sgd(r, i);
        r.grad[i] = 0;
    }
}

TN_KERNEL(tn_update_find_non_finite, TN_UPDATE_THREADS, tn_update_args a) {
    const tn_update_row r = a.row[blockIdx.y];
    const uint64_t begin = (uint64_t)blockIdx.x * TN_UPDATE_CHUNK;
    const uint64_t end = begin + TN_UPDATE_CHUNK < r.count ? begin + TN_UPDATE_CHUNK : r.count;
    bool bad = false;
    for (uint64_t i = begin + threadIdx.x; i < end; i += TN_UPDATE_THREADS)
        bad |= !(r.grad[i] - r.grad[i] == 0);
    if (bad) a.found[blockIdx.y] = 1; /* whoever comes: all write the same */
}

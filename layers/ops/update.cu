#include "layers/ops/update.h"

#ifndef TN_EMULATE
#define TN_DEVICE static __device__ __forceinline__
#define TN_KERNEL(name, threads, ...)                                                              \
    extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)
#endif

/* nvcc would join products and sums; the processor's loops do not. */
#ifdef TN_EMULATE
TN_DEVICE float mul(float a, float b) {
    return a * b;
}
TN_DEVICE float add(float a, float b) {
    return a + b;
}
TN_DEVICE float divide(float a, float b) {
    return a / b;
}
TN_DEVICE float root(float a) {
    return sqrtf(a);
}
#else
TN_DEVICE float mul(float a, float b) {
    return __fmul_rn(a, b);
}
TN_DEVICE float add(float a, float b) {
    return __fadd_rn(a, b);
}
TN_DEVICE float divide(float a, float b) {
    return __fdiv_rn(a, b);
}
TN_DEVICE float root(float a) {
    return __fsqrt_rn(a);
}
#endif

TN_DEVICE void update_sgd(const tn_update_row &r, uint64_t i) {
    const float w = r.value[i];
    const float u = add(mul(r.k.momentum, r.first[i]), add(r.grad[i], mul(r.k.l2, w)));
    r.first[i] = u;
    r.value[i] = add(w, -mul(r.k.rate, u));
}

TN_DEVICE void update_adam(const tn_update_row &r, uint64_t i) {
    const tn_update_rates &k = r.k;
    const float w = r.value[i], old = add(w, -mul(k.shrink, w));
    const float d = add(r.grad[i], mul(k.l2, old));
    const float m = add(mul(k.b1, r.first[i]), mul(k.one_b1, d));
    const float v = add(mul(k.b2, r.second[i]), mul(k.one_b2, mul(d, d)));
    r.first[i] = m;
    r.second[i] = v;
    r.value[i] = add(old, -divide(mul(k.rate, m), add(mul(root(v), k.root_correction), k.eps)));
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

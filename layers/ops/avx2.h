/* What the AVX2 kernels share: vectors of eight channels, the last of a pixel masked. Included by
 * _avx2.c files alone. */
#ifndef TN_OPS_AVX2_H
#define TN_OPS_AVX2_H

#include "layers/ops/share.h"
#include "layers/ops/streams.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TN_LANES = 8 };

static inline bool tn_has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* Channels rounded up to whole vectors: the length of rows that belong to a kernel. */
static inline size_t tn_padded(int channels) {
    return ((size_t)channels + TN_LANES - 1) / TN_LANES * TN_LANES;
}

/* Mask of the lanes that exist from channel c on. */
static inline __m256i tn_lanes(int c, int channels) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(channels - c), lane);
}

/* `whole` is a constant where these are inlined: all eight lanes exist. */
static inline __m256 tn_load(const float *from, bool whole, __m256i lanes) {
    return whole ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, lanes);
}

static inline void tn_store(float *to, __m256 v, bool whole, __m256i lanes) {
    if (whole)
        _mm256_storeu_ps(to, v);
    else
        _mm256_maskstore_ps(to, lanes, v);
}

static inline bool tn_streams(const tn_tensor *to) {
    return tn_may_stream(to, TN_LANES);
}

#endif

/* What kernels need who go over the channels of a pixel with tn_vectors: a last vector that is not
 * whole, and a bit for each lane. Values in memory are floats, or with TN_VECTOR_BF16 of bf16,
 * which a load widens and a store rounds; registers hold floats. */
#ifndef TN_OPS_VECTOR_ROWS_H
#define TN_OPS_VECTOR_ROWS_H

#include "layers/device/cpu.h"
#include "layers/ops/elements.h"
#include "layers/ops/share.h"
#include "layers/ops/streams.h"
#include "layers/ops/vector.h"

#ifdef TN_VECTOR_BF16
#include "layers/ops/bf16_avx512.h"
#endif

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Channels rounded up to whole vectors: the length of rows that belong to a kernel. */
static inline size_t tn_row_padded(int channels) {
    return ((size_t)channels + TN_VECTOR - 1) / TN_VECTOR * TN_VECTOR;
}

#ifdef __AVX512F__

/* Which lanes exist, and which are chosen. */
typedef __mmask16 tn_lane_set, tn_vector_mask;

/* The lanes that exist from channel c on. */
TN_INLINE_ALWAYS tn_lane_set tn_row_lanes(int c, int channels) {
    return channels - c >= TN_VECTOR ? (tn_lane_set)0xffff
                                     : (tn_lane_set)((1u << (channels - c)) - 1);
}
TN_INLINE_ALWAYS tn_vector tn_vector_mul(tn_vector a, tn_vector b) {
    return _mm512_mul_ps(a, b);
}
/* a > 0 ? a : 0, and NaN where a is. */
TN_INLINE_ALWAYS tn_vector tn_vector_relu(tn_vector a) {
    return _mm512_max_ps(_mm512_setzero_ps(), a);
}
TN_INLINE_ALWAYS tn_vector_mask tn_vector_above_zero(tn_vector a) {
    return _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GT_OQ);
}
/* where the mask is set a, else 0, or else b */
TN_INLINE_ALWAYS tn_vector tn_vector_keep(tn_vector_mask m, tn_vector a) {
    return _mm512_maskz_mov_ps(m, a);
}
TN_INLINE_ALWAYS tn_vector tn_vector_choose(tn_vector_mask m, tn_vector a, tn_vector b) {
    return _mm512_mask_mov_ps(b, m, a);
}
/* Bit i of the bytes is lane i. */
TN_INLINE_ALWAYS void tn_vector_mask_store(uint8_t *to, tn_vector_mask m) {
    const uint16_t bits = (uint16_t)m;
    memcpy(to, &bits, sizeof bits);
}
TN_INLINE_ALWAYS tn_vector_mask tn_vector_mask_load(const uint8_t *from) {
    uint16_t bits;
    memcpy(&bits, from, sizeof bits);
    return (tn_vector_mask)bits;
}

#else

typedef __m256i tn_lane_set;
typedef __m256 tn_vector_mask;

TN_INLINE_ALWAYS tn_lane_set tn_row_lanes(int c, int channels) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(channels - c), lane);
}
TN_INLINE_ALWAYS tn_vector tn_vector_mul(tn_vector a, tn_vector b) {
    return _mm256_mul_ps(a, b);
}
TN_INLINE_ALWAYS tn_vector tn_vector_relu(tn_vector a) {
    return _mm256_max_ps(_mm256_setzero_ps(), a); /* in this order NaN is kept */
}
TN_INLINE_ALWAYS tn_vector_mask tn_vector_above_zero(tn_vector a) {
    return _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ);
}
TN_INLINE_ALWAYS tn_vector tn_vector_keep(tn_vector_mask m, tn_vector a) {
    return _mm256_and_ps(m, a);
}
TN_INLINE_ALWAYS tn_vector tn_vector_choose(tn_vector_mask m, tn_vector a, tn_vector b) {
    return _mm256_blendv_ps(b, a, m);
}
TN_INLINE_ALWAYS void tn_vector_mask_store(uint8_t *to, tn_vector_mask m) {
    *to = (uint8_t)_mm256_movemask_ps(m);
}
TN_INLINE_ALWAYS tn_vector_mask tn_vector_mask_load(const uint8_t *from) {
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i set = _mm256_and_si256(_mm256_set1_epi32(*from), bit);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, bit));
}

#endif

/* ---- values in memory ----
 *
 * `whole` is a constant where these are inlined: all lanes exist. The others are read as 0, and not
 * written. A stream goes around the caches: see tn_vector_stream. */

#ifdef TN_VECTOR_BF16

enum { TN_ROW_IS_BF16 = 1 };
typedef tn_bf16 tn_row_value;

static inline bool tn_row_serves(const tn_op_run *r) {
    return tn_vector_runs() && tn_cpu_has_bf16() && tn_halves_alone(r);
}
static inline bool tn_row_streams(const tn_tensor *to) {
    return tn_halves_may_stream(to);
}
TN_INLINE_ALWAYS tn_row_value *tn_row_at(const tn_tensor *t, size_t pixel) {
    return tn_halves_pixel(t, pixel);
}
TN_INLINE_ALWAYS float tn_row_one(const tn_row_value *from) {
    return tn_bf16_to_float(*from);
}
TN_INLINE_ALWAYS tn_vector tn_row_load(const tn_row_value *from, bool whole, tn_lane_set lanes) {
    return tn_halves_load(from, whole, lanes);
}
TN_INLINE_ALWAYS void tn_row_store(tn_row_value *to, tn_vector v, bool whole, tn_lane_set lanes) {
    tn_halves_store(to, v, whole, lanes);
}
TN_INLINE_ALWAYS void tn_row_stream(tn_row_value *to, tn_vector v) {
    tn_halves_stream(to, v);
}

#else

enum { TN_ROW_IS_BF16 = 0 };
typedef float tn_row_value;

/* Whether these vectors can serve an op's run here. */
static inline bool tn_row_serves(const tn_op_run *r) {
    (void)r; /* all of fp32: kernels that do not take bf16 are shown nothing else */
    return tn_vector_runs();
}
static inline bool tn_row_streams(const tn_tensor *to) {
    return tn_may_stream(to, TN_VECTOR);
}
/* Channels of pixel `pixel`, counted through the whole batch. */
TN_INLINE_ALWAYS tn_row_value *tn_row_at(const tn_tensor *t, size_t pixel) {
    return tn_pixel(t, pixel);
}
TN_INLINE_ALWAYS float tn_row_one(const tn_row_value *from) {
    return *from;
}
TN_INLINE_ALWAYS void tn_row_stream(tn_row_value *to, tn_vector v) {
    tn_vector_stream(to, v);
}

#ifdef __AVX512F__
TN_INLINE_ALWAYS tn_vector tn_row_load(const tn_row_value *from, bool whole, tn_lane_set lanes) {
    return whole ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(lanes, from);
}
TN_INLINE_ALWAYS void tn_row_store(tn_row_value *to, tn_vector v, bool whole, tn_lane_set lanes) {
    if (whole)
        _mm512_storeu_ps(to, v);
    else
        _mm512_mask_storeu_ps(to, lanes, v);
}
#else
TN_INLINE_ALWAYS tn_vector tn_row_load(const tn_row_value *from, bool whole, tn_lane_set lanes) {
    return whole ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, lanes);
}
TN_INLINE_ALWAYS void tn_row_store(tn_row_value *to, tn_vector v, bool whole, tn_lane_set lanes) {
    if (whole)
        _mm256_storeu_ps(to, v);
    else
        _mm256_maskstore_ps(to, lanes, v);
}
#endif
#endif

/* Asks for what a sweep will read soon: loads of whole lines leave too little in flight without. */
TN_INLINE_ALWAYS void tn_row_ahead(const tn_row_value *from) {
    enum { AHEAD = 2048 };
    _mm_prefetch((const char *)((uintptr_t)from + AHEAD), _MM_HINT_T0);
}

#endif

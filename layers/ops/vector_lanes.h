/* Lanes of a vector (vector.h) moved about, and vectors of which only the first lanes count. */
#ifndef TN_OPS_VECTOR_LANES_H
#define TN_OPS_VECTOR_LANES_H

#include "layers/ops/vector.h"

#include <stdint.h>

#ifdef __AVX512F__

typedef __m512i tn_lanes;
typedef __mmask16 tn_lane_set;

TN_INLINE_ALWAYS tn_lanes tn_lanes_load(const int32_t *from) {
    return _mm512_loadu_si512(from);
}
/* Lane l is v's lane from[l], modulo their number. */
TN_INLINE_ALWAYS tn_vector tn_vector_permute(tn_vector v, tn_lanes from) {
    return _mm512_permutexvar_ps(from, v);
}
/* The first `lanes` lanes. */
static inline tn_lane_set tn_lanes_first(int lanes) {
    return (tn_lane_set)((1u << lanes) - 1);
}
TN_INLINE_ALWAYS tn_vector tn_vector_load_part(const float *from, tn_lane_set lanes) {
    return _mm512_maskz_loadu_ps(lanes, from);
}
TN_INLINE_ALWAYS void tn_vector_store_part(float *to, tn_lane_set lanes, tn_vector v) {
    _mm512_mask_storeu_ps(to, lanes, v);
}

#else

typedef __m256i tn_lanes, tn_lane_set;

TN_INLINE_ALWAYS tn_lanes tn_lanes_load(const int32_t *from) {
    return _mm256_loadu_si256((const __m256i *)from);
}
/* Lane l is v's lane from[l], modulo their number. */
TN_INLINE_ALWAYS tn_vector tn_vector_permute(tn_vector v, tn_lanes from) {
    return _mm256_permutevar8x32_ps(v, from);
}
/* The first `lanes` lanes. */
static inline tn_lane_set tn_lanes_first(int lanes) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
TN_INLINE_ALWAYS tn_vector tn_vector_load_part(const float *from, tn_lane_set lanes) {
    return _mm256_maskload_ps(from, lanes);
}
TN_INLINE_ALWAYS void tn_vector_store_part(float *to, tn_lane_set lanes, tn_vector v) {
    _mm256_maskstore_ps(to, lanes, v);
}

#endif
#endif

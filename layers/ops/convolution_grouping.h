/* How the channels of a grouped convolution lie in registers of 8 floats, for the AVX2 kernels.
 *
 * A block is 8 neighbouring channels of what a pass makes (out in forward, din in backward data).
 * Where groups have 1, 2 or 4 channels on both sides, 8, 4 or 2 whole groups fill a block, and a
 * permutation within the 8 channels read hands every lane a channel of its own group. Otherwise a
 * block lies within one group, the last one perhaps not full, and every channel that the group
 * reads is broadcast to all lanes. */
#ifndef TN_OPS_CONVOLUTION_GROUPING_H
#define TN_OPS_CONVOLUTION_GROUPING_H

#include "layers/ops/convolution.h"

#include <immintrin.h>

enum { TN_LANES = 8 };

/* The number is how many channels a group reads; TN_SPREAD_ANY: broadcast. */
typedef enum tn_spread {
    TN_SPREAD_ANY = 0,
    TN_SPREAD_1 = 1,
    TN_SPREAD_2 = 2,
    TN_SPREAD_4 = 4
} tn_spread;

typedef struct tn_grouping {
    tn_spread spread;
    int groups, read, made; /* channels of one group */
    int blocks;             /* of all groups together */
} tn_grouping;

typedef struct tn_block {
    int made_at, lanes; /* first channel made and how many */
    int read_at;        /* first channel read */
} tn_block;

static inline tn_grouping tn_grouping_of(int groups, int read, int made) {
    tn_grouping g = {TN_SPREAD_ANY, groups, read, made, 0};
    if (read == made && (read == 1 || read == 2 || read == 4) && groups * read % TN_LANES == 0)
        g.spread = (tn_spread)read;
    g.blocks = g.spread ? groups * made / TN_LANES : groups * ((made + TN_LANES - 1) / TN_LANES);
    return g;
}

static inline tn_block tn_grouping_block(const tn_grouping *g, int index) {
    if (g->spread) return (tn_block){index * TN_LANES, TN_LANES, index * TN_LANES};
    const int per_group = g->blocks / g->groups;
    const int group = index / per_group, within = index % per_group * TN_LANES;
    const int left = g->made - within;
    return (tn_block){group * g->made + within, left < TN_LANES ? left : TN_LANES, group * g->read};
}

#if defined(__GNUC__)
#define TN_INLINE static inline __attribute__((always_inline))
#else
#define TN_INLINE static inline
#endif

/* Channel i of each lane's group, of the pixel whose block starts at p. Constants choose. */
TN_INLINE __m256 tn_spread_channel(const float *p, tn_spread spread, int i) {
    switch (spread) {
    case TN_SPREAD_1:
        return _mm256_loadu_ps(p);
    case TN_SPREAD_2:
        return i == 0 ? _mm256_moveldup_ps(_mm256_loadu_ps(p))
                      : _mm256_movehdup_ps(_mm256_loadu_ps(p));
    case TN_SPREAD_4:
        switch (i) {
        case 0:
            return _mm256_permute_ps(_mm256_loadu_ps(p), 0x00);
        case 1:
            return _mm256_permute_ps(_mm256_loadu_ps(p), 0x55);
        case 2:
            return _mm256_permute_ps(_mm256_loadu_ps(p), 0xAA);
        default:
            return _mm256_permute_ps(_mm256_loadu_ps(p), 0xFF);
        }
    default:
        return _mm256_broadcast_ss(p + i);
    }
}

/* All bits set in the first `lanes` lanes. */
static inline __m256i tn_lane_mask(int lanes) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline bool tn_cpu_has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#endif

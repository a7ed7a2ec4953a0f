/* The inner product of bf16 convolution in registers. Included by convolution_bf16_avx512.c alone.
 */
#ifndef TN_OPS_CONVOLUTION_BF16_TILE_H
#define TN_OPS_CONVOLUTION_BF16_TILE_H

#include "layers/ops/bf16_avx512.h"
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/dense_slab.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PHASES = 4, ROWS = 12, SLAB_BYTES = 192 << 10, LEAST_POSITIONS = 48, LINE = 64 };

/* Part of a sum: `depth` pairs in a row, from `at` on, relative to a window's own place. */
typedef struct piece {
    ptrdiff_t at, depth;
} piece;

typedef struct tile {
    const char *read[ROWS];
    tn_bf16 *made[ROWS];
    const piece *piece;
    int pieces, lanes;
    const uint32_t *weights; /* (depth of all pieces, lanes) */
    __mmask16 mask[2];
    bool add, streams;
    ptrdiff_t ahead; /* from what is read to what the next unit reads; 0: it is copied first */
    int from_line, to_line; /* of its rows, fetched meanwhile */
} tile;

TN_INLINE_HALVES __m512bh spread(const char *pair) {
    int bits;
    memcpy(&bits, pair, sizeof bits);
    return (__m512bh)_mm512_set1_epi32(bits);
}

TN_INLINE_HALVES __m512bh weights(const uint32_t *from) {
    return (__m512bh)_mm512_loadu_si512(from);
}

TN_INLINE_HALVES void put(const tile *t, __m512 (*sum)[2], int rows, int vectors) {
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            tn_bf16 *to = t->made[i] + v * TN_HALVES;
            const __mmask16 mask = t->mask[v];
            const bool whole = mask == 0xFFFF;
            __m512 made = sum[i][v];
            if (t->add) made = _mm512_add_ps(made, tn_halves_load(to, whole, mask));
            if (t->streams)
                tn_halves_stream(to, made);
            else
                tn_halves_store(to, made, whole, mask);
        }
}

/* rows, vectors and lanes are constants where this is inlined. */
TN_INLINE_HALVES void make_tile(const tile *t, int rows, int vectors, int lanes) {
    __m512 sum[ROWS][2];
    const uint32_t *w = t->weights;
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    if (!t->streams) /* what is made is in place when the sums are */
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) _mm_prefetch((const char *)t->made[i], _MM_HINT_T0);
    for (int l = t->from_line; l < t->to_line; l++)
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++)
            _mm_prefetch(t->read[i] + t->ahead + (ptrdiff_t)l * LINE, _MM_HINT_T1);
    for (int q = 0; q < t->pieces; q++) {
        const ptrdiff_t at = t->piece[q].at * 4, end = at + t->piece[q].depth * 4;
        for (ptrdiff_t d = at; d < end; d += 4, w += lanes) {
            const __m512bh w0 = weights(w), w1 = vectors > 1 ? weights(w + TN_HALVES) : w0;
#pragma GCC unroll 12
            for (int i = 0; i < rows; i++) {
                const __m512bh x = spread(t->read[i] + d);
                sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, w0);
                if (vectors > 1) sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, w1);
            }
        }
    }
    put(t, sum, rows, vectors);
}

typedef void (*tile_function)(const tile *t);

#define TILE(rows, vectors, lanes)                                                                 \
    static void tile_##rows##_##vectors##_##lanes(const tile *t) {                                 \
        make_tile(t, rows, vectors, lanes);                                                        \
    }
#define TILES(rows) TILE(rows, 1, 16) TILE(rows, 1, 32) TILE(rows, 2, 32)
/* clang-format off: it takes the macros for types. */
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
#define ALL(rows)                                                                                  \
    { tile_##rows##_1_16, tile_##rows##_1_32, tile_##rows##_2_32 }
static const tile_function tile_table[ROWS][3] = {
    ALL(1), ALL(2), ALL(3), ALL(4),  ALL(5),  ALL(6),
    ALL(7), ALL(8), ALL(9), ALL(10), ALL(11), ALL(12),
};
/* clang-format on */

#endif

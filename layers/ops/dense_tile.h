/* The inner product that dense convolutions and their input gradients come down to, in registers.
 *
 * dense tile:  made[row][lane] (+)= sum over d of read[row][d] * weights[d][lane]
 *
 * A tile is up to TN_TILE_ROWS rows by a panel of TN_PANEL lanes, two vectors: the sums and one
 * pair of vectors fill the registers, and each step is one FMA a sum, with fewer loads than the
 * processor does beside them. Panels of weights are zero beyond the last filter. */
#ifndef TN_OPS_DENSE_TILE_H
#define TN_OPS_DENSE_TILE_H

#include "layers/ops/vector.h"

#include <stddef.h>

#ifdef __AVX512F__
#define TN_TILE_MOST_ROWS 8
#else
#define TN_TILE_MOST_ROWS 6
#endif

enum { TN_PANEL = 2 * TN_VECTOR, TN_TILE_ROWS = TN_TILE_MOST_ROWS };

/* Part of a sum: `depth` floats in a row, from `at` on, relative to a row's own place. */
typedef struct tn_tile_piece {
    ptrdiff_t at;
    ptrdiff_t depth;
} tn_tile_piece;

typedef struct tn_dense_tile {
    const float *read[TN_TILE_ROWS];
    float *made[TN_TILE_ROWS];
    const tn_tile_piece *piece;
    int pieces;
    const float *weights; /* (depth of all pieces, TN_PANEL) */
    ptrdiff_t ahead;      /* from here to what the next tile reads */
    const float *next;    /* weights of the next panel, as much as this tile fetches ahead */
    bool add;             /* to what made holds */
    bool streams;         /* made is aligned and nobody reads it soon */
} tn_dense_tile;

/* One step along the depth. rows and vectors are constants where these are inlined. */
TN_INLINE_ALWAYS void tn_dense_step(tn_vector (*sum)[2], const float *const *from, ptrdiff_t d,
                                    const float *w, int rows, int vectors) {
    const tn_vector w0 = tn_vector_load(w);
    const tn_vector w1 = vectors > 1 ? tn_vector_load(w + TN_VECTOR) : w0;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        const tn_vector x = tn_vector_all(from[i][d]);
        sum[i][0] = tn_vector_fma(x, w0, sum[i][0]);
        if (vectors > 1) sum[i][1] = tn_vector_fma(x, w1, sum[i][1]);
    }
}

TN_INLINE_ALWAYS void tn_dense_put(const tn_dense_tile *t, tn_vector (*sum)[2], int rows,
                                   int vectors) {
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *to = t->made[i] + v * TN_VECTOR;
            if (t->add)
                tn_vector_store(to, tn_vector_add(sum[i][v], tn_vector_load(to)));
            else if (t->streams)
                tn_vector_stream(to, sum[i][v]);
            else
                tn_vector_store(to, sum[i][v]);
        }
}

TN_INLINE_ALWAYS void tn_dense_tile_make(const tn_dense_tile *t, int rows, int vectors) {
    enum { LINE = 16 }; /* floats of a cache line */
    tn_vector sum[TN_TILE_ROWS][2];
    const float *w = t->weights;
    const float *next = t->next;
    const ptrdiff_t ahead = t->ahead;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = tn_vector_zero();
    if (!t->streams) /* what is made is in place when the sums are */
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) _mm_prefetch((const char *)t->made[i], _MM_HINT_T0);
    for (int q = 0; q < t->pieces; q++) {
        const ptrdiff_t depth = t->piece[q].depth;
        const float *from[TN_TILE_ROWS];
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) from[i] = t->read[i] + t->piece[q].at;
        ptrdiff_t d = 0;
        for (; d + LINE <= depth; d += LINE) {
            _mm_prefetch((const char *)next, _MM_HINT_T1);
            next += LINE;
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++)
                _mm_prefetch((const char *)(from[i] + d + ahead), _MM_HINT_T0);
#pragma GCC unroll 4
            for (int e = 0; e < LINE; e++, w += TN_PANEL)
                tn_dense_step(sum, from, d + e, w, rows, vectors);
        }
        for (; d < depth; d++, w += TN_PANEL) tn_dense_step(sum, from, d, w, rows, vectors);
    }
    tn_dense_put(t, sum, rows, vectors);
}

#endif

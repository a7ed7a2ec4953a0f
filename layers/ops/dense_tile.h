/* The two inner products that dense convolutions come down to, in registers.
 *
 * dense tile:  made[row][lane] (+)= sum over d of read[row][d] * weights[d][lane]
 * outer tile:  made[row][lane]  += sum over pixels of delta[pixel][row] * read[pixel][lane]
 *
 * A tile is up to TN_TILE_ROWS rows by a panel of TN_PANEL lanes, two vectors: the sums and one
 * pair of vectors fill the registers, and each step of either product is one FMA a sum, with fewer
 * loads than the processor does beside them. Panels of weights are zero beyond the last filter. */
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

/* Output pixels in rows of equal length. delta lies packed, TN_TILE_ROWS floats a pixel; what the
 * pixels read is `step` floats apart, `row_step` from the first of one row to the next's. */
typedef struct tn_outer_tile {
    const float *delta, *read;
    ptrdiff_t step, row_step, image_step;
    int images, rows, width; /* of pixels */
    float *made;             /* (TN_TILE_ROWS, TN_PANEL) */
} tn_outer_tile;

TN_INLINE_ALWAYS void tn_outer_step(tn_vector (*sum)[2], const float *delta, const float *x,
                                    int rows, int vectors) {
    const tn_vector x0 = tn_vector_load(x);
    const tn_vector x1 = vectors > 1 ? tn_vector_load(x + TN_VECTOR) : x0;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        const tn_vector d = tn_vector_all(delta[i]);
        sum[i][0] = tn_vector_fma(d, x0, sum[i][0]);
        if (vectors > 1) sum[i][1] = tn_vector_fma(d, x1, sum[i][1]);
    }
}

TN_INLINE_ALWAYS void tn_outer_tile_make(const tn_outer_tile *t, int rows, int vectors) {
    tn_vector sum[TN_TILE_ROWS][2];
    const float *delta = t->delta;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = tn_vector_load(t->made + i * TN_PANEL + v * TN_VECTOR);
    for (int n = 0; n < t->images; n++)
        for (int y = 0; y < t->rows; y++) {
            const float *x = t->read + n * t->image_step + y * t->row_step;
            const float *const end = delta + (ptrdiff_t)t->width * TN_TILE_ROWS;
#pragma GCC unroll 4
            for (; delta < end; delta += TN_TILE_ROWS, x += t->step)
                tn_outer_step(sum, delta, x, rows, vectors);
        }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            tn_vector_store(t->made + i * TN_PANEL + v * TN_VECTOR, sum[i][v]);
}

#endif

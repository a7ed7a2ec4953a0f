/* The inner product that weight gradients come down to, in registers.
 *
 * outer tile:  made[row][lane] += sum over pixels of delta[pixel][row] * read[pixel][lane]
 *
 * A tile is up to TN_OUTER_ROWS rows by a panel of TN_OUTER_PANEL lanes, two vectors: the sums and
 * one pair of vectors fill the registers, and each step is one FMA a sum, with fewer loads than the
 * processor does beside them. */
#ifndef TN_OPS_OUTER_TILE_H
#define TN_OPS_OUTER_TILE_H

#include "layers/ops/vector.h"

#include <stddef.h>

#ifdef __AVX512F__
#define TN_OUTER_MOST_ROWS 8
#else
#define TN_OUTER_MOST_ROWS 6
#endif

enum { TN_OUTER_PANEL = 2 * TN_VECTOR, TN_OUTER_ROWS = TN_OUTER_MOST_ROWS };

/* Output pixels in rows of equal length. delta lies packed, TN_OUTER_ROWS floats a pixel; what the
 * pixels read is `step` floats apart, `row_step` from the first of one row to the next's. */
typedef struct tn_outer_tile {
    const float *delta, *read;
    ptrdiff_t step, row_step, image_step;
    int images, rows, width; /* of pixels */
    float *made;             /* (TN_OUTER_ROWS, TN_OUTER_PANEL) */
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
    tn_vector sum[TN_OUTER_ROWS][2];
    const float *delta = t->delta;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = tn_vector_load(t->made + i * TN_OUTER_PANEL + v * TN_VECTOR);
    for (int n = 0; n < t->images; n++)
        for (int y = 0; y < t->rows; y++) {
            const float *x = t->read + n * t->image_step + y * t->row_step;
            const float *const end = delta + (ptrdiff_t)t->width * TN_OUTER_ROWS;
#pragma GCC unroll 4
            for (; delta < end; delta += TN_OUTER_ROWS, x += t->step)
                tn_outer_step(sum, delta, x, rows, vectors);
        }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            tn_vector_store(t->made + i * TN_OUTER_PANEL + v * TN_VECTOR, sum[i][v]);
}

#endif

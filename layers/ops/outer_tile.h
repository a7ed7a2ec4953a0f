/* The inner product that weight gradients come down to, in registers.
 *
 * outer tile:  made[row][lane] += sum over pixels of delta[pixel][row] * read[pixel][lane]
 *
 * A tile is some rows by one to three vectors of lanes: the sums, the vectors read and one value of
 * delta fill the registers, and each step is one FMA a sum, with fewer loads than the processor
 * does beside them. */
#ifndef TN_OPS_OUTER_TILE_H
#define TN_OPS_OUTER_TILE_H

#include "layers/ops/vector.h"

#include <stddef.h>

/* Rows of a tile of up to two vectors, and of one of three. */
#ifdef __AVX512F__
#define TN_OUTER_MOST_ROWS 14
#else
#define TN_OUTER_MOST_ROWS 6
#endif

enum {
    TN_OUTER_ROWS = TN_OUTER_MOST_ROWS,
    TN_OUTER_ROWS_OF_3 = 8, /* where there are registers for it: AVX-512 */
    TN_OUTER_PANEL = 2 * TN_VECTOR,
    TN_OUTER_FLOATS = TN_OUTER_ROWS * TN_OUTER_PANEL, /* room for any tile */
};

/* Output pixels in rows of equal length, rows and images of them. What one pixel reads is `vectors`
 * vectors, vector_step floats apart. Neighbouring pixels read what is `step` floats apart; row_step
 * and image_step lead from the first of a row, or image, to the next one's. delta goes on from
 * pixel to pixel, delta_step floats each time. */
typedef struct tn_outer_tile {
    const float *delta, *read;
    ptrdiff_t delta_step, step, row_step, image_step, vector_step;
    int images, rows, width;
    float *made; /* (rows of the tile, vectors, TN_VECTOR) */
    bool first;  /* made holds nothing yet */
    /* A line for each pixel is fetched into the second-level cache; steps in bytes. */
    const char *ahead;
    ptrdiff_t ahead_step, ahead_row_step, ahead_image_step;
} tn_outer_tile;

/* One value in all lanes of a register: said outright, or compilers load it again for each FMA. */
TN_INLINE_ALWAYS tn_vector tn_outer_all(const float *x) {
    tn_vector v = tn_vector_all(*x);
    __asm__("" : "+v"(v));
    return v;
}

TN_INLINE_ALWAYS void tn_outer_step(tn_vector (*sum)[3], const float *delta, const float *x,
                                    ptrdiff_t vector_step, int rows, int vectors) {
    const tn_vector x0 = tn_vector_load(x);
    const tn_vector x1 = vectors > 1 ? tn_vector_load(x + vector_step) : x0;
    const tn_vector x2 = vectors > 2 ? tn_vector_load(x + 2 * vector_step) : x0;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        const tn_vector d = tn_outer_all(delta + i);
        sum[i][0] = tn_vector_fma(d, x0, sum[i][0]);
        if (vectors > 1) sum[i][1] = tn_vector_fma(d, x1, sum[i][1]);
        if (vectors > 2) sum[i][2] = tn_vector_fma(d, x2, sum[i][2]);
    }
}

TN_INLINE_ALWAYS void tn_outer_tile_make(const tn_outer_tile *t, int rows, int vectors) {
    tn_vector sum[TN_OUTER_ROWS][3];
    const float *delta = t->delta;
    const ptrdiff_t delta_step = t->delta_step, step = t->step, ahead_step = t->ahead_step;
    const ptrdiff_t vector_step = t->vector_step;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) sum[i][v] = tn_vector_zero();
    if (!t->first)
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sum[i][v] = tn_vector_load(t->made + (i * vectors + v) * TN_VECTOR);
    for (int n = 0; n < t->images; n++)
        for (int y = 0; y < t->rows; y++) {
            const float *x = t->read + n * t->image_step + y * t->row_step;
            const char *ahead = t->ahead + n * t->ahead_image_step + y * t->ahead_row_step;
            for (int left = t->width; left > 0; left--) {
                tn_outer_step(sum, delta, x, vector_step, rows, vectors);
                _mm_prefetch(ahead, _MM_HINT_T1);
                delta += delta_step;
                x += step;
                ahead += ahead_step;
            }
        }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            tn_vector_store(t->made + (i * vectors + v) * TN_VECTOR, sum[i][v]);
}

#endif

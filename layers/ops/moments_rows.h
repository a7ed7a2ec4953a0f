/* Mean and centred sum of squares of channels, gathered block by block: in double of all pixels
 * seen, in float of the block in hand. Over vector_rows.h; for whoever sweeps a map, or makes one.
 */
#ifndef TN_OPS_MOMENTS_ROWS_H
#define TN_OPS_MOMENTS_ROWS_H

#include "layers/ops/vector_rows.h"

enum { TN_MOMENTS_BLOCK = 128 }; /* pixels that a sweep sums in float before double takes over */

/* Of one thread, a row of channels each: what is known, and the block's sums of deviations from
 * `around`, plain and squared. */
typedef struct tn_part_moments {
    double *mean, *m2;
    float *around, *sum, *squares;
} tn_part_moments;

/* Bytes of a thread's floats. */
static inline size_t tn_part_moments_bytes(int channels) {
    return 3 * tn_row_padded(channels) * sizeof(float);
}

static inline tn_part_moments tn_part_moments_in(double *mean, double *m2, float *memory,
                                                 int channels) {
    const size_t padded = tn_row_padded(channels);
    return (tn_part_moments){mean, m2, memory, memory + padded, memory + 2 * padded};
}

static inline void tn_moments_begin_block(tn_part_moments k, int channels) {
    memset(k.sum, 0, 2 * tn_row_padded(channels) * sizeof(float));
}

/* sum += x - around, squares += (x - around)^2, of `rows` pixels (a constant). */
TN_INLINE_ALWAYS void tn_moments_add_vector(const tn_row_value *from, size_t pitch, int rows,
                                            tn_part_moments k, int c, bool whole, int channels) {
    const tn_lane_set lanes = tn_row_lanes(c, channels);
    const tn_vector around = tn_vector_load(k.around + c);
    tn_vector sum = tn_vector_load(k.sum + c), squares = tn_vector_load(k.squares + c);
    for (int i = 0; i < rows; i++) {
        const tn_vector v = tn_row_load(from + (size_t)i * pitch + c, whole, lanes);
        tn_row_ahead(from + (size_t)i * pitch + c);
        const tn_vector d = tn_vector_sub(v, around);
        sum = tn_vector_add(sum, d);
        squares = tn_vector_fma(d, d, squares);
    }
    tn_vector_store(k.sum + c, sum);
    tn_vector_store(k.squares + c, squares);
}

TN_INLINE_ALWAYS void tn_moments_add_rows(const tn_tensor *x, size_t p, int rows,
                                          tn_part_moments k) {
    const tn_row_value *from = tn_row_at(x, p);
    const size_t pitch = (size_t)x->pitch;
    const int channels = x->c;
    int c = 0;
    for (; c + TN_VECTOR <= channels; c += TN_VECTOR)
        tn_moments_add_vector(from, pitch, rows, k, c, true, channels);
    if (c < channels) tn_moments_add_vector(from, pitch, rows, k, c, false, channels);
}

/* Merges the block's deviations into the part's moments (tn_moments_merged, over rows), and takes
 * the new mean as what the next block's deviations are from. The block's own mean is then never
 * further from it than the spread that this merge adds to m2: rounding stays small beside m2. */
static inline void tn_moments_merge_block(tn_part_moments k, double seen, double added,
                                          int channels) {
    const double share = added / (seen + added), cross = seen * share, each = 1 / added;
    for (int c = 0; c < channels; c++) {
        const double offset = (double)k.sum[c] * each;
        const double m2 = (double)k.squares[c] - offset * (double)k.sum[c];
        const double apart = (double)k.around[c] + offset - k.mean[c];
        k.mean[c] += apart * share;
        k.m2[c] += (m2 > 0 || m2 != m2 ? m2 : 0) + apart * apart * cross;
        k.around[c] = (float)k.mean[c];
    }
}

/* The first block's own mean: nothing is known yet that deviations could be from. */
static inline void tn_moments_find_around(const tn_tensor *x, size_t from, size_t to,
                                          tn_part_moments k) {
    memset(k.around, 0, tn_row_padded(x->c) * sizeof(float));
    for (size_t p = from; p < to; p++) {
        const tn_row_value *pixel = tn_row_at(x, p);
        for (int c = 0; c < x->c; c++) k.around[c] += tn_row_one(pixel + c);
    }
    for (int c = 0; c < x->c; c++) k.around[c] /= (float)(to - from);
}

/* All moments of the pixels of a span. */
static inline void tn_moments_sweep(const tn_tensor *x, tn_span span, tn_part_moments k) {
    memset(k.mean, 0, (size_t)x->c * sizeof *k.mean);
    memset(k.m2, 0, (size_t)x->c * sizeof *k.m2);
    for (size_t p = span.begin; p < span.end; p += TN_MOMENTS_BLOCK) {
        const size_t left = span.end - p,
                     end = p + (left < TN_MOMENTS_BLOCK ? left : TN_MOMENTS_BLOCK);
        if (p == span.begin) tn_moments_find_around(x, p, end, k);
        tn_moments_begin_block(k, x->c);
        size_t q = p;
        for (; q + 4 <= end; q += 4) tn_moments_add_rows(x, q, 4, k);
        for (; q < end; q++) tn_moments_add_rows(x, q, 1, k);
        tn_moments_merge_block(k, (double)(p - span.begin), (double)(end - p), x->c);
    }
}

#endif

/* Weight gradients of grouped convolution: the arithmetic. Written over vector.h.
 *
 * Lanes hold channels read, of several whole groups where groups are small; a pixel of what comes
 * down is spread, one filter of each group over the group's lanes. A sweep keeps the sums of some
 * taps (of some kernel rows) times some filters in registers over all rows of a unit, and adds them
 * to the gradient at its end: so sums are as short as units are small, and every pixel that is
 * spread serves all taps, every one loaded all filters. */
#ifndef TN_OPS_CONVOLUTION_WEIGHTS_SWEEP_H
#define TN_OPS_CONVOLUTION_WEIGHTS_SWEEP_H

#include "layers/ops/vector.h"

#include <stddef.h>

enum {
    MOST_TAPS = 5, /* of a sweep, each way */
    MOST_FILTERS = 4,
    MOST_SUMS = TN_VECTOR == 16 ? 25 : 12, /* what the registers hold besides what is read */
};

/* The number is how many lanes a group has, and how many filters; TN_SPREAD_ANY: all lanes are one
 * group's. */
typedef enum spread {
    SPREAD_ANY = 0,
    SPREAD_1 = 1,
    SPREAD_2 = 2,
    SPREAD_4 = 4,
    SPREAD_8 = 8,
} spread;

/* Output (x, y) reads, with tap t of kernel row r of the sweep,
 * input (x*stride + column + t*hole, y*row_stride + row + r*row_hole). */
typedef struct sweep {
    const float *in, *dout; /* first image of the unit, the block's first channel */
    const float *zeros;
    float *gradient;       /* of the first kernel row, filter and tap */
    ptrdiff_t next_filter; /* floats from one to the next */
    ptrdiff_t next_row;
    ptrdiff_t in_image, out_image, in_pitch, out_pitch; /* floats */
    ptrdiff_t in_ahead, out_ahead;                      /* how far away the next unit lies, about */
    int images;
    int in_height, in_width, out_width;
    int in_first, out_first; /* the rows that `in` and `dout` begin with */
    int from_row, to_row;
    int row, row_stride, row_hole;
    int column, stride, hole;
    int inner_from, inner_to; /* output columns whose taps all lie in the image */
} sweep;

/* ---- one pixel ---- */

#ifdef __AVX512F__
TN_INLINE_ALWAYS tn_vector in_quarter(tn_vector v, int i) {
    switch (i) {
    case 0:
        return _mm512_permute_ps(v, 0x00);
    case 1:
        return _mm512_permute_ps(v, 0x55);
    case 2:
        return _mm512_permute_ps(v, 0xAA);
    default:
        return _mm512_permute_ps(v, 0xFF);
    }
}
TN_INLINE_ALWAYS tn_vector in_half(tn_vector v, int i) {
    return i == 0 ? _mm512_moveldup_ps(v) : _mm512_movehdup_ps(v);
}
/* Quarter `i` (0 or 1) of each half to both of its quarters. */
TN_INLINE_ALWAYS tn_vector quarter_of_half(tn_vector v, int i) {
    return i == 0 ? _mm512_shuffle_f32x4(v, v, 0xA0) : _mm512_shuffle_f32x4(v, v, 0xF5);
}
#else
TN_INLINE_ALWAYS tn_vector in_quarter(tn_vector v, int i) {
    switch (i) {
    case 0:
        return _mm256_permute_ps(v, 0x00);
    case 1:
        return _mm256_permute_ps(v, 0x55);
    case 2:
        return _mm256_permute_ps(v, 0xAA);
    default:
        return _mm256_permute_ps(v, 0xFF);
    }
}
TN_INLINE_ALWAYS tn_vector in_half(tn_vector v, int i) {
    return i == 0 ? _mm256_moveldup_ps(v) : _mm256_movehdup_ps(v);
}
TN_INLINE_ALWAYS tn_vector quarter_of_half(tn_vector v, int i) {
    return i == 0 ? _mm256_permute2f128_ps(v, v, 0x00) : _mm256_permute2f128_ps(v, v, 0x11);
}
#endif

/* v[j]: filter first + j of each lane's group. Constants choose. */
TN_INLINE_ALWAYS void spread_filters(tn_vector *v, const float *d, spread how, int filters,
                                     int first) {
    tn_vector all = tn_vector_zero();
    if (how != SPREAD_ANY) all = tn_vector_load(d);
    if (how == SPREAD_8) all = quarter_of_half(all, first / 4);
#pragma GCC unroll 4
    for (int j = 0; j < filters; j++) {
        if (how == SPREAD_ANY)
            v[j] = tn_vector_all(d[j]);
        else if (how == SPREAD_1)
            v[j] = all;
        else if (how == SPREAD_2)
            v[j] = in_half(all, j);
        else
            v[j] = in_quarter(all, first % 4 + j);
    }
}

/* at[r*taps + t]: what tap t of row r reads. */
TN_INLINE_ALWAYS void add_pixel(tn_vector *sum, const float *const *at, const float *d, spread how,
                                int all_taps, int filters, int first) {
    tn_vector v[MOST_FILTERS];
    spread_filters(v, d, how, filters, first);
#pragma GCC unroll 25
    for (int t = 0; t < all_taps; t++) {
        const tn_vector read = tn_vector_load(at[t]);
#pragma GCC unroll 4
        for (int j = 0; j < filters; j++)
            sum[t * filters + j] = tn_vector_fma(read, v[j], sum[t * filters + j]);
    }
}

/* ---- one row ---- */

/* Output column x, where taps may lie outside; a row outside is NULL. */
TN_INLINE_ALWAYS void add_edge(const sweep *s, tn_vector *sum, const float *const *row,
                               const float *d, int x, spread how, int rows, int taps, int filters,
                               int first) {
    const float *at[MOST_TAPS * MOST_TAPS];
#pragma GCC unroll 5
    for (int t = 0; t < taps; t++) {
        const int column = x * s->stride + s->column + t * s->hole;
        const bool inside = (unsigned)column < (unsigned)s->in_width;
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++)
            at[r * taps + t] =
                inside && (rows == 1 || row[r]) ? row[r] + column * s->in_pitch : s->zeros;
    }
    _mm_prefetch(at[rows / 2 * taps + taps / 2] + s->in_ahead, _MM_HINT_T1);
    _mm_prefetch(d + x * s->out_pitch + s->out_ahead, _MM_HINT_T1);
    add_pixel(sum, at, d + x * s->out_pitch, how, rows * taps, filters, first);
}

/* Those in the middle of a row whose kernel rows all lie inside. */
TN_INLINE_ALWAYS void add_inner(const sweep *s, tn_vector *sum, const float *const *row,
                                const float *d, spread how, int rows, int taps, int filters,
                                int first) {
    const ptrdiff_t hole = s->hole * s->in_pitch, step = s->stride * s->in_pitch;
    const float *p[MOST_TAPS];
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
        p[r] = row[r] + (s->inner_from * s->stride + s->column) * s->in_pitch;
    const float *delta = d + s->inner_from * s->out_pitch;
    for (int x = s->inner_from; x < s->inner_to; x++, delta += s->out_pitch) {
        const float *at[MOST_TAPS * MOST_TAPS];
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 5
            for (int t = 0; t < taps; t++) at[r * taps + t] = p[r] + t * hole;
        }
        /* With strides of two, every other pixel and row is only a later tap's. */
        _mm_prefetch(p[0] + s->in_ahead, _MM_HINT_T1);
        if (taps > 1) _mm_prefetch(p[0] + hole + s->in_ahead, _MM_HINT_T1);
        if (rows > 1) _mm_prefetch(p[1] + s->in_ahead, _MM_HINT_T1);
        if (rows > 1 && taps > 1) _mm_prefetch(p[1] + hole + s->in_ahead, _MM_HINT_T1);
        _mm_prefetch(delta + s->out_ahead, _MM_HINT_T1);
        add_pixel(sum, at, delta, how, rows * taps, filters, first);
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++) p[r] += step;
    }
}

TN_INLINE_ALWAYS void add_row(const sweep *s, tn_vector *sum, const float *in, const float *d,
                              int y, spread how, int rows, int taps, int filters, int first) {
    const float *row[MOST_TAPS];
    int inside = 0;
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++) {
        const int at = y * s->row_stride + s->row + r * s->row_hole;
        const bool is_inside = (unsigned)at < (unsigned)s->in_height;
        row[r] = is_inside ? in + (at - s->in_first) * s->in_width * s->in_pitch : NULL;
        inside += is_inside;
    }
    if (inside == 0) return;
    const int from = inside == rows ? s->inner_from : s->out_width;
    for (int x = 0; x < s->out_width; x++) {
        if (x == from) {
            add_inner(s, sum, row, d, how, rows, taps, filters, first);
            x = s->inner_to;
            if (x == s->out_width) break;
        }
        add_edge(s, sum, row, d, x, how, rows, taps, filters, first);
    }
}

TN_INLINE_ALWAYS void run_sweep(const sweep *s, spread how, int rows, int taps, int filters,
                                int first) {
    tn_vector sum[MOST_SUMS];
#pragma GCC unroll 25
    for (int i = 0; i < rows * taps * filters; i++) sum[i] = tn_vector_zero();
    for (int image = 0; image < s->images; image++) {
        const float *in = s->in + image * s->in_image, *d = s->dout + image * s->out_image;
        for (int y = s->from_row; y < s->to_row; y++)
            add_row(s, sum, in, d + (y - s->out_first) * s->out_width * s->out_pitch, y, how, rows,
                    taps, filters, first);
    }
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 5
        for (int t = 0; t < taps; t++)
#pragma GCC unroll 4
            for (int j = 0; j < filters; j++) {
                float *to =
                    s->gradient + r * s->next_row + j * s->next_filter + (ptrdiff_t)t * TN_VECTOR;
                tn_vector_store(
                    to, tn_vector_add(tn_vector_load(to), sum[(r * taps + t) * filters + j]));
            }
}

/* ---- the table ---- */

typedef void (*sweep_function)(const sweep *s);

/* How many kernel rows go together, so that the sums stay in registers. Where what comes down is
 * broadcast, rows together save nothing and only have to fill the pipes. */
TN_INLINE_ALWAYS int rows_at_most(spread how, int taps, int filters) {
    const int sums = taps * filters, most = MOST_SUMS / sums;
    const int rows = how == SPREAD_ANY && most * sums > 12 && sums < 12 ? 12 / sums : most;
    return rows < MOST_TAPS ? rows : MOST_TAPS;
}

/* What does not fit the registers is empty, and never asked for. */
#define SWEEP(spread, filters, first, rows, taps)                                                  \
    static void sweep_##spread##_##filters##_##first##_##rows##_##taps(const sweep *s) {           \
        if (rows <= rows_at_most(SPREAD_##spread, taps, filters))                                  \
            run_sweep(s, SPREAD_##spread, rows, taps, filters, first);                             \
    }
#define SWEEPS_OF_ROWS(spread, filters, first, rows)                                               \
    SWEEP(spread, filters, first, rows, 1)                                                         \
    SWEEP(spread, filters, first, rows, 2)                                                         \
    SWEEP(spread, filters, first, rows, 3)                                                         \
    SWEEP(spread, filters, first, rows, 4) SWEEP(spread, filters, first, rows, 5)
#define ROW(s, f, i, r)                                                                            \
    {                                                                                              \
        sweep_##s##_##f##_##i##_##r##_1, sweep_##s##_##f##_##i##_##r##_2,                          \
            sweep_##s##_##f##_##i##_##r##_3, sweep_##s##_##f##_##i##_##r##_4,                      \
            sweep_##s##_##f##_##i##_##r##_5                                                        \
    }
#define SWEEPS(spread, filters, first)                                                             \
    SWEEPS_OF_ROWS(spread, filters, first, 1)                                                      \
    SWEEPS_OF_ROWS(spread, filters, first, 2)                                                      \
    SWEEPS_OF_ROWS(spread, filters, first, 3)                                                      \
    SWEEPS_OF_ROWS(spread, filters, first, 4)                                                      \
    SWEEPS_OF_ROWS(spread, filters, first, 5)                                                      \
    static const sweep_function sweeps_##spread##_##filters##_##first[MOST_TAPS][MOST_TAPS] = {    \
        ROW(spread, filters, first, 1), ROW(spread, filters, first, 2),                            \
        ROW(spread, filters, first, 3), ROW(spread, filters, first, 4),                            \
        ROW(spread, filters, first, 5)};
/* clang-format off: it takes the macros for types. */
SWEEPS(ANY, 4, 0)
SWEEPS(ANY, 2, 0)
SWEEPS(ANY, 1, 0)
SWEEPS(1, 1, 0)
SWEEPS(2, 2, 0)
SWEEPS(4, 4, 0)
#if defined(__AVX512F__)
SWEEPS(8, 4, 0)
SWEEPS(8, 4, 4)
#else
SWEEPS(4, 2, 0)
SWEEPS(4, 2, 2)
#endif
/* clang-format on */

static sweep_function sweep_for(spread how, int filters, int first, int rows, int taps) {
    const int r = rows - 1, t = taps - 1;
    switch (how) {
    case SPREAD_1:
        return sweeps_1_1_0[r][t];
    case SPREAD_2:
        return sweeps_2_2_0[r][t];
#if defined(__AVX512F__)
    case SPREAD_4:
        return sweeps_4_4_0[r][t];
    case SPREAD_8:
        return first == 0 ? sweeps_8_4_0[r][t] : sweeps_8_4_4[r][t];
#else
    case SPREAD_4:
        if (filters == 4) return sweeps_4_4_0[r][t];
        return first == 0 ? sweeps_4_2_0[r][t] : sweeps_4_2_2[r][t];
#endif
    default:
        return filters == 4   ? sweeps_ANY_4_0[r][t]
               : filters == 2 ? sweeps_ANY_2_0[r][t]
                              : sweeps_ANY_1_0[r][t];
    }
}

/* How many filters go together where `left` are left. */
static int filters_at_most(spread how, int taps, int left) {
    const int most = how == SPREAD_1 ? 1 : how == SPREAD_2 || 4 * taps > MOST_SUMS ? 2 : 4;
    return left >= most ? most : left >= 2 ? 2 : 1;
}

#endif

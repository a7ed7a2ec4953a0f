/* The inner product that dense convolutions come down to, in registers.
 *
 * made[row][lane] (+)= sum over d of read[row][d] * weights[d][lane]
 *
 * A tile is some rows by a panel of TN_PANEL lanes, two vectors: the sums, one pair of vectors of
 * weights and one number of a row fill the registers. A step is one FMA a sum and fewer loads than
 * the processor does beside them. Panels of weights are zero beyond the last filter.
 *
 * Rows come in segments: within one they lie equally far apart, so a few registers address all of
 * them. AVX-512 has sums for 14 rows, more than there are registers for pointers: two segments of
 * seven (rows of maps are mostly multiples of seven). AVX2 has sums for six: each row may lie
 * anywhere. */
#ifndef TN_OPS_DENSE_TILE_H
#define TN_OPS_DENSE_TILE_H

#include "layers/ops/vector.h"

#include <stddef.h>

enum { TN_PANEL = 2 * TN_VECTOR, TN_LINE = 16 /* floats of a cache line */ };
#ifdef __AVX512F__
enum { TN_SEGMENTS = 2, TN_SEGMENT_ROWS = 7 };
#else
enum { TN_SEGMENTS = 6, TN_SEGMENT_ROWS = 1 };
#endif

/* Part of a sum: `depth` floats in a row, from `at` on, relative to a row's own place, and what
 * they are multiplied by, relative to the tile's weights. */
typedef struct tn_tile_piece {
    ptrdiff_t at, depth, weights;
} tn_tile_piece;

/* Memory that will be wanted, brought into the second-level cache bit by bit: `left` cache lines,
 * in runs of `run` that begin `step` bytes after each other. */
typedef struct tn_fetch {
    const char *at;
    long left;
    int run, in_run;
    ptrdiff_t step;
    int rate, due; /* lines at every TN_LINE steps of a tile, and what is owed of them: of 256 */
} tn_fetch;

TN_INLINE_ALWAYS void tn_fetch_some(tn_fetch *f) {
    int due = f->due + f->rate;
    for (; due >= 256 && f->left > 0; due -= 256, f->left--) {
        _mm_prefetch(f->at + (ptrdiff_t)f->in_run * 64, _MM_HINT_T1);
        if (++f->in_run < f->run) continue;
        f->in_run = 0;
        f->at += f->step;
    }
    f->due = due & 255;
}

/* Of the lanes in hand, see tn_part_moments: what is made adds to sum and squares. */
typedef struct tn_tile_moments {
    const float *around; /* NULL: nobody wants them */
    float *sum, *squares;
} tn_tile_moments;

typedef struct tn_dense_tile {
    const float *read[TN_SEGMENTS]; /* where a segment's first row begins */
    float *made[TN_SEGMENTS];
    ptrdiff_t read_step, made_step; /* from row to row of a segment */
    const tn_tile_piece *piece;
    int pieces;
    const float *weights;         /* (depth, TN_PANEL) */
    ptrdiff_t ahead[TN_SEGMENTS]; /* from here to what the next tile reads */
    tn_fetch *next, *next_read;   /* weights, and what is read, that are wanted soon */
    bool add;                     /* to what made holds */
    bool streams;                 /* made is aligned and nobody reads it soon */
    tn_tile_moments moments;      /* what is made is then the whole sum */
} tn_dense_tile;

/* ---- rows of a segment ---- */

#ifdef __AVX512F__
/* Steps between rows in bytes. Left to itself gcc would keep a pointer a row, and spill most. */
typedef struct tn_row_steps {
    ptrdiff_t one, three, five;
} tn_row_steps;

TN_INLINE_ALWAYS tn_row_steps tn_row_steps_of(ptrdiff_t floats) {
    tn_row_steps s = {floats * 4, floats * 12, floats * 20};
    __asm__("" : "+r"(s.one), "+r"(s.three), "+r"(s.five));
    return s;
}

#define TN_AT_ROW_0      "(%1)"
#define TN_AT_ROW_1      "(%1,%2,1)"
#define TN_AT_ROW_2      "(%1,%2,2)"
#define TN_AT_ROW_3      "(%1,%3,1)"
#define TN_AT_ROW_4      "(%1,%2,4)"
#define TN_AT_ROW_5      "(%1,%4,1)"
#define TN_AT_ROW_6      "(%1,%3,2)"
#define TN_ROW_CASES(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6)

/* Its first number in every lane. */
TN_INLINE_ALWAYS tn_vector tn_row_all(const float *base, const tn_row_steps *s, int row) {
    tn_vector x = tn_vector_zero();
#define TN_ROW_ALL(i)                                                                              \
    case i:                                                                                        \
        __asm__("vbroadcastss " TN_AT_ROW_##i ", %0"                                               \
                : "=v"(x)                                                                          \
                : "r"(base), "r"(s->one), "r"(s->three), "r"(s->five),                             \
                  "m"(*(const float(*)[])base));                                                   \
        break;
    switch (row) { TN_ROW_CASES(TN_ROW_ALL) }
#undef TN_ROW_ALL
    return x;
}

#else
typedef struct tn_row_steps {
    ptrdiff_t one;
} tn_row_steps;
TN_INLINE_ALWAYS tn_row_steps tn_row_steps_of(ptrdiff_t floats) {
    return (tn_row_steps){floats};
}
TN_INLINE_ALWAYS tn_vector tn_row_all(const float *base, const tn_row_steps *s, int row) {
    return tn_vector_all(base[row * s->one]);
}
#endif

/* ---- tiles: segments, rows and vectors are constants where these are inlined ---- */

typedef tn_vector tn_tile_sum[TN_SEGMENT_ROWS][2];

/* One step along the depth. */
TN_INLINE_ALWAYS void tn_dense_step(tn_tile_sum *sum, const float *const *from,
                                    const tn_row_steps *steps, ptrdiff_t d, const float *w,
                                    int segments, int rows, int vectors) {
    const tn_vector w0 = tn_vector_load(w);
    const tn_vector w1 = vectors > 1 ? tn_vector_load(w + TN_VECTOR) : w0;
#pragma GCC unroll 8
    for (int s = 0; s < segments; s++)
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            const tn_vector x = tn_row_all(from[s] + d, steps, i);
            sum[s][i][0] = tn_vector_fma(x, w0, sum[s][i][0]);
            if (vectors > 1) sum[s][i][1] = tn_vector_fma(x, w1, sum[s][i][1]);
        }
}

TN_INLINE_ALWAYS void tn_dense_put(const tn_dense_tile *t, tn_tile_sum *sum, int segments, int rows,
                                   int vectors) {
#pragma GCC unroll 8
    for (int s = 0; s < segments; s++) {
        float *to = t->made[s];
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++, to += t->made_step)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                float *at = to + v * TN_VECTOR;
                if (t->add && !t->moments.around) /* else they have been added */
                    tn_vector_store(at, tn_vector_add(sum[s][i][v], tn_vector_load(at)));
                else if (t->streams)
                    tn_vector_stream(at, sum[s][i][v]);
                else
                    tn_vector_store(at, sum[s][i][v]);
            }
    }
}

/* The same, with the moments of what is made. */
TN_INLINE_ALWAYS void tn_dense_measure(const tn_dense_tile *t, tn_tile_sum *sum, int segments,
                                       int rows, int vectors) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        const ptrdiff_t lane = (ptrdiff_t)v * TN_VECTOR;
        const tn_vector around = tn_vector_load(t->moments.around + lane);
        tn_vector plain = tn_vector_load(t->moments.sum + lane);
        tn_vector squares = tn_vector_load(t->moments.squares + lane);
#pragma GCC unroll 8
        for (int s = 0; s < segments; s++) {
            const float *made = t->made[s] + lane;
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++, made += t->made_step) {
                if (t->add) sum[s][i][v] = tn_vector_add(sum[s][i][v], tn_vector_load(made));
                const tn_vector d = tn_vector_sub(sum[s][i][v], around);
                plain = tn_vector_add(plain, d);
                squares = tn_vector_fma(d, d, squares);
            }
        }
        tn_vector_store(t->moments.sum + lane, plain);
        tn_vector_store(t->moments.squares + lane, squares);
    }
}

/* What is made is in place when the sums are. AVX-512 fetches only what it adds to: so many lines
 * at once keep what is read waiting, while stores wait aside. */
TN_INLINE_ALWAYS void tn_dense_fetch_made(const tn_dense_tile *t, int segments, int rows,
                                          int vectors) {
    if (t->streams || (TN_SEGMENT_ROWS > 1 && !t->add)) return;
#pragma GCC unroll 8
    for (int s = 0; s < segments; s++) {
        const float *to = t->made[s];
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++, to += t->made_step)
#pragma GCC unroll 2
            for (int l = 0; l < vectors * TN_VECTOR; l += TN_LINE)
                _mm_prefetch((const char *)(to + l), _MM_HINT_T0);
    }
}

/* AVX-512 finds room for what the second-level cache takes between so many sums. */
TN_INLINE_ALWAYS void tn_dense_fetch_ahead(const tn_dense_tile *t, const float *const *from,
                                           const tn_row_steps *steps, ptrdiff_t d, int segments,
                                           int rows) {
    tn_fetch_some(t->next);
    if (TN_SEGMENT_ROWS > 1) {
        tn_fetch_some(t->next_read);
        return;
    }
#pragma GCC unroll 8
    for (int s = 0; s < segments; s++)
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
            _mm_prefetch((const char *)(from[s] + d + t->ahead[s] + i * steps->one), _MM_HINT_T0);
}

TN_INLINE_ALWAYS void tn_dense_tile_make(const tn_dense_tile *t, int segments, int rows,
                                         int vectors) {
    enum { UNROLL = TN_SEGMENT_ROWS > 1 ? 1 : 4 };
    tn_vector sum[TN_SEGMENTS][TN_SEGMENT_ROWS][2];
    const tn_row_steps steps = tn_row_steps_of(t->read_step);
#pragma GCC unroll 8
    for (int s = 0; s < segments; s++)
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) sum[s][i][0] = sum[s][i][1] = tn_vector_zero();
    tn_dense_fetch_made(t, segments, rows, vectors);
    for (int q = 0; q < t->pieces; q++) {
        const ptrdiff_t depth = t->piece[q].depth;
        const float *w = t->weights + t->piece[q].weights;
        const float *from[TN_SEGMENTS];
#pragma GCC unroll 8
        for (int s = 0; s < segments; s++) from[s] = t->read[s] + t->piece[q].at;
        ptrdiff_t d = 0;
        for (; d + TN_LINE <= depth; d += TN_LINE) {
            tn_dense_fetch_ahead(t, from, &steps, d, segments, rows);
#pragma GCC unroll UNROLL
            for (int e = 0; e < TN_LINE; e++, w += TN_PANEL)
                tn_dense_step(sum, from, &steps, d + e, w, segments, rows, vectors);
        }
        for (; d < depth; d++, w += TN_PANEL)
            tn_dense_step(sum, from, &steps, d, w, segments, rows, vectors);
    }
    if (t->moments.around) tn_dense_measure(t, sum, segments, rows, vectors);
    tn_dense_put(t, sum, segments, rows, vectors);
}

#endif

#include "layers/ops/convolution_tile_avx2.h"

/* Weights of one row of the kernel. */
static inline const float *kernel_row(const tn_conv_tile *t, int ky) {
    const size_t row = (size_t)t->read * t->kernel_width * TN_LANES;
    return t->weights + (size_t)(t->y->tap + ky * t->y->tap_step) * row;
}

TN_INLINE void store(const tn_conv_tile *t, const __m256 *sum, int pixels) {
    const __m256i mask = tn_lane_mask(t->lanes);
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++) {
        if (p >= t->pixels) break;
        float *to = t->made + p * t->made_step;
        __m256 v = sum[p];
        if (t->add) v = _mm256_add_ps(_mm256_maskload_ps(to, mask), v);
        if (t->lanes == TN_LANES)
            _mm256_storeu_ps(to, v);
        else
            _mm256_maskstore_ps(to, mask, v);
    }
}

/* ---- runs: taps next to each other, up to 5 of them, steps of 1 or 2 pixels ----
 *
 * A pixel that is read serves all taps of a row, so what it costs to bring one of its channels into
 * all lanes is shared by up to 5 multiply-adds a lane; sums and weights stay in registers. */

static bool makes_run(const tn_conv_tile *t, tn_spread spread) {
    const tn_conv_axis *x = t->x;
    return (spread == TN_SPREAD_ANY || spread == TN_SPREAD_4) &&
           (x->read_tap == 1 || x->taps == 1) && x->read_step <= 2 && x->taps >= 1 &&
           x->taps <= TN_RUN_TAPS && t->y->taps <= TN_RUN_ROWS;
}

static void locate(tn_conv_tile *t, int count) {
    ptrdiff_t offset[TN_RUN_READS];
    for (int q = 0; q < count; q++) {
        const int at = t->column + q;
        offset[q] = (unsigned)at < (unsigned)t->width ? at * t->pitch : -1;
    }
    t->reads.rows = 0;
    for (int ky = 0; ky < t->y->taps; ky++) {
        const int at = t->row + ky * t->y->read_tap;
        if ((unsigned)at >= (unsigned)t->height) continue;
        const float *row = t->image + at * t->row_pitch;
        const float **from = t->reads.from[t->reads.rows];
        for (int q = 0; q < count; q++) from[q] = offset[q] < 0 ? t->zeros : row + offset[q];
        t->reads.kernel_row[t->reads.rows++] = ky;
    }
}

/* Channel i of each lane's group; unlike tn_spread_channel, i is no constant, which keeps the
 * compiler from holding all pixels in registers for the next i. */
TN_INLINE __m256 bring(const float *p, tn_spread spread, int i, __m256i lane) {
    return spread == TN_SPREAD_4 ? _mm256_permutevar_ps(_mm256_loadu_ps(p), lane)
                                 : _mm256_broadcast_ss(p + i);
}

/* One channel: every pixel read, times every tap of the row. */
TN_INLINE void add_run(__m256 *sum, const float *const *from, ptrdiff_t at, const float *w,
                       ptrdiff_t w_step, tn_spread spread, int i, int step, int taps, int pixels) {
    const __m256i lane = _mm256_set1_epi32(i);
    __m256 weight[TN_RUN_TAPS];
#pragma GCC unroll 5
    for (int k = 0; k < taps; k++) weight[k] = _mm256_load_ps(w + k * w_step);
#pragma GCC unroll 20
    for (int q = 0; q < (pixels - 1) * step + taps; q++) {
        const __m256 v = bring(from[q] + at, spread, i, lane);
#pragma GCC unroll 5
        for (int k = 0; k < taps; k++)
            if (q >= k && (q - k) % step == 0 && (q - k) / step < pixels)
                sum[(q - k) / step] = _mm256_fmadd_ps(v, weight[k], sum[(q - k) / step]);
    }
}

TN_INLINE void make_run(const tn_conv_tile *t, tn_spread spread, int step, int taps, int pixels) {
    const ptrdiff_t w_step = (ptrdiff_t)t->x->tap_step * TN_LANES;
    const ptrdiff_t next = (ptrdiff_t)t->kernel_width * TN_LANES;
    const int channels = spread == TN_SPREAD_4 ? 4 : t->read;
    __m256 sum[TN_TILE];
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++) sum[p] = _mm256_setzero_ps();
    for (int row = 0; row < t->reads.rows; row++) {
        const float *w = kernel_row(t, t->reads.kernel_row[row]) + t->x->tap * TN_LANES;
#pragma GCC unroll 1
        for (int i = 0; i < channels; i++, w += next)
            add_run(sum, t->reads.from[row], t->read_at, w, w_step, spread, i, step, taps, pixels);
    }
    store(t, sum, pixels);
}

#define RUN(spread, step, taps, pixels)                                                            \
    static void run_##spread##_##step##_##taps##_##pixels(const tn_conv_tile *t) {                 \
        make_run(t, TN_SPREAD_##spread, step, taps, pixels);                                       \
    }
#define RUNS_OF(spread, step, taps)                                                                \
    RUN(spread, step, taps, 4) RUN(spread, step, taps, 7) RUN(spread, step, taps, 8)
#define RUNS(spread, step)                                                                         \
    RUNS_OF(spread, step, 1)                                                                       \
    RUNS_OF(spread, step, 2)                                                                       \
    RUNS_OF(spread, step, 3) RUNS_OF(spread, step, 4) RUNS_OF(spread, step, 5)
RUNS(ANY, 1)
RUNS(ANY, 2)
RUNS(4, 1)
RUNS(4, 2)

#define RUN_WIDTHS(spread, step, taps)                                                             \
    {                                                                                              \
        run_##spread##_##step##_##taps##_4, run_##spread##_##step##_##taps##_7,                    \
            run_##spread##_##step##_##taps##_8                                                     \
    }
#define RUN_TAPS(spread, step)                                                                     \
    {                                                                                              \
        RUN_WIDTHS(spread, step, 1), RUN_WIDTHS(spread, step, 2), RUN_WIDTHS(spread, step, 3),     \
            RUN_WIDTHS(spread, step, 4), RUN_WIDTHS(spread, step, 5)                               \
    }

static const tn_conv_tile_function runs[2][2][TN_RUN_TAPS][3] = {
    {RUN_TAPS(ANY, 1), RUN_TAPS(ANY, 2)},
    {RUN_TAPS(4, 1), RUN_TAPS(4, 2)},
};

/* ---- any taps, any step: one tap at a time ---- */

/* Adds `step` channels of one tap to all pixels. */
TN_INLINE void add_channels(__m256 *sum, const float *const *from, const float *w, int next,
                            tn_spread spread, int step, int pixels) {
    __m256 weight[4];
    for (int i = 0; i < step; i++) weight[i] = _mm256_load_ps(w + i * next);
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int i = 0; i < step; i++)
            sum[p] = _mm256_fmadd_ps(tn_spread_channel(from[p], spread, i), weight[i], sum[p]);
}

TN_INLINE void add_tap(__m256 *sum, const tn_conv_tile *t, const float *row, int column,
                       const float *w, tn_spread spread, int pixels) {
    const int next = t->kernel_width * TN_LANES;
    const float *from[TN_TILE];
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++) {
        const int at = column + p * t->x->read_step;
        from[p] = (unsigned)at < (unsigned)t->width ? row + at * t->pitch : t->zeros + t->read_at;
    }
    if (spread != TN_SPREAD_ANY) {
        add_channels(sum, from, w, next, spread, (int)spread, pixels);
        return;
    }
    int i = 0;
    for (; i + 4 <= t->read; i += 4) {
        add_channels(sum, from, w + (size_t)i * next, next, spread, 4, pixels);
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++) from[p] += 4;
    }
    for (; i < t->read; i++) {
        add_channels(sum, from, w + (size_t)i * next, next, spread, 1, pixels);
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++) from[p] += 1;
    }
}

TN_INLINE void make_taps(const tn_conv_tile *t, tn_spread spread, int pixels) {
    __m256 sum[TN_TILE];
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++) sum[p] = _mm256_setzero_ps();
    for (int ky = 0; ky < t->y->taps; ky++) {
        const int at = t->row + ky * t->y->read_tap;
        if ((unsigned)at >= (unsigned)t->height) continue;
        const float *row = t->image + at * t->row_pitch + t->read_at, *w = kernel_row(t, ky);
        for (int kx = 0; kx < t->x->taps; kx++)
            add_tap(sum, t, row, t->column + kx * t->x->read_tap,
                    w + (t->x->tap + kx * t->x->tap_step) * TN_LANES, spread, pixels);
    }
    store(t, sum, pixels);
}

#define TAPS_OF(spread, pixels)                                                                    \
    static void taps_##spread##_##pixels(const tn_conv_tile *t) {                                  \
        make_taps(t, TN_SPREAD_##spread, pixels);                                                  \
    }
#define TAPS(spread) TAPS_OF(spread, 4) TAPS_OF(spread, 7) TAPS_OF(spread, 8)
TAPS(ANY)
TAPS(1)
TAPS(2)
TAPS(4)

#define TAP_WIDTHS(spread)                                                                         \
    { taps_##spread##_4, taps_##spread##_7, taps_##spread##_8 }

tn_conv_tile_function tn_conv_tile_locate(tn_conv_tile *t, tn_spread spread) {
    static const tn_conv_tile_function taps[][3] = {
        [TN_SPREAD_ANY] = TAP_WIDTHS(ANY),
        [TN_SPREAD_1] = TAP_WIDTHS(1),
        [TN_SPREAD_2] = TAP_WIDTHS(2),
        [TN_SPREAD_4] = TAP_WIDTHS(4),
    };
    static const int widths[3] = {4, 7, 8};
    const int width = t->pixels <= 4 ? 0 : t->pixels <= 7 ? 1 : 2;
    if (!makes_run(t, spread)) return taps[spread][width];
    locate(t, (widths[width] - 1) * t->x->read_step + t->x->taps);
    return runs[spread == TN_SPREAD_4][t->x->read_step - 1][t->x->taps - 1][width];
}

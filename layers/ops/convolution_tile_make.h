/* The inner loops of convolution_tile.h; included by one _avx2.c and one _avx512.c file.
 *
 * What it costs to bring one channel of a pixel into all lanes (a load and a permutation, or a
 * broadcast) is shared by the taps of a run; with 14 pixels and 5 taps that is 18 times for 70
 * multiply-adds a lane, on other ports than theirs. Sums and a run's weights stay in registers. */
#include "layers/ops/convolution_tile.h"
#include "layers/ops/vector_lanes.h"

/* The compiler shall read anew what lies there: it would keep pointers and pixels from one channel
 * to the next, in more registers than there are. */
#define FORGET(pointer) __asm__("" : "+r"(pointer))

/* Adds to made, or makes a part of a vector, or writes around the caches. */
static __attribute__((noinline)) void put_specially(const tn_conv_tile *t, const tn_vector *sum,
                                                    int rows, int pixels) {
    const tn_lane_set lanes = tn_lanes_first(t->lanes);
    for (int i = 0; i < rows * pixels; i++) {
        const int p = i % pixels;
        float *to = t->made + i / pixels * t->made_row + p * t->made_step;
        if (p >= t->pixels) continue;
        if (t->streams)
            tn_vector_stream(to, sum[i]);
        else if (t->add)
            tn_vector_store_part(to, lanes, tn_vector_add(tn_vector_load_part(to, lanes), sum[i]));
        else
            tn_vector_store_part(to, lanes, sum[i]);
    }
}

TN_INLINE_ALWAYS void put(const tn_conv_tile *t, const tn_vector *sum, int rows, int pixels) {
    if (t->streams || t->add || t->lanes < TN_VECTOR) {
        tn_vector aside[TN_TILE_PIXELS]; /* sum itself never lies in memory */
#pragma GCC unroll 14
        for (int i = 0; i < rows * pixels; i++) aside[i] = sum[i];
        put_specially(t, aside, rows, pixels);
        return;
    }
#pragma GCC unroll 2
    for (int row = 0; row < rows; row++) {
        float *to = t->made + row * t->made_row;
#pragma GCC unroll 14
        for (int p = 0; p < pixels; p++, to += t->made_step) {
            if (p >= t->pixels) break;
            tn_vector_store(to, sum[row * pixels + p]);
        }
    }
}

enum { MOST_IDLE = 3 }; /* pixels of a form that a tile may have fewer: see sizes */

/* Counts of one kind of tile; constants where they are inlined. */
typedef struct tile_form {
    bool permutes;
    int step, taps, rows, pixels;
    int reads; /* by a run in one row */
} tile_form;

/* One read pixel's channel, times every tap of the run. */
TN_INLINE_ALWAYS void add_read(tn_vector *sum, const float *from, const tn_vector *weight,
                               tn_lanes lanes, int q, tile_form f) {
    const tn_vector v =
        f.permutes ? tn_vector_permute(tn_vector_load(from), lanes) : tn_vector_all(*from);
#pragma GCC unroll 7
    for (int k = 0; k < f.taps; k++) {
        const int p = (q - k) / f.step;
        if (q >= k && (q - k) % f.step == 0 && p < f.pixels)
            sum[p] = tn_vector_fma(v, weight[k], sum[p]);
    }
}

/* One channel of a run. Pixels `taps` apart have no sum in common: taken one after the other, they
 * leave every sum time to be done before its next addition. Those of the padding are left out. */
TN_INLINE_ALWAYS void add_channel(const tn_conv_tile *t, tn_vector *sum,
                                  const float *const *const *from, const ptrdiff_t *at,
                                  const float *w, tn_lanes lanes, tile_form f) {
    const int edge = f.taps - 1, right = f.reads - edge - MOST_IDLE * f.step;
    const int inner_from = t->inner_from, inner_to = t->inner_to;
    tn_vector weight[TN_TILE_TAPS];
#pragma GCC unroll 7
    for (int k = 0; k < f.taps; k++) weight[k] = tn_vector_load(w + k * TN_VECTOR);
#pragma GCC unroll 7
    for (int first = 0; first < f.taps; first++)
#pragma GCC unroll 2
        for (int row = 0; row < f.rows; row++)
#pragma GCC unroll 33
            for (int q = first; q < f.reads; q += f.taps) {
                if (q < edge && q < inner_from) continue;
                if (f.taps > 1 && q >= right && q >= inner_to) continue;
                add_read(sum + row * f.pixels, from[row][q] + at[row], weight, lanes, q, f);
            }
}

/* A step's share of what lies below, but for its first line. */
TN_INLINE_ALWAYS void fetch_more(const tn_conv_tile *t, const float **below) {
    for (int p = 0;; p++) {
        if (t->below_rows > 1) _mm_prefetch((const char *)(*below + t->row_pitch), _MM_HINT_T1);
        if (p + 1 >= t->below_pixels) return;
        *below += t->pitch;
        _mm_prefetch((const char *)*below, _MM_HINT_T1);
    }
}

TN_INLINE_ALWAYS void make(const tn_conv_tile *t, tile_form f) {
    const int channels = t->channels;
    tn_vector sum[TN_TILE_PIXELS];
    f.reads = (f.pixels - 1) * f.step + f.taps;
#pragma GCC unroll 14
    for (int i = 0; i < f.rows * f.pixels; i++) sum[i] = tn_vector_zero();
    const float *below = t->below;
    const ptrdiff_t pitch = t->pitch;
    for (int r = 0; r < t->runs; r++) {
        const tn_conv_run *run = &t->run[r];
        const float *w = t->weights + (ptrdiff_t)run->index * channels * f.taps * TN_VECTOR;
        const float *const *from[2] = {run->from[0], run->from[1]};
        ptrdiff_t at[2] = {run->at[0] + t->read_at, run->at[1] + t->read_at};
#pragma GCC unroll 1
        for (int i = 0; i < channels; i++, w += f.taps * TN_VECTOR) {
            const tn_lanes lanes = tn_lanes_load(t->lanes_of[f.permutes ? i : 0]);
            FORGET(from[0]);
            if (f.rows > 1) FORGET(from[1]);
            _mm_prefetch((const char *)below, _MM_HINT_T1);
            if (t->below_more) fetch_more(t, &below);
            below += pitch;
            add_channel(t, sum, from, at, w, lanes, f);
            if (!f.permutes) at[0]++, at[1]++;
        }
    }
    put(t, sum, f.rows, f.pixels);
}

/* Pixels of a tile; two rows where maps are narrow. */
typedef struct tile_size {
    int rows, pixels;
} tile_size;

#define MAKE(permutes, step, taps, rows, pixels)                                                   \
    static void make_##permutes##_##step##_##taps##_##rows##_##pixels(const tn_conv_tile *t) {     \
        make(t, (tile_form){permutes, step, taps, rows, pixels, 0});                               \
    }
#ifdef __AVX512F__
#define SIZES(USE, ...)                                                                            \
    USE(__VA_ARGS__, 2, 4)                                                                         \
    USE(__VA_ARGS__, 2, 7)                                                                         \
    USE(__VA_ARGS__, 1, 4)                                                                         \
    USE(__VA_ARGS__, 1, 7)                                                                         \
    USE(__VA_ARGS__, 1, 8)                                                                         \
    USE(__VA_ARGS__, 1, 10) USE(__VA_ARGS__, 1, 12) USE(__VA_ARGS__, 1, 14)
static const tile_size sizes[] = {{2, 4}, {2, 7},  {1, 4},  {1, 7},
                                  {1, 8}, {1, 10}, {1, 12}, {1, 14}};
#else
#define SIZES(USE, ...)                                                                            \
    USE(__VA_ARGS__, 2, 4)                                                                         \
    USE(__VA_ARGS__, 1, 4) USE(__VA_ARGS__, 1, 7) USE(__VA_ARGS__, 1, 8)
static const tile_size sizes[] = {{2, 4}, {1, 4}, {1, 7}, {1, 8}};
#endif
#define TAPS(permutes, step)                                                                       \
    SIZES(MAKE, permutes, step, 1)                                                                 \
    SIZES(MAKE, permutes, step, 2)                                                                 \
    SIZES(MAKE, permutes, step, 3)                                                                 \
    SIZES(MAKE, permutes, step, 4)                                                                 \
    SIZES(MAKE, permutes, step, 5) SIZES(MAKE, permutes, step, 7)
TAPS(0, 1)
TAPS(0, 2)
TAPS(1, 1)
TAPS(1, 2)

#define NAME(permutes, step, taps, rows, pixels)                                                   \
    make_##permutes##_##step##_##taps##_##rows##_##pixels,
#define ROW(permutes, step, taps)                                                                  \
    { SIZES(NAME, permutes, step, taps) }
#define TABLE(permutes, step)                                                                      \
    {                                                                                              \
        [1] = ROW(permutes, step, 1), [2] = ROW(permutes, step, 2), [3] = ROW(permutes, step, 3),  \
        [4] = ROW(permutes, step, 4), [5] = ROW(permutes, step, 5), [7] = ROW(permutes, step, 7),  \
    }
enum { SIZE_COUNT = sizeof sizes / sizeof *sizes };
static const tn_conv_tile_function functions[2][2][TN_TILE_TAPS + 1][SIZE_COUNT] = {
    {TABLE(0, 1), TABLE(0, 2)},
    {TABLE(1, 1), TABLE(1, 2)},
};

bool TN_ISA(tn_conv_tile_fits)(const tn_conv_axis *y, const tn_conv_axis *x) {
    return y->taps * (tn_conv_tile_joins(x) ? 4 : x->taps) <= TN_TILE_RUNS;
}

static int size_of(const tn_conv_tile *t) {
    int size = 0;
    while (sizes[size].rows != t->rows || sizes[size].pixels < t->pixels) size++;
    return size;
}

void TN_ISA(tn_conv_tile_place_x)(tn_conv_tile *t) {
    const tn_conv_axis *x = t->x;
    const int most = sizes[size_of(t)].pixels;
    t->joined = tn_conv_tile_joins(x);
    t->reads = t->joined ? (most - 1) * x->read_step + x->taps : most;
    t->inner_from = -t->column;
    t->inner_to = t->width - t->column;
    if (!t->joined) return;
    /* One table of pixels serves all runs. What lies in the padding is not read. */
    for (int q = 0; q < t->reads; q++) {
        const int at = t->column + q, low = at < 0 ? 0 : at;
        t->from[q] = t->image + (low < t->width ? low : t->width - 1) * t->pitch;
        t->from[t->reads + q] = t->zeros;
    }
}

/* A row of the kernel as one run, or nothing. Where one row of the tile has it in the padding but
 * not the other, zeros are read. */
static void add_joined(tn_conv_tile *t, int ky) {
    const tn_conv_axis *y = t->y;
    tn_conv_run *run = &t->run[t->runs];
    bool any = false;
    for (int i = 0; i < t->rows; i++) {
        const int at = t->row + i * y->read_step + ky * y->read_tap;
        const bool inside = (unsigned)at < (unsigned)t->height;
        run->from[i] = inside ? t->from : t->from + t->reads;
        run->at[i] = inside ? at * t->row_pitch : 0;
        any |= inside;
    }
    run->index = ky;
    t->runs += any;
}

/* A run of one tap: it has its own table of pixels, with zeros for those of the padding. */
static void add_tap(tn_conv_tile *t, int ky, int kx) {
    const tn_conv_axis *y = t->y, *x = t->x;
    const float **from = t->from + (ptrdiff_t)t->runs * t->rows * t->reads;
    tn_conv_run *run = &t->run[t->runs++];
    run->index = ky * x->taps + kx;
    for (int i = 0; i < t->rows; i++, from += t->reads) {
        const int row = t->row + i * y->read_step + ky * y->read_tap;
        const bool inside = (unsigned)row < (unsigned)t->height;
        for (int q = 0; q < t->reads; q++) {
            const int at = t->column + kx * x->read_tap + q * x->read_step;
            from[q] = inside && (unsigned)at < (unsigned)t->width
                          ? t->image + row * t->row_pitch + at * t->pitch
                          : t->zeros;
        }
        run->from[i] = from;
        run->at[i] = 0;
    }
}

tn_conv_tile_function TN_ISA(tn_conv_tile_place_y)(tn_conv_tile *t) {
    const tn_conv_axis *x = t->x;
    const int step = t->joined ? x->read_step : 1, taps = t->joined ? x->taps : 1;
    t->runs = 0;
    for (int ky = 0; ky < t->y->taps && !t->outside; ky++)
        if (t->joined)
            add_joined(t, ky);
        else
            for (int kx = 0; kx < x->taps; kx++) add_tap(t, ky, kx);
    return functions[t->permutes][step - 1][taps][size_of(t)];
}

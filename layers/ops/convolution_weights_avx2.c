/* Weight gradients of convolution in AVX2.
 *
 * Images are cut into bands of rows that fit the second-level cache, the bands dealt out to the
 * threads in order. Over a band, up to 12 sums (taps of a kernel row times channels read, 8 made
 * channels each) stay in registers. Every thread has its own packed gradient; they are added up in
 * the order of the threads, so equal thread counts give equal bits. */
#include "layers/ops/convolution_grouping.h"
#include "layers/ops/convolution_kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TAPS = 5, BAND_BYTES = 256 << 10 };

typedef struct state {
    tn_grouping grouping;
    size_t block_floats, floats; /* packed: (blocks, kh, read, kw, 8) */
    int band;                    /* rows of out */
    float *zeros;
} state;

/* Part of a band: some taps of one kernel row, some channels, one block. Output (x, y) reads, with
 * the first of the taps, input (x*stride + column, y*row_stride + row). */
typedef struct sweep {
    const float *in, *dout; /* of the image, the block's first channel */
    const float *zeros;
    float *gradient; /* of the first tap and channel */
    int next;        /* floats from one channel to the next */
    int in_height, in_width, out_width;
    ptrdiff_t in_pitch, out_pitch;
    int from_row, to_row, row, row_stride;
    int column, stride, hole; /* hole: from tap to tap */
    int inner_from, inner_to; /* output columns whose taps all lie in the image */
    int lanes;
} sweep;

/* ---- the arithmetic ---- */

/* Adds one pixel's products to the sums; from: what each tap reads. */
TN_INLINE void add_pixel(__m256 *sum, const float *const *from, __m256 delta, tn_spread spread,
                         int taps, int channels, int first) {
#pragma GCC unroll 5
    for (int t = 0; t < taps; t++)
#pragma GCC unroll 4
        for (int i = 0; i < channels; i++) {
            const __m256 v = tn_spread_channel(from[t], spread, first + i);
            sum[t * channels + i] = _mm256_fmadd_ps(v, delta, sum[t * channels + i]);
        }
}

/* Output columns from..to-1 of one row, where taps may meet the padding. */
TN_INLINE void add_edge(const sweep *s, __m256 *sum, const float *row, const float *d, int from,
                        int to, __m256i mask, tn_spread spread, int taps, int channels, int first) {
    for (int x = from; x < to; x++) {
        const float *tapped[MAX_TAPS];
#pragma GCC unroll 5
        for (int t = 0; t < taps; t++) {
            const int at = x * s->stride + s->column + t * s->hole;
            tapped[t] = (unsigned)at < (unsigned)s->in_width ? row + at * s->in_pitch : s->zeros;
        }
        const __m256 delta = _mm256_maskload_ps(d + x * s->out_pitch, mask);
        add_pixel(sum, tapped, delta, spread, taps, channels, first);
    }
}

/* One row, the columns in the middle without a look at the padding. */
TN_INLINE void add_row(const sweep *s, __m256 *sum, const float *row, const float *d, __m256i mask,
                       tn_spread spread, int taps, int channels, int first) {
    add_edge(s, sum, row, d, 0, s->inner_from, mask, spread, taps, channels, first);
    const ptrdiff_t hole = s->hole * s->in_pitch, step = s->stride * s->in_pitch;
    const float *p = row + (s->inner_from * s->stride + s->column) * s->in_pitch;
    const float *delta = d + s->inner_from * s->out_pitch;
    for (int x = s->inner_from; x < s->inner_to; x++, p += step, delta += s->out_pitch) {
        const float *tapped[MAX_TAPS];
#pragma GCC unroll 5
        for (int t = 0; t < taps; t++) tapped[t] = p + t * hole;
        add_pixel(sum, tapped, _mm256_maskload_ps(delta, mask), spread, taps, channels, first);
    }
    add_edge(s, sum, row, d, s->inner_to, s->out_width, mask, spread, taps, channels, first);
}

TN_INLINE void run_sweep(const sweep *s, tn_spread spread, int taps, int channels, int first) {
    const __m256i mask = tn_lane_mask(s->lanes);
    __m256 sum[12];
#pragma GCC unroll 5
    for (int t = 0; t < taps; t++)
#pragma GCC unroll 4
        for (int i = 0; i < channels; i++)
            sum[t * channels + i] = _mm256_loadu_ps(s->gradient + i * s->next + t * TN_LANES);
    for (int y = s->from_row; y < s->to_row; y++) {
        const int at = y * s->row_stride + s->row;
        if ((unsigned)at >= (unsigned)s->in_height) continue;
        add_row(s, sum, s->in + at * s->in_width * s->in_pitch,
                s->dout + y * s->out_width * s->out_pitch, mask, spread, taps, channels, first);
    }
#pragma GCC unroll 5
    for (int t = 0; t < taps; t++)
#pragma GCC unroll 4
        for (int i = 0; i < channels; i++)
            _mm256_storeu_ps(s->gradient + i * s->next + t * TN_LANES, sum[t * channels + i]);
}

typedef void (*sweep_function)(const sweep *s);

#define SWEEP(spread, channels, first, taps)                                                       \
    static void sweep_##spread##_##channels##_##first##_##taps(const sweep *s) {                   \
        run_sweep(s, TN_SPREAD_##spread, taps, channels, first);                                   \
    }
#define SWEEPS_3(spread, channels, first)                                                          \
    SWEEP(spread, channels, first, 1)                                                              \
    SWEEP(spread, channels, first, 2) SWEEP(spread, channels, first, 3)
#define SWEEPS_5(spread, channels, first)                                                          \
    SWEEPS_3(spread, channels, first)                                                              \
    SWEEP(spread, channels, first, 4) SWEEP(spread, channels, first, 5)
SWEEPS_3(ANY, 4, 0)
SWEEPS_5(ANY, 2, 0)
SWEEPS_5(ANY, 1, 0)
SWEEPS_3(4, 4, 0)
SWEEPS_5(4, 2, 0)
SWEEPS_5(4, 2, 2)
SWEEPS_5(2, 2, 0)
SWEEPS_5(1, 1, 0)

#define ROW_3(s, c, f)                                                                             \
    { sweep_##s##_##c##_##f##_1, sweep_##s##_##c##_##f##_2, sweep_##s##_##c##_##f##_3 }
#define ROW_5(s, c, f)                                                                             \
    {                                                                                              \
        sweep_##s##_##c##_##f##_1, sweep_##s##_##c##_##f##_2, sweep_##s##_##c##_##f##_3,           \
            sweep_##s##_##c##_##f##_4, sweep_##s##_##c##_##f##_5                                   \
    }

static sweep_function sweep_any(int taps, int channels) {
    static const sweep_function four[3] = ROW_3(ANY, 4, 0), two[MAX_TAPS] = ROW_5(ANY, 2, 0),
                                one[MAX_TAPS] = ROW_5(ANY, 1, 0);
    return channels == 4 ? four[taps - 1] : channels == 2 ? two[taps - 1] : one[taps - 1];
}

static sweep_function sweep_for(tn_spread spread, int taps, int channels, int first) {
    static const sweep_function four[3] = ROW_3(4, 4, 0),
                                two_of_four[2][MAX_TAPS] = {ROW_5(4, 2, 0), ROW_5(4, 2, 2)},
                                two[MAX_TAPS] = ROW_5(2, 2, 0), one[MAX_TAPS] = ROW_5(1, 1, 0);
    switch (spread) {
    case TN_SPREAD_4:
        return channels == 4 ? four[taps - 1] : two_of_four[first / 2][taps - 1];
    case TN_SPREAD_2:
        return two[taps - 1];
    case TN_SPREAD_1:
        return one[taps - 1];
    default:
        return sweep_any(taps, channels);
    }
}

/* ---- the walk ---- */

/* How many channels to take with so many taps: 12 registers of sums, or 10. */
static int channels_at_once(const state *s, int taps, int left) {
    if (s->grouping.spread == TN_SPREAD_1) return 1;
    const int most = taps <= 3 && s->grouping.spread != TN_SPREAD_2 ? 4 : 2;
    return left >= most ? most : left >= 2 ? 2 : 1;
}

/* The columns where all of `taps` taps lie in the image. */
static void find_inner(sweep *w, int taps) {
    const int before = -w->column, room = w->in_width - 1 - (taps - 1) * w->hole - w->column;
    int from = before <= 0 ? 0 : (before + w->stride - 1) / w->stride;
    int to = room < 0 ? 0 : room / w->stride + 1;
    if (to > w->out_width) to = w->out_width;
    if (from > to) from = to;
    w->inner_from = from;
    w->inner_to = to;
}

static void sweep_taps(const state *s, sweep w, float *gradient, int taps) {
    const int read = s->grouping.read;
    const float *in = w.in;
    find_inner(&w, taps);
    for (int i = 0, channels; i < read; i += channels) {
        channels = channels_at_once(s, taps, read - i);
        w.gradient = gradient + (size_t)i * w.next;
        w.in = s->grouping.spread ? in : in + i;
        sweep_for(s->grouping.spread, taps, channels, i)(&w);
    }
}

static void sweep_block(const tn_op_run *r, const state *s, float *packed, int n, int band, int b) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0], *out = &r->dout;
    const tn_block block = tn_grouping_block(&s->grouping, b);
    const int to = (band + 1) * s->band, parts = (a->kw + MAX_TAPS - 1) / MAX_TAPS;
    sweep w = {
        .in = tn_data(in) + (size_t)n * in->h * in->w * in->pitch + block.read_at,
        .dout = tn_data(out) + (size_t)n * out->h * out->w * out->pitch + block.made_at,
        .zeros = s->zeros,
        .next = a->kw * TN_LANES,
        .in_height = in->h,
        .in_width = in->w,
        .out_width = out->w,
        .in_pitch = in->pitch,
        .out_pitch = out->pitch,
        .from_row = band * s->band,
        .to_row = to < out->h ? to : out->h,
        .row_stride = a->stride_y,
        .stride = a->stride_x,
        .hole = a->dilation,
        .lanes = block.lanes,
    };
    float *gradient = packed + b * s->block_floats;
    for (int ky = 0; ky < a->kh; ky++, gradient += (size_t)s->grouping.read * w.next) {
        w.row = ky * a->dilation - a->pad_y;
        for (int p = 0; p < parts; p++) {
            const int kx = a->kw * p / parts;
            w.column = kx * a->dilation - a->pad_x;
            sweep_taps(s, w, gradient + kx * TN_LANES, a->kw * (p + 1) / parts - kx);
        }
    }
}

/* Adds all threads' gradients of a block to the master's. */
static void unpack(const tn_op_run *r, const state *s, const float *packed, int b) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_block block = tn_grouping_block(&s->grouping, b);
    const int read = s->grouping.read, taps = a->kh * a->kw;
    for (int l = 0; l < block.lanes; l++)
        for (int i = 0; i < read; i++) {
            float *to = r->param[0]->grad + ((size_t)(block.made_at + l) * read + i) * taps;
            for (int t = 0; t < taps; t++) {
                const size_t at = ((size_t)(t / a->kw) * read + i) * a->kw + t % a->kw;
                const float *from = packed + b * s->block_floats + at * TN_LANES + l;
                float sum = 0;
                for (int thread = 0; thread < r->threads; thread++) sum += from[thread * s->floats];
                to[t] += sum;
            }
        }
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const state *s = k->state;
    float *packed = k->scratch;
    const int bands = (r->dout.h + s->band - 1) / s->band, units = r->dout.n * bands;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int thread = 0; thread < r->threads; thread++) {
        float *mine = packed + thread * s->floats;
        memset(mine, 0, s->floats * sizeof *mine);
        const int to = (int)((long long)units * (thread + 1) / r->threads);
        for (int u = (int)((long long)units * thread / r->threads); u < to; u++)
            for (int b = 0; b < s->grouping.blocks; b++)
                sweep_block(r, s, mine, u / bands, u % bands, b);
    }
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (int b = 0; b < s->grouping.blocks; b++) unpack(r, s, packed, b);
    return TN_OK;
}

/* ---- prepare ---- */

static tn_status prepare_any(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0], *out = &r->out;
    if (!tn_cpu_has_avx2()) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->grouping = tn_grouping_of(a->groups, in->c / a->groups, out->c / a->groups);
    s->zeros = calloc((size_t)s->grouping.read + TN_LANES, sizeof *s->zeros);
    if (!s->zeros) return tn_fail("%s: out of memory", r->op->name);
    s->block_floats = (size_t)a->kh * a->kw * s->grouping.read * TN_LANES;
    s->floats = s->grouping.blocks * s->block_floats;
    const size_t row =
        ((size_t)in->w * in->c * a->stride_y + (size_t)out->w * out->c) * sizeof(float);
    s->band = row < BAND_BYTES ? (int)(BAND_BYTES / row) : 1;
    if (s->band > out->h) s->band = out->h;
    k->scratch_bytes = r->threads * s->floats * sizeof(float);
    return TN_OK;
}

/* Better here than with oneDNN 2.6, measured as in convolution_avx2.c: 4 channels a group, 5x5 35
 * against 20 GFLOP/s, 3x3 35 against 11; 8 channels, 3x3 45 against 24, but 5x5 no better (45
 * against 46), and more channels worse; depthwise is the library's. */
static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    if (a->groups == 1 || (in == 1 && out == 1)) return TN_REFUSED;
    const bool few = in < TN_LANES && out < TN_LANES;
    const bool small = in <= TN_LANES && out <= TN_LANES && a->kw <= 3;
    const bool odd = in % TN_LANES != 0 || out % TN_LANES != 0;
    return few || small || odd ? prepare_any(r, k) : TN_REFUSED;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    free(s->zeros);
    free(s);
    k->state = NULL;
}

const tn_kernel tn_convolution_backward_params_avx2 = {"avx2", prepare, backward_params, release};
const tn_kernel tn_convolution_backward_params_avx2_any = {"avx2_any", prepare_any, backward_params,
                                                           release};

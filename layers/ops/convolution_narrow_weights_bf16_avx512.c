/* Weight gradients of grouped convolution of bf16 with four or eight channels a group: sixteen
 * channels that were read, of several groups, in the lanes of a vector.
 *
 * Sums run over pairs of neighbouring output pixels (VDPBF16PS). A row of what was read is laid out
 * once with two pixels' values of a channel next to each other; a row of what comes down likewise,
 * and spread: for each filter o of a group, a vector that holds in every lane filter o of the
 * lane's own group. Every thread has a gradient of its own in fp32; they are added up in their
 * order. */
#include "layers/ops/bf16_avx512.h"
#include "layers/ops/convolution_kernels.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 8, LONGEST_KERNEL = 7, FILTERS = 4 }; /* FILTERS: of a group, at once */

typedef struct state {
    int group, blocks; /* channels of a group; blocks of sixteen channels */
    int kh, kw, stride_y, stride_x, pad_y, pad_x;
    int width, pairs; /* of a laid out row of what was read; of a row of outputs */
    size_t ring_pairs, row_pairs, gradient; /* of a thread: rows read, a row of outputs; floats */
} state;

typedef struct workplace {
    uint32_t *read, *delta;
    int holds[RING]; /* which row of the image lies there; -1: none */
    float *gradient; /* (block, ky, filter / FILTERS, kx, FILTERS, lane) */
} workplace;

static bool serves(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    return tn_cpu_has_bf16() && tn_halves_alone(r) && in == out && (in == 4 || in == 8) &&
           r->out.c % TN_HALVES == 0 && a->dilation == 1 && a->kh <= LONGEST_KERNEL &&
           a->kw <= LONGEST_KERNEL;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    if (!serves(r)) return TN_REFUSED;
    if (tn_pixels(&r->in[0]) > INT_MAX || tn_pixels(&r->out) > INT_MAX) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    *s = (state){.group = r->out.c / a->groups,
                 .blocks = r->out.c / TN_HALVES,
                 .kh = a->kh,
                 .kw = a->kw,
                 .stride_y = a->stride_y,
                 .stride_x = a->stride_x,
                 .pad_y = a->pad_y,
                 .pad_x = a->pad_x};
    s->width = (r->out.w - 1) * a->stride_x + a->kw;
    s->pairs = (r->out.w + 1) / 2;
    s->ring_pairs = (size_t)RING * s->width * TN_HALVES;
    s->row_pairs = (size_t)s->pairs * s->group * TN_HALVES;
    s->gradient = (size_t)s->blocks * a->kh * a->kw * s->group * TN_HALVES;
    k->scratch_bytes =
        (size_t)r->threads * (s->ring_pairs + s->row_pairs + s->gradient) * sizeof(uint32_t);
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    free(k->state);
    k->state = NULL;
}

/* ---- layout ---- */

/* Sixteen channels of two pixels next to each other; NULL: zeros. */
TN_INLINE_HALVES __m512i pair_up(const tn_bf16 *first, const tn_bf16 *second) {
    __m512i low = _mm512_setzero_si512(), high = low;
    if (first) low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)first));
    if (second) high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)second));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* Column x of a laid out row, NULL where it lies in the padding or beyond. */
static const tn_bf16 *column(const state *s, const tn_tensor *in, const tn_bf16 *row, int x) {
    const int at = x - s->pad_x;
    return (unsigned)at < (unsigned)in->w ? row + (size_t)at * in->pitch : NULL;
}

static const uint32_t *row_of(const state *s, workplace *w, const tn_tensor *in, int image,
                              int block, int y) {
    const int slot = y % RING;
    uint32_t *to = w->read + (size_t)slot * s->width * TN_HALVES;
    if (w->holds[slot] == y) return to;
    w->holds[slot] = y;
    const size_t pixel = ((size_t)image * in->h + (size_t)y) * in->w;
    const tn_bf16 *row = tn_halves_pixel(in, pixel) + block * TN_HALVES;
    for (int x = 0; x < s->width; x++)
        _mm512_store_si512(to + (size_t)x * TN_HALVES,
                           pair_up(column(s, in, row, x), column(s, in, row, x + s->stride_x)));
    return to;
}

/* (filter / FILTERS, pair, FILTERS, lane) */
static void spread_delta(const state *s, const tn_tensor *dout, size_t pixel, int block,
                         uint32_t *to) {
    int at[TN_HALVES];
    for (int o = 0; o < s->group; o++) {
        for (int l = 0; l < TN_HALVES; l++) at[l] = l / s->group * s->group + o;
        const __m512i lanes = _mm512_loadu_si512(at);
        uint32_t *filter =
            to + ((size_t)(o / FILTERS) * s->pairs * FILTERS + o % FILTERS) * TN_HALVES;
        for (int x = 0; x < dout->w; x += 2, filter += FILTERS * TN_HALVES) {
            const tn_bf16 *first = tn_halves_pixel(dout, pixel + (size_t)x) + block * TN_HALVES;
            const __m512i both = pair_up(first, x + 1 < dout->w ? first + dout->pitch : NULL);
            _mm512_store_si512(filter, _mm512_permutexvar_epi32(lanes, both));
        }
    }
}

/* ---- sums ---- */

/* One row of outputs by one row of what was read: (kx, FILTERS, lane) += . taps is a constant where
 * this is inlined. */
TN_INLINE_HALVES void add_row(const uint32_t *delta, const uint32_t *read, int pairs,
                              ptrdiff_t step, int taps, float *gradient) {
    __m512 sum[LONGEST_KERNEL][FILTERS];
#pragma GCC unroll 7
    for (int x = 0; x < taps; x++)
#pragma GCC unroll 4
        for (int o = 0; o < FILTERS; o++)
            sum[x][o] = _mm512_load_ps(gradient + (x * FILTERS + o) * TN_HALVES);
    for (int i = 0; i < pairs; i++, read += step, delta += FILTERS * TN_HALVES) {
        __m512bh d[FILTERS];
#pragma GCC unroll 4
        for (int o = 0; o < FILTERS; o++) d[o] = (__m512bh)_mm512_load_si512(delta + o * TN_HALVES);
#pragma GCC unroll 7
        for (int x = 0; x < taps; x++) {
            const __m512bh v = (__m512bh)_mm512_load_si512(read + x * TN_HALVES);
#pragma GCC unroll 4
            for (int o = 0; o < FILTERS; o++) sum[x][o] = _mm512_dpbf16_ps(sum[x][o], d[o], v);
        }
    }
#pragma GCC unroll 7
    for (int x = 0; x < taps; x++)
#pragma GCC unroll 4
        for (int o = 0; o < FILTERS; o++)
            _mm512_store_ps(gradient + (x * FILTERS + o) * TN_HALVES, sum[x][o]);
}

static void add_taps(const uint32_t *delta, const uint32_t *read, int pairs, ptrdiff_t step,
                     int taps, float *gradient) {
    switch (taps) {
    case 1:
        add_row(delta, read, pairs, step, 1, gradient);
        return;
    case 2:
        add_row(delta, read, pairs, step, 2, gradient);
        return;
    case 3:
        add_row(delta, read, pairs, step, 3, gradient);
        return;
    case 4:
        add_row(delta, read, pairs, step, 4, gradient);
        return;
    case 5:
        add_row(delta, read, pairs, step, 5, gradient);
        return;
    case 6:
        add_row(delta, read, pairs, step, 6, gradient);
        return;
    default:
        add_row(delta, read, pairs, step, LONGEST_KERNEL, gradient);
    }
}

static void add_block(const state *s, workplace *w, const tn_tensor *in, const tn_tensor *dout,
                      int image, int block) {
    const size_t chunk = (size_t)s->kw * FILTERS * TN_HALVES;
    const int chunks = s->group / FILTERS;
    float *gradient = w->gradient + (size_t)block * s->kh * chunks * chunk;
    for (int i = 0; i < RING; i++) w->holds[i] = -1;
    for (int y = 0; y < dout->h; y++) {
        spread_delta(s, dout, ((size_t)image * dout->h + (size_t)y) * dout->w, block, w->delta);
        for (int ky = 0; ky < s->kh; ky++) {
            const int at = y * s->stride_y + ky - s->pad_y;
            if ((unsigned)at >= (unsigned)in->h) continue;
            const uint32_t *read = row_of(s, w, in, image, block, at);
            for (int q = 0; q < chunks; q++)
                add_taps(w->delta + (size_t)q * s->pairs * FILTERS * TN_HALVES, read, s->pairs,
                         (ptrdiff_t)2 * s->stride_x * TN_HALVES, s->kw,
                         gradient + ((size_t)ky * chunks + q) * chunk);
        }
    }
}

/* Filter f's gradient in the file's order += all threads' sums. */
static void unpack_filter(const state *s, const float *gradients, size_t own, int threads, int f,
                          float *grad) {
    const int block = f / TN_HALVES, o = f % s->group, chunks = s->group / FILTERS;
    const int first = f % TN_HALVES / s->group * s->group; /* the group's first lane */
    for (int ky = 0; ky < s->kh; ky++)
        for (int kx = 0; kx < s->kw; kx++) {
            const size_t row = ((size_t)block * s->kh + ky) * chunks + o / FILTERS;
            const float *lanes =
                gradients + ((row * s->kw + kx) * FILTERS + o % FILTERS) * TN_HALVES + first;
            for (int c = 0; c < s->group; c++) {
                float sum = lanes[c];
                for (int t = 1; t < threads; t++) sum += lanes[(size_t)t * own + c];
                grad[(((size_t)f * s->group + c) * s->kh + ky) * s->kw + kx] += sum;
            }
        }
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const state *s = k->state;
    const size_t own = s->ring_pairs + s->row_pairs + s->gradient;
    const int images = r->out.n;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        uint32_t *memory = (uint32_t *)k->scratch + (size_t)t * own;
        workplace w = {.read = memory, .delta = memory + s->ring_pairs};
        w.gradient = (float *)(memory + s->ring_pairs + s->row_pairs);
        memset(w.gradient, 0, s->gradient * sizeof(float));
        const int to = (int)((long)images * (t + 1) / r->threads);
        for (int n = (int)((long)images * t / r->threads); n < to; n++)
            for (int b = 0; b < s->blocks; b++) add_block(s, &w, &r->in[0], &r->dout, n, b);
    }
    const float *gradients = (const float *)k->scratch + s->ring_pairs + s->row_pairs;
    for (int f = 0; f < r->out.c; f++)
        unpack_filter(s, gradients, own, r->threads, f, r->param[0]->grad);
    return TN_OK;
}

const tn_kernel tn_convolution_backward_params_narrow_bf16 = {"bf16",  prepare,   backward_params,
                                                              release, TN_ON_CPU, true};

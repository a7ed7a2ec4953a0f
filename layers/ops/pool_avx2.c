/* Pooling, eight channels at a time. Backward gathers: each input pixel looks up the windows that
 * cover it, so nothing is zeroed first and threads never meet. */
#include "layers/ops/avx2.h"
#include "layers/ops/elements.h"
#include "layers/ops/pool_kernels.h"

#include <string.h>

/* Eight places of a mask row, or as many as there are. */
static inline __m256i load_places(const uint8_t *from, int count) {
    uint8_t byte[TN_LANES] = {0};
    if (count >= TN_LANES) return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
    memcpy(byte, from, (size_t)count);
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)byte));
}

static inline void store_places(uint8_t *to, __m256i place, int count) {
    const __m128i low = _mm256_castsi256_si128(place), high = _mm256_extracti128_si256(place, 1);
    const __m128i words = _mm_packus_epi32(low, high), bytes = _mm_packus_epi16(words, words);
    uint8_t byte[TN_LANES];
    if (count >= TN_LANES) {
        _mm_storel_epi64((__m128i *)to, bytes);
        return;
    }
    _mm_storel_epi64((__m128i *)byte, bytes);
    memcpy(to, byte, (size_t)count);
}

/* ---- forward ---- */

/* One output pixel, and the input cells that it covers. */
typedef struct window {
    int n, y, x;
    tn_pool_range rows, columns;
} window;

static window window_of(const tn_op_run *r, size_t pixel) {
    const size_t w = (size_t)r->out.w, h = (size_t)r->out.h;
    window o = {.n = (int)(pixel / w / h), .y = (int)(pixel / w % h), .x = (int)(pixel % w)};
    o.rows = tn_pool_rows(r, o.y);
    o.columns = tn_pool_columns(r, o.x);
    return o;
}

/* Larger values replace, the first NaN replaces and is never replaced. */
static inline void max_vector(const tn_op_run *r, const window *o, const tn_pool_attr *a,
                              uint8_t *places, int c, bool whole) {
    const tn_tensor *in = &r->in[0];
    const __m256i lanes = whole ? _mm256_setzero_si256() : tn_lanes(c, in->c);
    const float *first = tn_pixel_at(in, o->n, o->rows.begin, o->columns.begin) + c;
    const int start =
        (o->rows.begin - o->rows.start) * a->size_x + o->columns.begin - o->columns.start;
    __m256 best = tn_load(first, whole, lanes);
    __m256i place = _mm256_set1_epi32(start);
    for (int y = o->rows.begin; y < o->rows.end; y++) {
        const float *cell = tn_pixel_at(in, o->n, y, o->columns.begin) + c;
        int at = (y - o->rows.start) * a->size_x + o->columns.begin - o->columns.start;
        for (int x = o->columns.begin; x < o->columns.end; x++, at++, cell += in->pitch) {
            const __m256 v = tn_load(cell, whole, lanes);
            const __m256 replaces = _mm256_and_ps(_mm256_cmp_ps(v, best, _CMP_NLE_UQ),
                                                  _mm256_cmp_ps(best, best, _CMP_ORD_Q));
            best = _mm256_blendv_ps(best, v, replaces);
            place = _mm256_blendv_epi8(place, _mm256_set1_epi32(at), _mm256_castps_si256(replaces));
        }
    }
    tn_store(tn_pixel_at(&r->out, o->n, o->y, o->x) + c, best, whole, lanes);
    if (places) store_places(places + c, place, whole ? TN_LANES : in->c - c);
}

/* Sums row by row: rounding grows with the window's sides, not with its area. */
static inline void mean_vector(const tn_op_run *r, const window *o, int c, bool whole) {
    const tn_tensor *in = &r->in[0];
    const __m256i lanes = whole ? _mm256_setzero_si256() : tn_lanes(c, in->c);
    const int cells = (o->rows.end - o->rows.begin) * (o->columns.end - o->columns.begin);
    __m256 sum = _mm256_setzero_ps();
    for (int y = o->rows.begin; y < o->rows.end; y++) {
        const float *cell = tn_pixel_at(in, o->n, y, o->columns.begin) + c;
        __m256 row = _mm256_setzero_ps();
        for (int x = o->columns.begin; x < o->columns.end; x++, cell += in->pitch)
            row = _mm256_add_ps(row, tn_load(cell, whole, lanes));
        sum = _mm256_add_ps(sum, row);
    }
    const __m256 mean = _mm256_div_ps(sum, _mm256_set1_ps((float)cells));
    tn_store(tn_pixel_at(&r->out, o->n, o->y, o->x) + c, mean, whole, lanes);
}

static inline void forward_pixel(const tn_op_run *r, size_t pixel, bool max) {
    const tn_pool_attr *a = r->op->attr;
    const window o = window_of(r, pixel);
    const int channels = r->out.c;
    uint8_t *places = r->save ? (uint8_t *)r->save + pixel * (size_t)channels : NULL;
    for (int c = 0; c < channels; c += TN_LANES) {
        const bool whole = c + TN_LANES <= channels;
        if (max && whole)
            max_vector(r, &o, a, places, c, true);
        else if (max)
            max_vector(r, &o, a, places, c, false);
        else if (whole)
            mean_vector(r, &o, c, true);
        else
            mean_vector(r, &o, c, false);
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_pool_attr *a = r->op->attr;
    const size_t pixels = tn_pixels(&r->out);
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        if (a->type == TN_POOL_MAX)
            forward_pixel(r, p, true);
        else
            forward_pixel(r, p, false);
    }
    return TN_OK;
}

/* ---- backward ---- */

/* What one output pixel gives to the input pixel in hand: its gradient where the maximum was
 * `place`, or `weight` times it. */
typedef struct gift {
    const float *delta;
    const uint8_t *places;
    int place;
    float weight;
} gift;

static gift gift_of(const tn_op_run *r, int n, int y, int x, int at_y, int at_x) {
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor *dout = &r->dout;
    gift g = {.delta = tn_pixel_at(dout, n, y, x)};
    if (a->type == TN_POOL_MAX) {
        const size_t pixel = ((size_t)n * dout->h + y) * dout->w + x;
        g.places = (const uint8_t *)r->save + pixel * (size_t)dout->c;
        g.place = (at_y - y * a->stride_y + a->before_y) * a->size_x +
                  (at_x - x * a->stride_x + a->before_x);
    } else {
        const tn_pool_range rows = tn_pool_rows(r, y), columns = tn_pool_columns(r, x);
        g.weight = 1 / (float)((rows.end - rows.begin) * (columns.end - columns.begin));
    }
    return g;
}

static inline void give_vector(const gift *gifts, int count, float *to, bool add, int c,
                               int channels, bool max, bool whole) {
    const __m256i lanes = whole ? _mm256_setzero_si256() : tn_lanes(c, channels);
    __m256 sum = add ? tn_load(to + c, whole, lanes) : _mm256_setzero_ps();
    for (int i = 0; i < count; i++) {
        const __m256 delta = tn_load(gifts[i].delta + c, whole, lanes);
        __m256 share;
        if (max) {
            const __m256i from = load_places(gifts[i].places + c, whole ? TN_LANES : channels - c);
            const __m256i hit = _mm256_cmpeq_epi32(from, _mm256_set1_epi32(gifts[i].place));
            share = _mm256_and_ps(delta, _mm256_castsi256_ps(hit));
        } else {
            share = _mm256_mul_ps(delta, _mm256_set1_ps(gifts[i].weight));
        }
        sum = _mm256_add_ps(sum, share);
    }
    tn_store(to + c, sum, whole, lanes);
}

static inline void give(const gift *gifts, int count, float *to, bool add, int channels, bool max) {
    int c = 0;
    for (; c + TN_LANES <= channels; c += TN_LANES)
        give_vector(gifts, count, to, add, c, channels, max, true);
    if (c < channels) give_vector(gifts, count, to, add, c, channels, max, false);
}

static inline void backward_pixel(const tn_op_run *r, size_t pixel, bool max) {
    enum { AT_ONCE = 32 };
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor *din = &r->din[0];
    const size_t w = (size_t)din->w, h = (size_t)din->h;
    const int n = (int)(pixel / w / h), y = (int)(pixel / w % h), x = (int)(pixel % w);
    const tn_pool_range rows =
        tn_pool_covering(a->type, y, a->size_y, a->stride_y, a->before_y, r->dout.h, din->h);
    const tn_pool_range columns =
        tn_pool_covering(a->type, x, a->size_x, a->stride_x, a->before_x, r->dout.w, din->w);
    gift gifts[AT_ONCE];
    int count = 0;
    bool add = r->accumulate[0];
    for (int oy = rows.begin; oy < rows.end; oy++) {
        for (int ox = columns.begin; ox < columns.end; ox++) {
            if (count == AT_ONCE) {
                give(gifts, count, tn_pixel(din, pixel), add, din->c, max);
                add = true;
                count = 0;
            }
            gifts[count++] = gift_of(r, n, oy, ox, y, x);
        }
    }
    give(gifts, count, tn_pixel(din, pixel), add, din->c, max);
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_pool_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    const size_t pixels = tn_pixels(&r->din[0]);
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        if (a->type == TN_POOL_MAX)
            backward_pixel(r, p, true);
        else
            backward_pixel(r, p, false);
    }
    return TN_OK;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_pool_attr *a = r->op->attr;
    if (!tn_has_avx2() || (a->type == TN_POOL_MAX && !tn_pool_small(a))) return TN_REFUSED;
    return tn_pool_prepare(r);
}

const tn_kernel tn_pool_forward_avx2 = {"avx2", prepare, forward, NULL};
const tn_kernel tn_pool_backward_avx2 = {"avx2", prepare, backward, NULL};

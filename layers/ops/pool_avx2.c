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

/* Output positions [begin, end) whose windows cover input position i. */
static tn_pool_range covering(tn_pool_type type, int i, int size, int stride, int before,
                              int outputs, int extent) {
    tn_pool_range o = {0};
    if (type == TN_POOL_ADAPTIVE) {
        o.begin = (int)((int64_t)i * outputs / extent);
        o.end = (int)(((int64_t)(i + 1) * outputs + extent - 1) / extent);
        return o;
    }
    const int first = i + before - size + 1, last = (i + before) / stride + 1;
    o.begin = first <= 0 ? 0 : (first + stride - 1) / stride;
    o.end = last > outputs ? outputs : last;
    return o;
}

/* What output (n, y, x) gives to eight channels of the input pixel at (at_y, at_x). */
static inline __m256 share_of(const tn_op_run *r, int n, int y, int x, int at_y, int at_x, int c,
                              bool max, bool whole, __m256i lanes) {
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor *dout = &r->dout;
    const __m256 delta = tn_load(tn_pixel_at(dout, n, y, x) + c, whole, lanes);
    if (!max) {
        const tn_pool_range rows = tn_pool_rows(r, y), columns = tn_pool_columns(r, x);
        const int cells = (rows.end - rows.begin) * (columns.end - columns.begin);
        return _mm256_mul_ps(delta, _mm256_set1_ps(1 / (float)cells));
    }
    const size_t pixel = ((size_t)n * dout->h + y) * dout->w + x;
    const uint8_t *places = (const uint8_t *)r->save + pixel * (size_t)dout->c + c;
    const int place = (at_y - (y * a->stride_y - a->before_y)) * a->size_x + at_x -
                      (x * a->stride_x - a->before_x);
    const __m256i hit = _mm256_cmpeq_epi32(load_places(places, whole ? TN_LANES : dout->c - c),
                                           _mm256_set1_epi32(place));
    return _mm256_and_ps(delta, _mm256_castsi256_ps(hit));
}

static inline void backward_vector(const tn_op_run *r, int n, int y, int x, tn_pool_range rows,
                                   tn_pool_range columns, int c, bool max, bool whole) {
    const tn_tensor *din = &r->din[0];
    const __m256i lanes = whole ? _mm256_setzero_si256() : tn_lanes(c, din->c);
    float *to = tn_pixel_at(din, n, y, x) + c;
    __m256 sum = r->accumulate[0] ? tn_load(to, whole, lanes) : _mm256_setzero_ps();
    for (int oy = rows.begin; oy < rows.end; oy++)
        for (int ox = columns.begin; ox < columns.end; ox++)
            sum = _mm256_add_ps(sum, share_of(r, n, oy, ox, y, x, c, max, whole, lanes));
    tn_store(to, sum, whole, lanes);
}

static inline void backward_pixel(const tn_op_run *r, size_t pixel, bool max) {
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor *din = &r->din[0];
    const size_t w = (size_t)din->w, h = (size_t)din->h;
    const int n = (int)(pixel / w / h), y = (int)(pixel / w % h), x = (int)(pixel % w);
    const tn_pool_range rows =
        covering(a->type, y, a->size_y, a->stride_y, a->before_y, r->dout.h, din->h);
    const tn_pool_range columns =
        covering(a->type, x, a->size_x, a->stride_x, a->before_x, r->dout.w, din->w);
    int c = 0;
    for (; c + TN_LANES <= din->c; c += TN_LANES)
        backward_vector(r, n, y, x, rows, columns, c, max, true);
    if (c < din->c) backward_vector(r, n, y, x, rows, columns, c, max, false);
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

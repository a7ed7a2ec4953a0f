/* Pooling of bf16, sixteen channels at a time; sums are of fp32 and rounded once. Backward gathers:
 * each input pixel looks up the windows that cover it, so nothing is zeroed first and threads never
 * meet. */
#include "layers/ops/bf16_avx512.h"
#include "layers/ops/pool_kernels.h"

static tn_bf16 *pixel_at(const tn_tensor *t, int n, int y, int x) {
    return tn_halves_pixel(t, ((size_t)n * t->h + (size_t)y) * t->w + (size_t)x);
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

/* Larger values replace, the first NaN replaces and is never replaced. `place` is where the
 * window's first cell lies in it, `width` the window's. */
TN_INLINE_HALVES __m512 most(const tn_tensor *in, const window *o, int place, int width, int c,
                             bool whole, __mmask16 mask, __m128i *places) {
    __m512 best =
        tn_halves_load(pixel_at(in, o->n, o->rows.begin, o->columns.begin) + c, whole, mask);
    *places = _mm_set1_epi8((char)place);
    for (int y = o->rows.begin; y < o->rows.end; y++, place += width) {
        const tn_bf16 *cell = pixel_at(in, o->n, y, o->columns.begin) + c;
        for (int x = 0; x < o->columns.end - o->columns.begin; x++, cell += in->pitch) {
            const __m512 v = tn_halves_load(cell, whole, mask);
            const __mmask16 replaces = _mm512_cmp_ps_mask(v, best, _CMP_NLE_UQ) &
                                       _mm512_cmp_ps_mask(best, best, _CMP_ORD_Q);
            best = _mm512_mask_mov_ps(best, replaces, v);
            *places = _mm_mask_mov_epi8(*places, replaces, _mm_set1_epi8((char)(place + x)));
        }
    }
    return best;
}

/* Sums row by row: rounding grows with the window's sides, not with its area. */
TN_INLINE_HALVES __m512 mean(const tn_tensor *in, const window *o, int c, bool whole,
                             __mmask16 mask) {
    const int cells = (o->rows.end - o->rows.begin) * (o->columns.end - o->columns.begin);
    __m512 sum = _mm512_setzero_ps();
    for (int y = o->rows.begin; y < o->rows.end; y++) {
        const tn_bf16 *cell = pixel_at(in, o->n, y, o->columns.begin) + c;
        __m512 row = _mm512_setzero_ps();
        for (int x = o->columns.begin; x < o->columns.end; x++, cell += in->pitch)
            row = _mm512_add_ps(row, tn_halves_load(cell, whole, mask));
        sum = _mm512_add_ps(sum, row);
    }
    return _mm512_div_ps(sum, _mm512_set1_ps((float)cells));
}

static void forward_pixel(const tn_op_run *r, size_t pixel) {
    const tn_pool_attr *a = r->op->attr;
    const window o = window_of(r, pixel);
    const int channels = r->out.c;
    const int place = (o.rows.begin - o.rows.start) * a->size_x + o.columns.begin - o.columns.start;
    uint8_t *saved = r->save ? (uint8_t *)r->save + pixel * (size_t)channels : NULL;
    tn_bf16 *to = tn_halves_pixel(&r->out, pixel);
    for (int c = 0; c < channels; c += TN_HALVES) {
        const __mmask16 mask = tn_halves_mask(c, channels);
        const bool whole = mask == 0xFFFF;
        __m512 made;
        if (a->type == TN_POOL_MAX) {
            __m128i places;
            made = most(&r->in[0], &o, place, a->size_x, c, whole, mask, &places);
            if (saved) _mm_mask_storeu_epi8(saved + c, mask, places);
        } else {
            made = mean(&r->in[0], &o, c, whole, mask);
        }
        tn_halves_store(to + c, made, whole, mask);
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const size_t pixels = tn_pixels(&r->out);
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) forward_pixel(r, p);
    return TN_OK;
}

/* ---- backward ---- */

enum { MOST_GIFTS = 64 };

/* What one output pixel gives to the input pixel in hand: its gradient where the maximum was
 * `place`, or `weight` times it. */
typedef struct gift {
    const tn_bf16 *delta;
    const uint8_t *places;
    int place;
    float weight;
} gift;

static gift gift_of(const tn_op_run *r, int n, int y, int x, int at_y, int at_x) {
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor *dout = &r->dout;
    gift g = {.delta = pixel_at(dout, n, y, x)};
    if (a->type == TN_POOL_MAX) {
        const size_t pixel = ((size_t)n * dout->h + (size_t)y) * dout->w + (size_t)x;
        g.places = (const uint8_t *)r->save + pixel * (size_t)dout->c;
        g.place = (at_y - y * a->stride_y + a->before_y) * a->size_x +
                  (at_x - x * a->stride_x + a->before_x);
    } else {
        const tn_pool_range rows = tn_pool_rows(r, y), columns = tn_pool_columns(r, x);
        g.weight = 1 / (float)((rows.end - rows.begin) * (columns.end - columns.begin));
    }
    return g;
}

TN_INLINE_HALVES __m512 given(const gift *g, int c, bool max, bool whole, __mmask16 mask,
                              __m512 sum) {
    const __m512 delta = tn_halves_load(g->delta + c, whole, mask);
    if (!max) return _mm512_fmadd_ps(delta, _mm512_set1_ps(g->weight), sum);
    const __m128i from = _mm_maskz_loadu_epi8(mask, g->places + c);
    const __mmask16 hit = _mm_cmpeq_epi8_mask(from, _mm_set1_epi8((char)g->place));
    return _mm512_mask_add_ps(sum, hit, sum, delta);
}

/* Windows that cover one input pixel, no more than MOST_GIFTS: see serves. */
static int gifts_to(const tn_op_run *r, size_t pixel, gift *gifts) {
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor *din = &r->din[0];
    const size_t w = (size_t)din->w, h = (size_t)din->h;
    const int n = (int)(pixel / w / h), y = (int)(pixel / w % h), x = (int)(pixel % w);
    const tn_pool_range rows =
        tn_pool_covering(a->type, y, a->size_y, a->stride_y, a->before_y, r->dout.h, din->h);
    const tn_pool_range columns =
        tn_pool_covering(a->type, x, a->size_x, a->stride_x, a->before_x, r->dout.w, din->w);
    int count = 0;
    for (int oy = rows.begin; oy < rows.end; oy++)
        for (int ox = columns.begin; ox < columns.end; ox++)
            if (count < MOST_GIFTS) gifts[count++] = gift_of(r, n, oy, ox, y, x);
    return count;
}

static void backward_pixel(const tn_op_run *r, size_t pixel) {
    const tn_pool_attr *a = r->op->attr;
    const int channels = r->din[0].c;
    gift gifts[MOST_GIFTS];
    const int count = gifts_to(r, pixel, gifts);
    tn_bf16 *to = tn_halves_pixel(&r->din[0], pixel);
    for (int c = 0; c < channels; c += TN_HALVES) {
        const __mmask16 mask = tn_halves_mask(c, channels);
        const bool whole = mask == 0xFFFF;
        __m512 sum = _mm512_setzero_ps();
        if (r->accumulate[0]) sum = tn_halves_load(to + c, whole, mask);
        for (int i = 0; i < count; i++)
            sum = given(&gifts[i], c, a->type == TN_POOL_MAX, whole, mask, sum);
        tn_halves_store(to + c, sum, whole, mask);
    }
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    if (!r->din[0].data) return TN_OK;
    const size_t pixels = tn_pixels(&r->din[0]);
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) backward_pixel(r, p);
    return TN_OK;
}

/* Windows that cover a pixel along one axis, at most. */
static int covering(int size, int stride) {
    return (size + stride - 1) / stride;
}

static bool serves(const tn_op_run *r) {
    const tn_pool_attr *a = r->op->attr;
    if (!tn_cpu_has_bf16() || !tn_halves_alone(r)) return false;
    if (a->type == TN_POOL_ADAPTIVE) return r->out.h <= r->in[0].h && r->out.w <= r->in[0].w;
    if (a->type == TN_POOL_MAX && !tn_pool_small(a)) return false;
    return a->size_y <= 64 && a->size_x <= 64 &&
           covering(a->size_y, a->stride_y) * covering(a->size_x, a->stride_x) <= MOST_GIFTS;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return serves(r) ? tn_pool_prepare(r) : TN_REFUSED;
}

const tn_kernel tn_pool_forward_bf16 = {"bf16", prepare, forward, NULL, TN_ON_CPU, true};
const tn_kernel tn_pool_backward_bf16 = {"bf16", prepare, backward, NULL, TN_ON_CPU, true};

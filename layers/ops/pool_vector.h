/* Pooling, a vector of channels at a time. Backward gathers: each input pixel looks up the windows
 * that cover it, so nothing is zeroed first and threads never meet. Included by an _avx2.c, an
 * _avx512.c and a _bf16_avx512.c file; the bits of the first two's results are the same. */
#include "layers/ops/elements.h"
#include "layers/ops/pool_kernels.h"
#include "layers/ops/vector_rows.h"

#include <limits.h>

/* ---- places of maxima: a byte for each lane ---- */

#ifdef __AVX512F__

typedef __m128i places;

TN_INLINE_ALWAYS places places_all(int at) {
    return _mm_set1_epi8((char)at);
}
TN_INLINE_ALWAYS places places_choose(tn_vector_mask m, places a, places b) {
    return _mm_mask_mov_epi8(b, m, a);
}
TN_INLINE_ALWAYS void places_store(uint8_t *to, places p, int count) {
    if (count >= TN_VECTOR)
        _mm_storeu_si128((__m128i *)to, p);
    else
        _mm_mask_storeu_epi8(to, tn_row_lanes(0, count), p);
}
/* The lanes whose maximum came from place `at`. */
TN_INLINE_ALWAYS tn_vector_mask places_hit(const uint8_t *from, int at, int count) {
    const places p = count >= TN_VECTOR ? _mm_loadu_si128((const __m128i *)from)
                                        : _mm_maskz_loadu_epi8(tn_row_lanes(0, count), from);
    return _mm_cmpeq_epi8_mask(p, _mm_set1_epi8((char)at));
}
/* Larger values replace, the first NaN replaces and is never replaced. */
TN_INLINE_ALWAYS tn_vector_mask replaces(tn_vector v, tn_vector best) {
    return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(best, best, _CMP_ORD_Q), v, best,
                                   _CMP_NLE_UQ);
}
TN_INLINE_ALWAYS tn_vector divided(tn_vector a, tn_vector b) {
    return _mm512_div_ps(a, b);
}

#else

typedef __m256i places;

TN_INLINE_ALWAYS places places_all(int at) {
    return _mm256_set1_epi32(at);
}
TN_INLINE_ALWAYS places places_choose(tn_vector_mask m, places a, places b) {
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m));
}
TN_INLINE_ALWAYS void places_store(uint8_t *to, places p, int count) {
    const __m128i low = _mm256_castsi256_si128(p), high = _mm256_extracti128_si256(p, 1);
    const __m128i words = _mm_packus_epi32(low, high), bytes = _mm_packus_epi16(words, words);
    uint8_t byte[TN_VECTOR];
    _mm_storel_epi64((__m128i *)(count >= TN_VECTOR ? to : byte), bytes);
    if (count < TN_VECTOR) memcpy(to, byte, (size_t)count);
}
TN_INLINE_ALWAYS tn_vector_mask places_hit(const uint8_t *from, int at, int count) {
    uint8_t byte[TN_VECTOR] = {0};
    if (count < TN_VECTOR) memcpy(byte, from, (size_t)count);
    const __m128i p = _mm_loadl_epi64((const __m128i *)(count >= TN_VECTOR ? from : byte));
    const __m256i hit = _mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(p), _mm256_set1_epi32(at));
    return _mm256_castsi256_ps(hit);
}
TN_INLINE_ALWAYS tn_vector_mask replaces(tn_vector v, tn_vector best) {
    return _mm256_and_ps(_mm256_cmp_ps(v, best, _CMP_NLE_UQ),
                         _mm256_cmp_ps(best, best, _CMP_ORD_Q));
}
TN_INLINE_ALWAYS tn_vector divided(tn_vector a, tn_vector b) {
    return _mm256_div_ps(a, b);
}

#endif

/* ---- a walk over the pixels of a map, without a division for each ---- */

typedef struct walk {
    int n, y, x;
    bool new_row; /* y differs from the step before */
} walk;

static walk walk_from(const tn_tensor *t, size_t pixel) {
    const size_t w = (size_t)t->w, h = (size_t)t->h;
    return (walk){(int)(pixel / w / h), (int)(pixel / w % h), (int)(pixel % w), true};
}

TN_INLINE_ALWAYS void walk_on(walk *o, const tn_tensor *t) {
    o->new_row = ++o->x == t->w;
    if (!o->new_row) return;
    o->x = 0;
    if (++o->y < t->h) return;
    o->y = 0;
    o->n++;
}

/* ---- forward ---- */

/* The input cells that one output pixel covers. */
typedef struct window {
    const tn_row_value *first;
    int start;                               /* place of the first one */
    int rows, columns, pitch, width, stride; /* stride: of columns */
    size_t row_pitch;
} window;

TN_INLINE_ALWAYS void max_vector(const window *o, tn_row_value *to, uint8_t *place_to, int c,
                                 int channels, bool whole) {
    const tn_lane_set lanes = tn_row_lanes(c, channels);
    tn_vector best = tn_row_load(o->first + c, whole, lanes);
    places place = places_all(o->start);
    for (int y = 0; y < o->rows; y++) {
        const tn_row_value *cell = o->first + (size_t)y * o->row_pitch + c;
        for (int x = 0; x < o->columns; x++, cell += o->pitch) {
            if (x < o->stride) tn_row_ahead(cell);
            const tn_vector v = tn_row_load(cell, whole, lanes);
            const tn_vector_mask larger = replaces(v, best);
            best = tn_vector_choose(larger, v, best);
            place = places_choose(larger, places_all(o->start + y * o->width + x), place);
        }
    }
    tn_row_store(to + c, best, whole, lanes);
    if (place_to) places_store(place_to + c, place, whole ? TN_VECTOR : channels - c);
}

/* Sums row by row: rounding grows with the window's sides, not with its area. */
TN_INLINE_ALWAYS void mean_vector(const window *o, tn_row_value *to, int c, int channels,
                                  bool whole) {
    const tn_lane_set lanes = tn_row_lanes(c, channels);
    tn_vector sum = tn_vector_zero();
    for (int y = 0; y < o->rows; y++) {
        const tn_row_value *cell = o->first + (size_t)y * o->row_pitch + c;
        tn_vector row = tn_vector_zero();
        for (int x = 0; x < o->columns; x++, cell += o->pitch)
            row = tn_vector_add(row, tn_row_load(cell, whole, lanes));
        sum = tn_vector_add(sum, row);
    }
    const tn_vector mean = divided(sum, tn_vector_all((float)(o->rows * o->columns)));
    tn_row_store(to + c, mean, whole, lanes);
}

TN_INLINE_ALWAYS void forward_pixel(const window *o, tn_row_value *to, uint8_t *place_to,
                                    int channels, bool max) {
    int c = 0;
    for (; c + TN_VECTOR <= channels; c += TN_VECTOR) {
        if (max)
            max_vector(o, to, place_to, c, channels, true);
        else
            mean_vector(o, to, c, channels, true);
    }
    if (c == channels) return;
    if (max)
        max_vector(o, to, place_to, c, channels, false);
    else
        mean_vector(o, to, c, channels, false);
}

TN_INLINE_ALWAYS void forward_span(const tn_op_run *r, const tn_pool_range *columns, tn_span span,
                                   bool max) {
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor in = r->in[0], out = r->out;
    uint8_t *const save = r->save;
    tn_pool_range rows = {0};
    window o = {.pitch = in.pitch, .width = a->size_x, .stride = a->stride_x};
    o.row_pitch = (size_t)in.w * in.pitch;
    walk at = walk_from(&out, span.begin);
    for (size_t p = span.begin; p < span.end; p++, walk_on(&at, &out)) {
        if (at.new_row) rows = tn_pool_rows(r, at.y);
        const tn_pool_range across = columns[at.x];
        o.first = tn_row_at(&in, ((size_t)at.n * in.h + rows.begin) * in.w + across.begin);
        o.start = (rows.begin - rows.start) * a->size_x + across.begin - across.start;
        o.rows = rows.end - rows.begin;
        o.columns = across.end - across.begin;
        uint8_t *place_to = save ? save + p * (size_t)out.c : NULL;
        forward_pixel(&o, tn_row_at(&out, p), place_to, out.c, max);
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    const tn_pool_attr *a = r->op->attr;
    tn_pool_range *columns = k->scratch;
    for (int x = 0; x < r->out.w; x++) columns[x] = tn_pool_columns(r, x);
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        const tn_span span = tn_share(tn_pixels(&r->out), t, r->threads);
        if (a->type == TN_POOL_MAX)
            forward_span(r, columns, span, true);
        else
            forward_span(r, columns, span, false);
    }
    return TN_OK;
}

/* ---- backward ---- */

/* What one output pixel gives to the input pixel in hand: its gradient where the maximum was
 * `place`, or `weight` times it. */
typedef struct gift {
    const tn_row_value *delta;
    const uint8_t *places;
    int place;
    float weight;
} gift;

TN_INLINE_ALWAYS gift gift_of(const tn_op_run *r, int y, int x, walk to, bool max) {
    const tn_pool_attr *a = r->op->attr;
    const tn_tensor *dout = &r->dout;
    const size_t pixel = ((size_t)to.n * dout->h + y) * dout->w + x;
    gift g = {.delta = tn_row_at(dout, pixel)};
    if (max) {
        g.places = (const uint8_t *)r->save + pixel * (size_t)dout->c;
        g.place = (to.y - y * a->stride_y + a->before_y) * a->size_x +
                  (to.x - x * a->stride_x + a->before_x);
    } else {
        const tn_pool_range rows = tn_pool_rows(r, y), columns = tn_pool_columns(r, x);
        g.weight = 1 / (float)((rows.end - rows.begin) * (columns.end - columns.begin));
    }
    return g;
}

enum { AT_ONCE = 64 }; /* gifts that are summed before their sum is written */

/* How a pixel's gradient is written. */
typedef enum manner { OVERWRITE, ADD, STREAM } manner;

TN_INLINE_ALWAYS void give_vector(const gift *gifts, int count, tn_row_value *to, manner how, int c,
                                  int channels, bool max, bool whole) {
    const tn_lane_set lanes = tn_row_lanes(c, channels);
    tn_vector sum = how == ADD ? tn_row_load(to + c, whole, lanes) : tn_vector_zero();
    for (int i = 0; i < count; i++) {
        const tn_vector delta = tn_row_load(gifts[i].delta + c, whole, lanes);
        if (i == count - 1) tn_row_ahead(gifts[i].delta + c);
        if (max) {
            const tn_vector_mask hit =
                places_hit(gifts[i].places + c, gifts[i].place, whole ? TN_VECTOR : channels - c);
            sum = tn_vector_add(sum, tn_vector_keep(hit, delta));
        } else {
            sum = tn_vector_add(sum, tn_vector_mul(delta, tn_vector_all(gifts[i].weight)));
        }
    }
    if (whole && how == STREAM)
        tn_row_stream(to + c, sum);
    else
        tn_row_store(to + c, sum, whole, lanes);
}

TN_INLINE_ALWAYS void give(const gift *gifts, int count, tn_row_value *to, manner how, int channels,
                           bool max) {
    int c = 0;
    for (; c + TN_VECTOR <= channels; c += TN_VECTOR)
        give_vector(gifts, count, to, how, c, channels, max, true);
    if (c < channels) give_vector(gifts, count, to, how, c, channels, max, false);
}

/* Input pixel `at`, which output rows and columns of these ranges cover. */
TN_INLINE_ALWAYS void backward_pixel(const tn_op_run *r, walk at, tn_pool_range rows,
                                     tn_pool_range columns, tn_row_value *to, manner how,
                                     bool max) {
    gift gifts[AT_ONCE];
    int count = 0;
    /* What will be added to must not be on its way to memory. */
    const int all = (rows.end - rows.begin) * (columns.end - columns.begin);
    if (how == STREAM && all > AT_ONCE) how = OVERWRITE;
    for (int y = rows.begin; y < rows.end; y++) {
        for (int x = columns.begin; x < columns.end; x++) {
            if (count == AT_ONCE) {
                give(gifts, count, to, how, r->din[0].c, max);
                how = ADD;
                count = 0;
            }
            gifts[count++] = gift_of(r, y, x, at, max);
        }
    }
    give(gifts, count, to, how, r->din[0].c, max);
}

static tn_pool_range covering_rows(const tn_op_run *r, int y) {
    const tn_pool_attr *a = r->op->attr;
    return tn_pool_covering(a->type, y, a->size_y, a->stride_y, a->before_y, r->dout.h,
                            r->din[0].h);
}

static tn_pool_range covering_columns(const tn_op_run *r, int x) {
    const tn_pool_attr *a = r->op->attr;
    return tn_pool_covering(a->type, x, a->size_x, a->stride_x, a->before_x, r->dout.w,
                            r->din[0].w);
}

TN_INLINE_ALWAYS void backward_span(const tn_op_run *r, const tn_pool_range *columns, tn_span span,
                                    bool max) {
    const tn_tensor din = r->din[0];
    const manner how = r->accumulate[0] ? ADD : tn_row_streams(&din) ? STREAM : OVERWRITE;
    tn_pool_range rows = {0};
    walk at = walk_from(&din, span.begin);
    for (size_t p = span.begin; p < span.end; p++, walk_on(&at, &din)) {
        if (at.new_row) rows = covering_rows(r, at.y);
        backward_pixel(r, at, rows, columns[at.x], tn_row_at(&din, p), how, max);
    }
    _mm_sfence();
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    const tn_pool_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    tn_pool_range *columns = k->scratch;
    for (int x = 0; x < r->din[0].w; x++) columns[x] = covering_columns(r, x);
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        const tn_span span = tn_share(tn_pixels(&r->din[0]), t, r->threads);
        if (a->type == TN_POOL_MAX)
            backward_span(r, columns, span, true);
        else
            backward_span(r, columns, span, false);
    }
    return TN_OK;
}

/* Output pixels that one input pixel gives to, at most. */
static int most_gifts(const tn_op_run *r) {
    const tn_pool_attr *a = r->op->attr;
    if (a->type == TN_POOL_ADAPTIVE)
        return r->out.h <= r->in[0].h && r->out.w <= r->in[0].w ? 4 : INT_MAX;
    const int64_t rows = (a->size_y + a->stride_y - 1) / a->stride_y;
    const int64_t columns = (a->size_x + a->stride_x - 1) / a->stride_x;
    return rows * columns > INT_MAX ? INT_MAX : (int)(rows * columns);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_pool_attr *a = r->op->attr;
    if (!tn_row_serves(r) || (a->type == TN_POOL_MAX && !tn_pool_small(a))) return TN_REFUSED;
    /* A sum of bf16 that is written in between would be rounded more than once. */
    if (TN_ROW_IS_BF16 && most_gifts(r) > AT_ONCE) return TN_REFUSED;
    const int widest = r->in[0].w > r->out.w ? r->in[0].w : r->out.w;
    k->scratch_bytes = (size_t)widest * sizeof(tn_pool_range);
    return tn_pool_prepare(r);
}

const tn_kernel TN_ISA(tn_pool_forward) = {TN_ISA_TEXT, prepare,   forward,
                                           NULL,        TN_ON_CPU, TN_ROW_IS_BF16};
const tn_kernel TN_ISA(tn_pool_backward) = {TN_ISA_TEXT, prepare,   backward,
                                            NULL,        TN_ON_CPU, TN_ROW_IS_BF16};

/* Dropout, eight random blocks at a time: Philox4x32-10 on vectors of counters.
 *
 * Element e of a sample, in c,h,w order, takes word e % 4 of block e / 4. On a 1x1 map neighbouring
 * channels share blocks: eight blocks serve 32 channels. On larger maps neighbouring pixels do:
 * lane i stands for channel c + i, and its block is made anew when the pixel leaves it. */
#include "layers/ops/avx2.h"
#include "layers/ops/dropout_kernels.h"
#include "layers/ops/elements.h"

typedef struct words {
    __m256i w[4];
} words;

/* High and low halves of the products of eight unsigned numbers with a constant. */
static inline void multiply(__m256i a, __m256i by, __m256i *high, __m256i *low) {
    const __m256i even = _mm256_mul_epu32(a, by);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), by);
    *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}

/* tn_philox for eight values of the first counter word. */
static inline words philox(const tn_dropout_stream *s, __m256i block) {
    const __m256i by_0 = _mm256_set1_epi32((int)0xD2511F53u);
    const __m256i by_1 = _mm256_set1_epi32((int)0xCD9E8D57u);
    uint32_t key_0 = (uint32_t)s->key, key_1 = (uint32_t)(s->key >> 32);
    __m256i c0 = block, c1 = _mm256_set1_epi32((int)s->sample);
    __m256i c2 = _mm256_set1_epi32((int)s->layer), c3 = _mm256_set1_epi32((int)s->step);
    for (int round = 0; round < 10; round++) {
        __m256i high_0, low_0, high_1, low_1;
        multiply(c0, by_0, &high_0, &low_0);
        multiply(c2, by_1, &high_1, &low_1);
        c0 = _mm256_xor_si256(_mm256_xor_si256(high_1, c1), _mm256_set1_epi32((int)key_0));
        c2 = _mm256_xor_si256(_mm256_xor_si256(high_0, c3), _mm256_set1_epi32((int)key_1));
        c1 = low_1;
        c3 = low_0;
        key_0 += 0x9E3779B9u;
        key_1 += 0xBB67AE85u;
    }
    return (words){{c0, c1, c2, c3}};
}

/* All ones where a word is at least the threshold (unsigned; a threshold below 2^32). */
static inline __m256 survives(__m256i word, uint32_t threshold) {
    const __m256i least = _mm256_set1_epi32((int)threshold);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(word, least), word));
}

/* What goes where: forward moves values, backward gradients. */
typedef struct transfer {
    const tn_tensor *from, *to;
    float scale;
    bool add;
} transfer;

static inline void put(const transfer *t, size_t pixel, int c, __m256 kept) {
    const bool whole = c + TN_LANES <= t->from->c;
    const __m256i lanes = tn_lanes(c, t->from->c);
    float *to = tn_pixel(t->to, pixel) + c;
    __m256 v = whole ? _mm256_loadu_ps(tn_pixel(t->from, pixel) + c)
                     : _mm256_maskload_ps(tn_pixel(t->from, pixel) + c, lanes);
    v = _mm256_and_ps(_mm256_mul_ps(v, _mm256_set1_ps(t->scale)), kept);
    if (t->add) v = _mm256_add_ps(v, tn_load(to, whole, lanes));
    tn_store(to, v, whole, lanes);
}

/* A 1x1 map: blocks run along the channels. */
static void drop_vector(const transfer *t, const tn_dropout_stream *s, size_t pixel) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (int c = 0; c < t->from->c; c += 4 * TN_LANES) {
        const words r = philox(s, _mm256_add_epi32(_mm256_set1_epi32(c / 4), lane));
        /* Lane i of word j belongs to channel c + 4i + j: a 4x4 transpose in each half. */
        const __m256i a = _mm256_unpacklo_epi32(r.w[0], r.w[1]);
        const __m256i b = _mm256_unpacklo_epi32(r.w[2], r.w[3]);
        const __m256i d = _mm256_unpackhi_epi32(r.w[0], r.w[1]);
        const __m256i e = _mm256_unpackhi_epi32(r.w[2], r.w[3]);
        const __m256i q[4] = {_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b),
                              _mm256_unpacklo_epi64(d, e), _mm256_unpackhi_epi64(d, e)};
        const __m256i run[4] = {_mm256_permute2x128_si256(q[0], q[1], 0x20),
                                _mm256_permute2x128_si256(q[2], q[3], 0x20),
                                _mm256_permute2x128_si256(q[0], q[1], 0x31),
                                _mm256_permute2x128_si256(q[2], q[3], 0x31)};
        for (int i = 0; i < 4 && c + i * TN_LANES < t->from->c; i++)
            put(t, pixel, c + i * TN_LANES, survives(run[i], (uint32_t)s->threshold));
    }
}

/* Eight channels from c on, over a map of `area` pixels that starts at `pixel`. */
static void drop_map(const transfer *t, const tn_dropout_stream *s, size_t pixel, size_t area,
                     int c) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i first = _mm256_mullo_epi32(_mm256_add_epi32(lane, _mm256_set1_epi32(c)),
                                             _mm256_set1_epi32((int)area));
    words r = {{lane, lane, lane, lane}};
    for (size_t p = 0; p < area; p++) {
        const __m256i element = _mm256_add_epi32(first, _mm256_set1_epi32((int)p));
        /* With 4 | area all lanes enter a new block together, every fourth pixel. */
        if (area % 4 != 0 || p % 4 == 0) r = philox(s, _mm256_srli_epi32(element, 2));
        const __m256i which = _mm256_and_si256(element, _mm256_set1_epi32(3));
        __m256i word = r.w[0];
        for (int j = 1; j < 4; j++)
            word =
                _mm256_blendv_epi8(word, r.w[j], _mm256_cmpeq_epi32(which, _mm256_set1_epi32(j)));
        put(t, pixel + p, c, survives(word, (uint32_t)s->threshold));
    }
}

static void drop_sample(const tn_op_run *r, const transfer *t, int n, int c) {
    const tn_dropout_attr *a = r->op->attr;
    const size_t area = (size_t)t->from->h * t->from->w;
    const tn_dropout_stream s =
        tn_dropout_stream_of(r->step, r->op->layer, r->step->first_sample + n, a->probability);
    if (s.threshold > UINT32_MAX) { /* everything is dropped */
        for (size_t p = 0; p < area; p++) put(t, n * area + p, c, _mm256_setzero_ps());
    } else {
        drop_map(t, &s, n * area, area, c);
    }
}

static void drop(const tn_op_run *r, const transfer *t) {
    const tn_dropout_attr *a = r->op->attr;
    const bool vectors = t->from->h == 1 && t->from->w == 1 && a->probability < 1;
    const int groups = vectors ? 1 : (t->from->c + TN_LANES - 1) / TN_LANES;
#pragma omp parallel for collapse(2) num_threads(r->threads)
    for (int n = 0; n < t->from->n; n++) {
        for (int g = 0; g < groups; g++) {
            if (!vectors) {
                drop_sample(r, t, n, g * TN_LANES);
                continue;
            }
            const tn_dropout_stream s = tn_dropout_stream_of(
                r->step, r->op->layer, r->step->first_sample + n, a->probability);
            drop_vector(t, &s, (size_t)n);
        }
    }
}

static void copy(const tn_op_run *r, const transfer *t) {
    const size_t pixels = tn_pixels(t->from);
    const __m256 all = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
#pragma omp parallel for num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++)
        for (int c = 0; c < t->from->c; c += TN_LANES) put(t, p, c, all);
}

static void move(const tn_op_run *r, const tn_tensor *from, const tn_tensor *to, bool add) {
    const tn_dropout_attr *a = r->op->attr;
    const bool drops = r->mode == TN_TRAIN;
    const transfer t = {from, to, drops ? tn_dropout_scale(a->probability) : 1, add};
    if (drops)
        drop(r, &t);
    else
        copy(r, &t);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)r, (void)k;
    return tn_has_avx2() ? TN_OK : TN_REFUSED;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    move(r, &r->in[0], &r->out, false);
    return TN_OK;
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    if (r->din[0].data) move(r, &r->dout, &r->din[0], r->accumulate[0]);
    return TN_OK;
}

const tn_kernel tn_dropout_forward_avx2 = {"avx2", prepare, forward, NULL};
const tn_kernel tn_dropout_backward_avx2 = {"avx2", prepare, backward, NULL};

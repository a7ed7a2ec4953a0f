/* Grouped convolution of bf16 with four or eight channels a group, forward and backward data:
 * sixteen channels, of several groups, in the lanes of a vector.
 *
 * A row of what is read is spread once: for each pixel and each pair p of a group's channels, a
 * vector that holds in every lane the pair p of the lane's own group. All taps of all outputs of a
 * row then are products (VDPBF16PS) of such vectors by packed weights, summed in registers and
 * rounded once. Backward data is the same walk with the sides exchanged: see
 * tn_conv_axis_backward. */
#include "layers/ops/bf16_avx512.h"
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/dense_slab.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PHASES = 3, RING = 8, LONGEST_KERNEL = 7, TILE = 28 };

/* One phase along both axes. */
typedef struct phase {
    const tn_conv_axis *y, *x;
    size_t weights_at, depth; /* pairs, of all blocks; vectors, of one block */
} phase;

typedef struct state {
    bool backward;
    int group, pairs, blocks; /* channels of a group, their pairs; blocks of sixteen channels */
    tn_conv_axis y[MAX_PHASES], x[MAX_PHASES];
    int phases_y, phases_x;
    tn_slab_axis slab_x;
    int slab_width, bands; /* bands: that an image's rows are cut into */
    phase phase[MAX_PHASES * MAX_PHASES];
    size_t packed_pairs, row_pairs; /* of the weights; of one spread row */
    uint32_t *packed;
    bool is_packed;
    uint64_t version;
    const float *master;
} state;

/* Spread rows of one image and block. */
typedef struct ring {
    uint32_t *row[RING];
    int holds[RING]; /* which row of the image; -1: none */
} ring;

/* ---- prepare ---- */

static bool serves(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    return tn_cpu_has_bf16() && tn_halves_alone(r) && in == out && (in == 4 || in == 8) &&
           r->out.c % TN_HALVES == 0 && a->dilation == 1 && a->kh <= LONGEST_KERNEL &&
           a->kw <= LONGEST_KERNEL && a->stride_y <= MAX_PHASES && a->stride_x <= MAX_PHASES;
}

static void lay_axes(state *s, const tn_convolution_attr *a, const tn_tensor *made) {
    s->phases_y = s->backward ? a->stride_y : 1;
    s->phases_x = s->backward ? a->stride_x : 1;
    if (!s->backward) {
        s->y[0] = tn_conv_axis_forward(a->kh, a->stride_y, a->pad_y, 1, made->h);
        s->x[0] = tn_conv_axis_forward(a->kw, a->stride_x, a->pad_x, 1, made->w);
    } else {
        for (int q = 0; q < s->phases_y; q++)
            s->y[q] = tn_conv_axis_backward(a->kh, a->stride_y, a->pad_y, 1, made->h, q);
        for (int q = 0; q < s->phases_x; q++)
            s->x[q] = tn_conv_axis_backward(a->kw, a->stride_x, a->pad_x, 1, made->w, q);
    }
    s->slab_x = tn_slab_axis_of(s->x, s->phases_x);
    s->slab_width = tn_slab_extent(&s->slab_x, s->x[0].count);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    if (!serves(r)) return TN_REFUSED;
    const tn_tensor *made = backward ? &r->in[0] : &r->out;
    if (tn_pixels(&r->in[0]) > INT_MAX || tn_pixels(&r->out) > INT_MAX) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->backward = backward;
    s->group = made->c / a->groups;
    s->pairs = s->group / 2;
    s->blocks = made->c / TN_HALVES;
    lay_axes(s, a, made);
    for (int i = 0; i < s->phases_y * s->phases_x; i++) {
        phase *p = &s->phase[i];
        *p = (phase){.y = &s->y[i / s->phases_x], .x = &s->x[i % s->phases_x]};
        p->weights_at = s->packed_pairs;
        p->depth = (size_t)p->y->taps * p->x->taps * s->pairs;
        s->packed_pairs += (size_t)s->blocks * p->depth * TN_HALVES;
    }
    s->row_pairs = (size_t)s->slab_width * s->pairs * TN_HALVES;
    s->bands = made->n >= 2 * r->threads ? 1 : 2 * r->threads;
    s->packed = aligned_alloc(64, s->packed_pairs * sizeof(uint32_t) + 64);
    if (!s->packed) return tn_fail("%s: out of memory for packed weights", r->op->name);
    k->scratch_bytes = (size_t)r->threads * RING * s->row_pairs * sizeof(uint32_t);
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    free(s->packed);
    free(s);
    k->state = NULL;
}

/* ---- weights ---- */

/* The weight of one tap that leads from the group's channel `read` to the net's channel `made`. */
static float weight(const state *s, const float *master, int taps, int tap, int made, int read) {
    const int first = made / s->group * s->group, within = made % s->group;
    const size_t at =
        s->backward ? (size_t)(first + read) * s->group + within : (size_t)made * s->group + read;
    return master[at * taps + tap];
}

/* One phase's: (block, tap y, tap x, pair, lane). */
static void pack_phase(const state *s, const tn_convolution_attr *a, const phase *p,
                       const float *master) {
    const int taps = a->kh * a->kw;
    uint32_t *to = s->packed + p->weights_at;
    for (int b = 0; b < s->blocks; b++)
        for (int ty = 0; ty < p->y->taps; ty++)
            for (int tx = 0; tx < p->x->taps; tx++) {
                const int tap =
                    (p->y->tap + ty * p->y->tap_step) * a->kw + p->x->tap + tx * p->x->tap_step;
                for (int q = 0; q < s->pairs; q++)
                    for (int l = 0; l < TN_HALVES; l++, to++) {
                        const int made = b * TN_HALVES + l;
                        const float low = weight(s, master, taps, tap, made, 2 * q);
                        const float high = weight(s, master, taps, tap, made, 2 * q + 1);
                        *to = tn_bf16_from_float(low).bits | (uint32_t)tn_bf16_from_float(high).bits
                                                                 << 16;
                    }
            }
}

static void pack(const tn_op_run *r, state *s) {
    const tn_param *p = r->param[0];
    if (s->is_packed && s->version == p->version && s->master == p->value) return;
    for (int i = 0; i < s->phases_y * s->phases_x; i++)
        pack_phase(s, r->op->attr, &s->phase[i], p->value);
    s->is_packed = true;
    s->version = p->version;
    s->master = p->value;
}

/* ---- spreading ---- */

/* Lane l of pair q: dword (l / group) * pairs + q of a block's eight. */
static __m512i lanes_of(const state *s, int q) {
    int at[TN_HALVES];
    for (int l = 0; l < TN_HALVES; l++) at[l] = l / s->group * s->pairs + q;
    return _mm512_loadu_si512(at);
}

/* Block's channels of one row of an image; outside of it, zeros. */
static void spread_row(const state *s, const tn_tensor *read, const tn_bf16 *row, uint32_t *to) {
    const __m512i lanes[4] = {lanes_of(s, 0), lanes_of(s, 1), lanes_of(s, 2 % s->pairs),
                              lanes_of(s, 3 % s->pairs)};
    for (int i = 0; i < s->slab_width; i++, to += s->pairs * TN_HALVES) {
        const int at = tn_slab_source(&s->slab_x, 0, i);
        if ((unsigned)at >= (unsigned)read->w) {
            memset(to, 0, (size_t)s->pairs * TN_HALVES * sizeof *to);
            continue;
        }
        const __m256i pixel = _mm256_loadu_si256((const __m256i *)(row + (size_t)at * read->pitch));
        const __m512i wide = _mm512_castsi256_si512(pixel);
        for (int q = 0; q < s->pairs; q++)
            _mm512_store_si512(to + q * TN_HALVES, _mm512_permutexvar_epi32(lanes[q], wide));
    }
}

static const uint32_t *row_of(const state *s, ring *g, const tn_tensor *read, int image, int block,
                              int y) {
    const int slot = y % RING;
    if (g->holds[slot] != y) {
        const size_t pixel = ((size_t)image * read->h + (size_t)y) * read->w;
        spread_row(s, read, tn_halves_pixel(read, pixel) + block * TN_HALVES, g->row[slot]);
        g->holds[slot] = y;
    }
    return g->row[slot];
}

/* ---- tiles ---- */

/* Neighbouring positions of one row, by rows of taps that lie in the image. */
typedef struct tile {
    const uint32_t *row[LONGEST_KERNEL]; /* what the first position's first tap reads */
    const uint32_t *weights[LONGEST_KERNEL];
    int rows, taps;
    ptrdiff_t step, tap_step; /* pairs from position to position, from tap to tap */
    tn_bf16 *made;
    ptrdiff_t made_step;
    bool add;
    /* What will be spread next, some pixels with every row of taps: the processor does not foresee
     * lines that lie a pixel apart. */
    const tn_bf16 *below;
    ptrdiff_t pitch;
    int below_pixels;
} tile;

/* positions and pairs are constants where this is inlined. */
TN_INLINE_HALVES void make_tile(const tile *t, int positions, int pairs) {
    __m512 sum[TILE];
#pragma GCC unroll 28
    for (int i = 0; i < positions; i++) sum[i] = _mm512_setzero_ps();
    for (int y = 0; y < t->rows; y++) {
        const uint32_t *w = t->weights[y], *from = t->row[y];
        for (int i = 0; i < t->below_pixels; i++)
            _mm_prefetch((const char *)(t->below + (y * t->below_pixels + i) * t->pitch),
                         _MM_HINT_T1);
        for (int x = 0; x < t->taps; x++, from += t->tap_step)
#pragma GCC unroll 4
            for (int q = 0; q < pairs; q++, w += TN_HALVES) {
                const __m512bh by = (__m512bh)_mm512_load_si512(w);
                const uint32_t *at = from + q * TN_HALVES;
#pragma GCC unroll 28
                for (int i = 0; i < positions; i++, at += t->step)
                    sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)_mm512_load_si512(at), by);
            }
    }
#pragma GCC unroll 28
    for (int i = 0; i < positions; i++) {
        tn_bf16 *to = t->made + i * t->made_step;
        __m512 made = sum[i];
        if (t->add) made = _mm512_add_ps(made, tn_halves_load(to, true, 0));
        tn_halves_store(to, made, true, 0);
    }
}

typedef void (*tile_function)(const tile *t);

#define TILES(positions)                                                                           \
    static void tile_##positions##_2(const tile *t) {                                              \
        make_tile(t, positions, 2);                                                                \
    }                                                                                              \
    static void tile_##positions##_4(const tile *t) {                                              \
        make_tile(t, positions, 4);                                                                \
    }
/* clang-format off: it takes the macros for types. */
TILES(28)
TILES(14)
TILES(7)
TILES(4)
TILES(2)
TILES(1)
/* clang-format on */

static const struct {
    int positions;
    tile_function make[2]; /* of two pairs, of four */
} sizes[] = {
    {28, {tile_28_2, tile_28_4}}, {14, {tile_14_2, tile_14_4}}, {7, {tile_7_2, tile_7_4}},
    {4, {tile_4_2, tile_4_4}},    {2, {tile_2_2, tile_2_4}},    {1, {tile_1_2, tile_1_4}},
};

/* ---- the walk ---- */

static void make_row(const state *s, const phase *p, tile *t, ptrdiff_t made_step) {
    for (int i = 0, size = 0; i < p->x->count;) {
        while (sizes[size].positions > p->x->count - i) size++;
        const int positions = sizes[size].positions;
        sizes[size].make[s->pairs == 4](t);
        i += positions;
        t->made += positions * made_step;
        t->below += t->rows * t->below_pixels * t->pitch;
        for (int y = 0; y < t->rows; y++) t->row[y] += positions * t->step;
    }
}

/* The row that position j + 1 reads anew, in about as many shares as there are rows of taps. */
static void look_below(const phase *p, tile *t, const tn_tensor *read, int image, int block,
                       int j) {
    const int last = p->y->read + (j + 1) * p->y->read_step + (p->y->taps - 1) * p->y->read_tap;
    const int y = last < 0 ? 0 : last < read->h ? last : read->h - 1;
    const int tiles = (p->x->count + TILE - 1) / TILE, steps = t->rows * tiles;
    const size_t pixel = ((size_t)image * read->h + (size_t)y) * read->w;
    t->below = tn_halves_pixel(read, pixel) + block * TN_HALVES;
    t->below_pixels = steps > 0 ? (read->w + steps - 1) / steps : 0;
    t->pitch = read->pitch;
}

/* Rows [from, to) of a phase's positions, of one image and block. */
static void make_rows(const state *s, const phase *p, const tn_tensor *read, const tn_tensor *made,
                      bool add, ring *g, int image, int block, int from, int to) {
    const size_t row_weights = (size_t)p->x->taps * s->pairs * TN_HALVES;
    const uint32_t *weights = s->packed + p->weights_at + (size_t)block * p->depth * TN_HALVES;
    const ptrdiff_t vector = (ptrdiff_t)s->pairs * TN_HALVES;
    const ptrdiff_t made_step = (ptrdiff_t)p->x->step * made->pitch;
    for (int j = from; j < to; j++) {
        tile t = {.taps = p->x->taps,
                  .step = s->slab_x.step * vector,
                  .tap_step = p->x->read_tap * vector,
                  .made_step = made_step,
                  .add = add};
        for (int ty = 0; ty < p->y->taps && p->x->taps > 0; ty++) {
            const int y = p->y->read + j * p->y->read_step + ty * p->y->read_tap;
            if ((unsigned)y >= (unsigned)read->h) continue;
            t.weights[t.rows] = weights + (size_t)ty * row_weights;
            t.row[t.rows++] =
                row_of(s, g, read, image, block, y) + (p->x->read - s->slab_x.first) * vector;
        }
        const int y = p->y->first + j * p->y->step;
        const size_t pixel = ((size_t)image * made->h + (size_t)y) * made->w + p->x->first;
        t.made = tn_halves_pixel(made, pixel) + block * TN_HALVES;
        look_below(p, &t, read, image, block, j);
        make_row(s, p, &t, made_step);
    }
}

static void make_band(const state *s, const tn_tensor *read, const tn_tensor *made, bool add,
                      ring *g, int image, int band) {
    for (int b = 0; b < s->blocks; b++) {
        for (int i = 0; i < RING; i++) g->holds[i] = -1;
        for (int i = 0; i < s->phases_y * s->phases_x; i++) {
            const phase *p = &s->phase[i];
            if (p->depth == 0 && add) continue;
            const int rows = p->y->count;
            make_rows(s, p, read, made, add, g, image, b, (int)((long)rows * band / s->bands),
                      (int)((long)rows * (band + 1) / s->bands));
        }
    }
}

static void walk(tn_op_run *r, tn_kernel_run *k, const tn_tensor *read, const tn_tensor *made,
                 bool add) {
    state *s = k->state;
    pack(r, s);
    const int jobs = made->n * s->bands;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        ring g;
        uint32_t *memory = (uint32_t *)k->scratch + (size_t)t * RING * s->row_pairs;
        for (int i = 0; i < RING; i++) g.row[i] = memory + (size_t)i * s->row_pairs;
        const int from = (int)((long)jobs * t / r->threads);
        const int to = (int)((long)jobs * (t + 1) / r->threads);
        for (int j = from; j < to; j++)
            make_band(s, read, made, add, &g, j / s->bands, j % s->bands);
    }
}

/* With a stride oneDNN is ahead: on Zen 5, one core, 200 GFLOP/s against 130. Without, it does 110
 * to 235 against 235 to 315. */
static bool library_leads(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    return TN_DNNL && (a->stride_y > 1 || a->stride_x > 1) && tn_is_dense(&r->in[0]) &&
           tn_is_dense(&r->out);
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    return library_leads(r) ? TN_REFUSED : prepare(r, k, false);
}

static tn_status prepare_backward(tn_op_run *r, tn_kernel_run *k) {
    return library_leads(r) ? TN_REFUSED : prepare(r, k, true);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    walk(r, k, &r->in[0], &r->out, false);
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    if (r->din[0].data) walk(r, k, &r->dout, &r->din[0], r->accumulate[0]);
    return TN_OK;
}

const tn_kernel tn_convolution_forward_narrow_bf16 = {"bf16",  prepare_forward, forward,
                                                      release, TN_ON_CPU,       true};
const tn_kernel tn_convolution_backward_data_narrow_bf16 = {
    "bf16", prepare_backward, backward_data, release, TN_ON_CPU, true};

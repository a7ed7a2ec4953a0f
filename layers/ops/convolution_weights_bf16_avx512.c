/* Weight gradients of convolution of bf16: a matrix product summed over pairs of output pixels
 * (VDPBF16PS), the same pixel of two images or neighbours in a row, for dense ones and groups of
 * whole vectors.
 *
 * A unit's pixels are packed once, both sides with two pixels' values of a channel next to each
 * other: what comes down in sets of ROWS filters, what is read in panels of LANES channels. A panel
 * then stays in the first-level cache while the sets pass by it. Gradients are fp32: a small one
 * every thread has for itself, and they are added up in the order of the threads; of a large one,
 * which would leave no room in the cache, every thread makes some panels, over all pixels. */
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/convolution_weights_bf16_pack.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- tiles ---- */

typedef struct tile {
    const uint32_t *delta, *read;
    ptrdiff_t step, row_step, image_step; /* of what is read, in pairs */
    int images, rows, row_pairs; /* row_pairs: of output pixels in a row, a part of a column too */
    int pairs;                   /* of one image */
    float *made;                 /* (ROWS, LANES) */
    const float *next;           /* what the next tile adds to */
    ahead *ahead;                /* four */
} tile;

TN_INLINE_HALVES void fetch_next(const tile *t) {
    for (int l = 0; l < TILE * (int)sizeof(float); l += LINE)
        _mm_prefetch((const char *)t->next + l, _MM_HINT_T0);
}

/* A few at a time: more than the second-level cache has room for on their way would halt the tile.
 */
TN_INLINE_HALVES void fetch_ahead(const tile *t) {
    for (int i = 0; i < 4; i++) {
        ahead *a = &t->ahead[i];
        for (ptrdiff_t l = 0; l < a->lines && a->at < a->end; l++, a->at += LINE)
            _mm_prefetch(a->at, _MM_HINT_T1);
    }
}

/* rows and vectors are constants where this is inlined. */
TN_INLINE_HALVES void add_tile(const tile *t, int rows, int vectors) {
    __m512 sum[ROWS][2];
    const uint32_t *delta = t->delta;
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = _mm512_loadu_ps(t->made + i * LANES + v * TN_HALVES);
    fetch_next(t); /* after what this tile itself waits for */
    for (int n = 0; n < t->images; n++)
        for (int y = 0; y < t->rows; y++) {
            const uint32_t *x = t->read + n * t->image_step + y * t->row_step;
            const int left = t->pairs - y * t->row_pairs;
            const int pairs = left < t->row_pairs ? left : t->row_pairs;
            const uint32_t *const end = delta + (ptrdiff_t)pairs * ROWS;
            fetch_ahead(t);
            for (; delta < end; delta += ROWS, x += t->step) {
                const __m512bh x0 = (__m512bh)_mm512_loadu_si512(x);
                const __m512bh x1 = vectors > 1 ? (__m512bh)_mm512_loadu_si512(x + TN_HALVES) : x0;
#pragma GCC unroll 12
                for (int i = 0; i < rows; i++) {
                    const __m512bh d = (__m512bh)_mm512_set1_epi32((int)delta[i]);
                    sum[i][0] = _mm512_dpbf16_ps(sum[i][0], d, x0);
                    if (vectors > 1) sum[i][1] = _mm512_dpbf16_ps(sum[i][1], d, x1);
                }
            }
        }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(t->made + i * LANES + v * TN_HALVES, sum[i][v]);
}

typedef void (*tile_function)(const tile *t);

#define TILES(rows)                                                                                \
    static void tile_##rows##_1(const tile *t) {                                                   \
        add_tile(t, rows, 1);                                                                      \
    }                                                                                              \
    static void tile_##rows##_2(const tile *t) {                                                   \
        add_tile(t, rows, 2);                                                                      \
    }
/* clang-format off: it takes the macros for types. */
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
#define BOTH(rows)                                                                                 \
    { tile_##rows##_1, tile_##rows##_2 }
static const tile_function tile_table[ROWS][2] = {
    BOTH(1), BOTH(2), BOTH(3), BOTH(4),  BOTH(5),  BOTH(6),
    BOTH(7), BOTH(8), BOTH(9), BOTH(10), BOTH(11), BOTH(12),
};
/* clang-format on */

/* ---- prepare ---- */

static bool serves(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    if (!tn_cpu_has_bf16() || !tn_halves_alone(r) || in > LONGEST || out > LONGEST) return false;
    return a->groups == 1 || (in % 16 == 0 && out % 16 == 0);
}

static int gradients_of(const state *s, int threads) {
    return s->shared ? 1 : threads;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    if (!serves(r)) return TN_REFUSED;
    tn_tensor out = r->out;
    if (tn_pixels(&out) > INT_MAX || tn_pixels(&r->in[0]) > INT_MAX) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->groups = a->groups;
    s->read = r->in[0].c / a->groups;
    s->made = out.c / a->groups;
    s->taps = a->kh * a->kw;
    s->sets = (s->made + ROWS - 1) / ROWS;
    s->rows = (s->made + s->sets - 1) / s->sets;
    s->panels = (s->read + LANES - 1) / LANES;
    s->tiles = (size_t)s->groups * s->sets * s->panels * s->taps * TILE;
    s->pixels = a->kh == 1 && a->kw == 1 && a->pad_y == 0 && a->pad_x == 0;
    s->stride_y = a->stride_y;
    s->stride_x = a->stride_x;
    s->abreast = s->pixels ? 1 : abreast_of(&out);
    if (s->pixels) out = tn_slab_column(out);
    s->y = tn_conv_axis_forward(a->kh, a->stride_y, a->pad_y, a->dilation, out.h);
    s->x = tn_conv_axis_forward(a->kw, a->stride_x, a->pad_x, a->dilation, out.w);
    s->slab_y = tn_slab_axis_of(&s->y, 1);
    s->slab_x = tn_slab_axis_of(&s->x, 1);
    s->slab_width = tn_slab_extent(&s->slab_x, s->x.count);
    lay_units(s, &out, r->threads);
    const size_t own = (s->read_pairs + s->delta_pairs) * sizeof(uint32_t);
    s->shared = s->tiles * sizeof(float) > OWN_GRADIENT && s->groups * s->panels >= 2 * r->threads;
    k->scratch_bytes =
        (size_t)r->threads * own + (size_t)gradients_of(s, r->threads) * s->tiles * sizeof(float);
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    free(k->state);
    k->state = NULL;
}

/* ---- sums ---- */

/* The tiles of all taps, in the order in which they are added to: `panel` counts through all
 * groups, `set` within one. */
static size_t tile_at(const state *s, int panel, int set) {
    return ((size_t)panel * s->sets + set) * s->taps * TILE;
}

/* A column's part as rows of COLUMN_PAIRS. */
static int column_rows(tn_slab_part part) {
    return (part.rows + 2 * COLUMN_PAIRS - 1) / (2 * COLUMN_PAIRS);
}

/* Some images' rows, in `pieces` fetches. */
static ahead ahead_of(const tn_tensor *t, int image, int images, int row, int rows,
                      ptrdiff_t pieces) {
    if (image + images > t->n) images = t->n - image;
    if (images <= 0) return (ahead){0};
    const int from = row < 0 ? 0 : row, to = row + rows < t->h ? row + rows : t->h;
    const size_t first = ((size_t)image * t->h + (size_t)from) * t->w;
    const size_t end = ((size_t)(image + images - 1) * t->h + (size_t)to) * t->w;
    const ptrdiff_t lines = (ptrdiff_t)((end - first) * t->pitch * sizeof(tn_bf16) / LINE);
    return (ahead){(const char *)tn_halves_pixel(t, first), (const char *)tn_halves_pixel(t, end),
                   lines / pieces + 1};
}

/* The next unit's pixels, a share of them for every row of every tile of this one. */
static void look_ahead(const state *s, workplace *w, const tn_tensor *in, const tn_tensor *dout,
                       int unit) {
    const tn_slab_part p = tn_slab_part_of(&s->units, unit);
    /* Whole images lie in one piece, bands of a pair of them in two. */
    const int parts = s->units.cuts > 1 ? s->abreast : 1, images = p.images * s->abreast / parts;
    const int rows = s->pixels ? column_rows(p) : p.images * p.rows;
    const ptrdiff_t pieces = (ptrdiff_t)(w->to - w->from) * s->sets * s->taps * rows;
    const bool strided = s->pixels && (s->stride_y > 1 || s->stride_x > 1);
    for (int i = 0; i < parts; i++) {
        const int image = p.image * s->abreast + i;
        w->ahead[i] = ahead_of(dout, image, images, p.row, p.rows, pieces);
        if (strided) continue; /* in many */
        w->ahead[2 + i] = ahead_of(in, image, images, tn_slab_source(&s->slab_y, p.row, 0),
                                   tn_slab_extent(&s->slab_y, p.rows), pieces);
    }
}

static void add_unit(const state *s, workplace *w, tn_slab_part part) {
    tile t = {.step = s->pixels ? LANES : (ptrdiff_t)(3 - s->abreast) * s->slab_x.step * LANES,
              .row_step = s->pixels ? (ptrdiff_t)COLUMN_PAIRS * LANES
                                    : (ptrdiff_t)s->slab_y.step * s->slab_width * LANES,
              .image_step =
                  (ptrdiff_t)tn_slab_extent(&s->slab_y, part.rows) * s->slab_width * LANES,
              .images = part.images,
              .rows = part.rows,
              .row_pairs = row_pairs(s),
              .pairs = part.rows * row_pairs(s),
              .ahead = w->ahead};
    if (s->pixels) {
        t.row_pairs = COLUMN_PAIRS;
        t.pairs = (part.rows + 1) / 2;
        t.rows = column_rows(part);
    }
    for (int i = w->from; i < w->to; i++) {
        const int group = i / s->panels, panel = i % s->panels; /* of the group */
        const bool two = s->read - panel * LANES > TN_HALVES;
        const tile_function add = tile_table[s->rows - 1][two];
        const uint32_t *read = w->read + (size_t)(i - w->from) * s->panel_pairs;
        for (int set = 0; set < s->sets; set++) {
            t.delta = w->delta + ((size_t)group * s->sets + set) * s->set_pairs;
            t.made = w->gradient + tile_at(s, i, set);
            for (int ky = 0; ky < s->y.taps; ky++)
                for (int kx = 0; kx < s->x.taps; kx++, t.made += TILE) {
                    t.read = read + ((ptrdiff_t)ky * s->y.read_tap * s->slab_width +
                                     (ptrdiff_t)kx * s->x.read_tap) *
                                        LANES;
                    t.next = t.made + TILE;
                    add(&t);
                }
        }
    }
}

/* ---- into the file's order ---- */

/* One filter: (read, kh, kw) += its lanes of all tiles of all gradients. */
static void unpack_filter(const state *s, const float *gradients, int owners, int group, int within,
                          float *filter) {
    const int set = within / s->rows, row = within % s->rows;
    for (int panel = 0; panel < s->panels; panel++)
        for (int tap = 0; tap < s->taps; tap++) {
            const float *lane = gradients + tile_at(s, group * s->panels + panel, set) +
                                (size_t)tap * TILE + (size_t)row * LANES;
            const int left = s->read - panel * LANES, lanes = left < LANES ? left : LANES;
            float *to = filter + (size_t)panel * LANES * s->taps + tap;
            for (int l = 0; l < lanes; l++) {
                float sum = lane[l];
                for (int o = 1; o < owners; o++) sum += lane[(size_t)o * s->tiles + l];
                to[(size_t)l * s->taps] += sum;
            }
        }
}

/* What thread t has, of `threads`. */
static workplace workplace_of(const state *s, void *scratch, int t, int threads) {
    const size_t own = s->read_pairs + s->delta_pairs;
    float *gradients = (float *)scratch + (size_t)threads * own;
    const int panels = s->groups * s->panels;
    workplace w = {.from = 0, .to = panels};
    if (s->shared) {
        w.from = (int)((long)panels * t / threads);
        w.to = (int)((long)panels * (t + 1) / threads);
    }
    w.read = (uint32_t *)scratch + (size_t)t * own;
    w.delta = w.read + s->read_pairs;
    w.gradient = gradients + (s->shared ? 0 : (size_t)t * s->tiles);
    return w;
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const state *s = k->state;
    const tn_tensor in =
        s->pixels && s->stride_y == 1 && s->stride_x == 1 ? tn_slab_column(r->in[0]) : r->in[0];
    const tn_tensor dout = s->pixels ? tn_slab_column(r->dout) : r->dout;
    const size_t own = s->read_pairs + s->delta_pairs;
    float *gradients = (float *)k->scratch + (size_t)r->threads * own;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        workplace w = workplace_of(s, k->scratch, t, r->threads);
        const size_t first = tile_at(s, w.from, 0), last = tile_at(s, w.to, 0);
        memset(w.gradient + first, 0, (last - first) * sizeof(float));
        const int parts = s->shared ? 1 : r->threads, part_of = s->shared ? 0 : t;
        const int from = (int)((long)s->units.count * part_of / parts);
        const int to = (int)((long)s->units.count * (part_of + 1) / parts);
        for (int u = from; u < to; u++) {
            const tn_slab_part part = tn_slab_part_of(&s->units, u);
            if (s->pixels)
                pack_column(s, &w, &in, &r->dout, part);
            else
                pack_read(s, &w, &in, part);
            pack_delta(s, &w, &dout, part);
            memset(w.ahead, 0, sizeof w.ahead);
            if (u + 1 < to) look_ahead(s, &w, &in, &dout, u + 1);
            add_unit(s, &w, part);
        }
    }
    const size_t filter = (size_t)s->read * s->taps;
    float *grad = r->param[0]->grad;
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (int f = 0; f < s->groups * s->made; f++) {
        unpack_filter(s, gradients, gradients_of(s, r->threads), f / s->made, f % s->made,
                      grad + (size_t)f * filter);
    }
    return TN_OK;
}

/* Where oneDNN is ahead, measured on Zen 5 (one core, GFLOP/s): groups of 16 channels, 300 against
 * 200, and reading an image, 320 against 80. In all else it is behind or level. */
static tn_status prepare_leading(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    const bool narrow = a->groups > 1 && r->in[0].c / a->groups < 32;
    const bool image = r->in[0].c < 8;
    return TN_DNNL && (narrow || image) ? TN_REFUSED : prepare(r, k);
}

const tn_kernel tn_convolution_backward_params_bf16 = {"bf16",  prepare_leading, backward_params,
                                                       release, TN_ON_CPU,       true};
const tn_kernel tn_convolution_backward_params_bf16_any = {"bf16",  prepare,   backward_params,
                                                           release, TN_ON_CPU, true};

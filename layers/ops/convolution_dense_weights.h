/* Weight gradients of convolution as a matrix product over slabs: dense ones, and groups wide
 * enough to fill vectors. Written over vector.h; included by one _avx2.c and one _avx512.c file.
 *
 * The gradient is a product summed over pixels: filters in the rows of tiles, channels read in
 * their lanes, one tile for each tap. A unit's pixels are packed once, what is read into panels of
 * TN_OUTER_PANEL channels, what comes down into rows of TN_OUTER_ROWS filters; a panel of either
 * side then stays in the first-level cache while the other side's pass by it. Where few channels
 * are read (an image), a kernel row's channels lie side by side in the slab, and lanes run over
 * them instead.
 *
 * Threads share either the larger side of the gradient, or, when it is small, the units; each then
 * has a gradient of its own, and they are added up in the order of the threads. Both ways the bits
 * are the same whenever the number of threads is. */
#ifndef TN_OPS_CONVOLUTION_DENSE_WEIGHTS_H
#define TN_OPS_CONVOLUTION_DENSE_WEIGHTS_H

#include "layers/ops/convolution_dense_weights_pack.h"
#include "layers/ops/convolution_kernels.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIXELS = 128,                   /* of a unit, about */
    OWN_GRADIENT_BYTES = 512 << 10, /* up to here every thread has a whole one */
    ROWS_BYTES = 128 << 10,         /* packed rows that are swept together */
    TILE_FLOATS = TN_OUTER_ROWS * TN_OUTER_PANEL,
};

static size_t round_up(size_t floats) {
    return (floats + 15) / 16 * 16;
}

/* ---- tiles ---- */

typedef void (*tile_function)(const tn_outer_tile *t);

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##_##vectors(const tn_outer_tile *t) {                                  \
        tn_outer_tile_make(t, rows, vectors);                                                      \
    }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2)
/* clang-format off: it takes the macros for types. */
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
#if TN_OUTER_MOST_ROWS > 6
TILES(7)
TILES(8)
#endif

#define BOTH(rows)                                                                                 \
    { tile_##rows##_1, tile_##rows##_2 }
static const tile_function tile_table[TN_OUTER_ROWS][2] = {
    BOTH(1), BOTH(2), BOTH(3), BOTH(4), BOTH(5), BOTH(6),
#if TN_OUTER_MOST_ROWS > 6
    BOTH(7), BOTH(8),
#endif
};
/* clang-format on */

/* ---- prepare ---- */

/* Row sets are of nearly equal size. */
static tn_status lay_rows(state *s, const char *name) {
    s->row_sets = (s->made + TN_OUTER_ROWS - 1) / TN_OUTER_ROWS;
    s->row_from = malloc(((size_t)s->groups * s->row_sets + 1) * sizeof *s->row_from);
    if (!s->row_from) return tn_fail("%s: out of memory", name);
    for (int i = 0; i <= s->groups * s->row_sets; i++) {
        const int group = i / s->row_sets, set = i % s->row_sets;
        s->row_from[i] = group * s->made + (int)((long)s->made * set / s->row_sets);
    }
    return TN_OK;
}

static void lay_panels(state *s, const tn_convolution_attr *a) {
    const int across = a->kw * s->read;
    s->wide = s->groups == 1 && s->read < TN_OUTER_PANEL && a->kw > 1 && a->dilation == 1;
    s->taps = s->wide ? a->kh : a->kh * a->kw;
    s->panels = ((s->wide ? across : s->read) + TN_OUTER_PANEL - 1) / TN_OUTER_PANEL;
    s->tiles = (size_t)s->taps * s->groups * s->row_sets * s->panels * TILE_FLOATS;
}

static void lay_units(state *s, const tn_tensor *out, int threads) {
    const int rows = s->y.count, columns = s->x.count;
    /* A row of the slab counts as its share of PIXELS. */
    const size_t most = (size_t)PIXELS * s->slab_y.step;
    s->units =
        tn_slab_units_of(&s->slab_y, out->n, rows, columns, (size_t)columns,
                         most + (size_t)columns * (s->slab_y.reach - s->slab_y.step), 1, threads);
    const int band = (rows + s->units.cuts - 1) / s->units.cuts;
    const size_t slab_rows = (size_t)s->units.images * tn_slab_extent(&s->slab_y, band);
    const size_t pixels = (size_t)s->units.images * band * columns;
    s->panel_floats = slab_rows * s->slab_width * (s->wide ? s->read : TN_OUTER_PANEL);
    s->row_set_floats = round_up(pixels * TN_OUTER_ROWS + TN_VECTOR);
    s->read_floats = round_up((s->wide ? 1 : (size_t)s->groups * s->panels) * s->panel_floats +
                              2 * TN_OUTER_PANEL);
    s->delta_floats = (size_t)s->groups * s->row_sets * s->row_set_floats;
}

static void lay_sharing(state *s, int threads) {
    const int rows = s->groups * s->row_sets;
    s->sharing = SHARE_UNITS;
    if (s->tiles * sizeof(float) > OWN_GRADIENT_BYTES || s->units.count < threads) {
        if (rows >= 2 * threads && rows >= s->panels)
            s->sharing = SHARE_ROWS;
        else if (s->panels >= 2 * threads && !s->wide)
            s->sharing = SHARE_PANELS;
    }
    s->owners = s->sharing == SHARE_UNITS ? threads : 1;
}

static bool serves(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    return a->groups == 1 || (in % 16 == 0 && out % 16 == 0);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    if (!tn_vector_runs() || !serves(r)) return TN_REFUSED;
    tn_tensor out = r->out;
    if (tn_pixels(&out) > INT_MAX) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->groups = a->groups;
    s->read = r->in[0].c / a->groups;
    s->made = out.c / a->groups;
    s->pixels = a->kh == 1 && a->kw == 1 && a->stride_y == 1 && a->stride_x == 1 && a->pad_y == 0 &&
                a->pad_x == 0;
    if (s->pixels) out = tn_slab_column(out);
    s->y = tn_conv_axis_forward(a->kh, a->stride_y, a->pad_y, a->dilation, out.h);
    s->x = tn_conv_axis_forward(a->kw, a->stride_x, a->pad_x, a->dilation, out.w);
    s->slab_y = tn_slab_axis_of(&s->y, 1);
    s->slab_x = tn_slab_axis_of(&s->x, 1);
    s->slab_width = tn_slab_extent(&s->slab_x, s->x.count);
    TN_TRY(lay_rows(s, r->op->name));
    lay_panels(s, a);
    lay_units(s, &out, r->threads);
    lay_sharing(s, r->threads);
    k->scratch_bytes =
        ((size_t)r->threads * (s->read_floats + s->delta_floats) + (size_t)s->owners * s->tiles) *
        sizeof(float);
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    free(s->row_from);
    free(s);
    k->state = NULL;
}

/* ---- sums ---- */

static float *tile_at(const state *s, float *gradient, int row, int panel, int tap) {
    return gradient + (((size_t)row * s->panels + panel) * s->taps + tap) * TILE_FLOATS;
}

/* Floats from the slab's start (of a panel) to what a tap reads first. */
static ptrdiff_t tap_at(const state *s, int tap) {
    if (s->wide) return (ptrdiff_t)tap * s->y.read_tap * s->slab_width * s->read;
    const int ky = tap / s->x.taps, kx = tap % s->x.taps;
    return ((ptrdiff_t)ky * s->y.read_tap * s->slab_width + (ptrdiff_t)kx * s->x.read_tap) *
           TN_OUTER_PANEL;
}

static void add_tiles(const state *s, workplace *w, tn_outer_tile *t, int row, int panel) {
    const int rows = s->row_from[row + 1] - s->row_from[row], group = row / s->row_sets;
    const int lanes = (s->wide ? s->x.taps : 1) * s->read - panel * TN_OUTER_PANEL;
    const float *read = s->wide ? w->read + (size_t)panel * TN_OUTER_PANEL
                                : w->read + ((size_t)group * s->panels + panel) * s->panel_floats;
    const tile_function add = tile_table[rows - 1][lanes > TN_VECTOR];
    t->delta = w->delta + (size_t)row * s->row_set_floats;
    fetch_ahead(w);
    /* The next row set's sums lie a whole row of tiles away. */
    const char *next = (const char *)(tile_at(s, w->gradient, row, panel, 0) +
                                      (size_t)s->panels * s->taps * TILE_FLOATS);
    if (s->taps == 1 && row + 1 < w->rows_to)
        for (size_t i = 0; i < TILE_FLOATS * sizeof(float); i += LINE_BYTES)
            _mm_prefetch(next + i, _MM_HINT_T0);
    for (int tap = 0; tap < s->taps; tap++) {
        t->read = read + tap_at(s, tap);
        t->made = tile_at(s, w->gradient, row, panel, tap);
        add(t);
    }
}

static void add_unit(const state *s, workplace *w, tn_slab_part part) {
    const int pitch = s->wide ? s->read : TN_OUTER_PANEL;
    const int slab_rows = tn_slab_extent(&s->slab_y, part.rows);
    tn_outer_tile t = {.step = (ptrdiff_t)s->slab_x.step * pitch,
                       .row_step = (ptrdiff_t)s->slab_y.step * s->slab_width * pitch,
                       .image_step = (ptrdiff_t)slab_rows * s->slab_width * pitch,
                       .images = part.images,
                       .rows = part.rows,
                       .width = s->x.count};
    if (s->pixels) { /* one long row */
        t.width = part.rows;
        t.rows = 1;
    }
    const int together = (int)(ROWS_BYTES / sizeof(float) / s->row_set_floats) + 1;
    for (int from = w->rows_from; from < w->rows_to; from += together) {
        const int to = from + together < w->rows_to ? from + together : w->rows_to;
        for (int panel = w->panel_from; panel < w->panel_to; panel++)
            for (int row = from; row < to; row++) add_tiles(s, w, &t, row, panel);
    }
}

static workplace workplace_of(const tn_op_run *r, const tn_kernel_run *k, int thread) {
    const state *s = k->state;
    const size_t own = s->read_floats + s->delta_floats;
    float *memory = (float *)k->scratch + (size_t)thread * own;
    float *gradients = (float *)k->scratch + (size_t)r->threads * own;
    workplace w = {.read = memory,
                   .delta = memory + s->read_floats,
                   .gradient = gradients,
                   .unit_to = s->units.count,
                   .rows_to = s->groups * s->row_sets,
                   .panel_to = s->panels};
    const long t = thread, of = r->threads;
    if (s->sharing == SHARE_UNITS) {
        w.gradient += (size_t)thread * s->tiles;
        w.unit_from = (int)(s->units.count * t / of);
        w.unit_to = (int)(s->units.count * (t + 1) / of);
    } else if (s->sharing == SHARE_ROWS) {
        w.rows_from = (int)((long)w.rows_to * t / of);
        w.rows_to = (int)((long)w.rows_to * (t + 1) / of);
    } else {
        w.panel_from = (int)(s->panels * t / of);
        w.panel_to = (int)(s->panels * (t + 1) / of);
    }
    return w;
}

static void clear_tiles(const state *s, const workplace *w) {
    const size_t panels = (size_t)(w->panel_to - w->panel_from) * s->taps * TILE_FLOATS;
    for (int row = w->rows_from; row < w->rows_to; row++)
        memset(tile_at(s, w->gradient, row, w->panel_from, 0), 0, panels * sizeof(float));
}

/* ---- into the file's order ---- */

/* One filter: (read, kh, kw) += its lanes of all tiles. */
static void unpack_filter(const state *s, const float *gradients, int row, int within,
                          float *filter) {
    const int kernel = s->y.taps * s->x.taps;
    for (int panel = 0; panel < s->panels; panel++)
        for (int tap = 0; tap < s->taps; tap++) {
            const float *lane = gradients +
                                (((size_t)row * s->panels + panel) * s->taps + tap) * TILE_FLOATS +
                                (size_t)within * TN_OUTER_PANEL;
            const int from = panel * TN_OUTER_PANEL;
            const int all = (s->wide ? s->x.taps : 1) * s->read;
            const int lanes = all - from < TN_OUTER_PANEL ? all - from : TN_OUTER_PANEL;
            for (int l = 0; l < lanes; l++) {
                float sum = lane[l];
                for (int o = 1; o < s->owners; o++) sum += lane[(size_t)o * s->tiles + l];
                const int at = from + l; /* wide: (kx, channel) */
                const int channel = s->wide ? at % s->read : at;
                const int place = s->wide ? tap * s->x.taps + at / s->read : tap;
                filter[(size_t)channel * kernel + place] += sum;
            }
        }
}

static void unpack(const tn_op_run *r, const state *s, const float *gradients) {
    float *grad = r->param[0]->grad;
    const size_t filter = (size_t)s->read * s->y.taps * s->x.taps;
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (int row = 0; row < s->groups * s->row_sets; row++) {
        for (int i = s->row_from[row]; i < s->row_from[row + 1]; i++)
            unpack_filter(s, gradients, row, i - s->row_from[row], grad + (size_t)i * filter);
    }
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const state *s = k->state;
    const tn_tensor in = s->pixels ? tn_slab_column(r->in[0]) : r->in[0];
    const tn_tensor dout = s->pixels ? tn_slab_column(r->dout) : r->dout;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        workplace w = workplace_of(r, k, t);
        clear_tiles(s, &w);
        for (int u = w.unit_from; u < w.unit_to; u++) {
            const tn_slab_part part = tn_slab_part_of(&s->units, u);
            pack_read(s, &w, &in, part);
            pack_delta(s, &w, &dout, part);
            look_ahead(s, &w, &in, &dout, u + 1);
            add_unit(s, &w, part);
        }
    }
    unpack(r, s,
           (const float *)k->scratch + (size_t)r->threads * (s->read_floats + s->delta_floats));
    return TN_OK;
}

const tn_kernel TN_ISA(tn_convolution_backward_params_dense) = {TN_ISA_TEXT, prepare,
                                                                backward_params, release};

#endif

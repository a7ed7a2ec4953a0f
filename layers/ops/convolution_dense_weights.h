/* Weight gradients of convolution as a matrix product: dense ones, and groups wide enough to fill
 * vectors. Written over vector.h; included by one _avx2.c and one _avx512.c file.
 *
 * The gradient is a product summed over pixels: filters in the rows of tiles, channels read in
 * their lanes, one tile for each tap. What comes down is read where it lies: rows are single values
 * of it. What is read lies where it is too for a plain 1x1; else a panel of its channels is copied
 * into a slab with its padding, small enough for the first-level cache, and all rows and taps pass
 * by it. Where few channels are read (an image), columns as high as the kernel are copied out side
 * by side: a window is some of them in a row, and the gradient one plain product.
 *
 * Threads share either the larger side of the gradient, or, when it is small, the units; each then
 * has a gradient of its own, and they are added up in the order of the threads. Both ways the bits
 * are the same whenever the number of threads is. */
#ifndef TN_OPS_CONVOLUTION_DENSE_WEIGHTS_H
#define TN_OPS_CONVOLUTION_DENSE_WEIGHTS_H

#include "layers/ops/convolution_dense_weights_pack.h"

#include <string.h>

/* ---- tiles ---- */

typedef void (*tile_function)(const tn_outer_tile *t);

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##_##vectors(const tn_outer_tile *t) {                                  \
        tn_outer_tile_make(t, rows, vectors);                                                      \
    }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2)
#if TN_OUTER_MOST_ROWS > 6
#define TILES_3(rows) TILES(rows) TILE(rows, 3)
#define ROW_3(rows)                                                                                \
    { tile_##rows##_1, tile_##rows##_2, tile_##rows##_3 }
#else
#define TILES_3(rows) TILES(rows)
#define ROW_3(rows)   ROW(rows)
#endif
#define ROW(rows)                                                                                  \
    { tile_##rows##_1, tile_##rows##_2 }
/* clang-format off: it takes the macros for types. */
TILES_3(1)
TILES_3(2)
TILES_3(3)
TILES_3(4)
TILES_3(5)
TILES_3(6)
#if TN_OUTER_MOST_ROWS > 6
TILES_3(7)
TILES_3(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
TILES(13)
TILES(14)
#endif

static const tile_function tile_table[TN_OUTER_ROWS][3] = {
    ROW_3(1), ROW_3(2), ROW_3(3), ROW_3(4), ROW_3(5), ROW_3(6),
#if TN_OUTER_MOST_ROWS > 6
    ROW_3(7), ROW_3(8), ROW(9),   ROW(10),  ROW(11),  ROW(12),  ROW(13), ROW(14),
#endif
};
/* clang-format on */

/* ---- prepare ---- */

static bool serves(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    return a->groups == 1 || (in % 16 == 0 && out % 16 == 0);
}

/* Where oneDNN 2.6 is ahead, measured on Zen 5 (both cores, GFLOP/s; 5x5): 16 channels a group 537
 * against 426, 32 channels 611 against 409. With stride 2 it is behind, 247 against 380. */
static bool library_leads(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    return TN_DNNL && __builtin_cpu_supports("avx512f") && a->groups > 1 && in <= 32 && out <= 32 &&
           a->stride_y == 1 && a->stride_x == 1;
}

/* A thread's memory, gradients apart. */
static size_t own_floats(const state *s) {
    return s->slab_floats + s->delta_floats;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    if (!tn_vector_runs() || !serves(r) || library_leads(r)) return TN_REFUSED;
    if (tn_pixels(&r->out) > INT_MAX) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    TN_TRY(lay_out(s, r));
    k->scratch_bytes =
        ((size_t)r->threads * own_floats(s) + (size_t)s->owners * s->tiles) * sizeof(float);
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    free(s->row_from);
    free(s->tap_tile);
    free(s);
    k->state = NULL;
}

/* ---- sums ---- */

static float *tile_at(const state *s, float *gradient, int row, int panel, int tap) {
    return gradient +
           (((size_t)row * s->panels + panel) * s->tap_tiles + tap) * (size_t)TN_OUTER_FLOATS;
}

static int lanes_of(const state *s, int panel) {
    const int left = s->lanes - panel * s->panel_lanes;
    return left < s->panel_lanes ? left : s->panel_lanes;
}

static int vectors_of(const state *s, int panel, const tap_tile *tap) {
    if (s->taps_in_lanes) return tap->taps;
    return lanes_of(s, panel) > TN_VECTOR ? 2 : 1;
}

/* All tiles of one row set and panel. `read`: what the panel reads. */
static void add_tiles(const state *s, workplace *w, tn_outer_tile *t, const float *read, int row,
                      int panel) {
    const tile_function *const add = tile_table[s->row_from[row + 1] - s->row_from[row] - 1];
    /* The next row set's sums lie a whole row of tiles away. */
    const float *next = row + 1 < w->rows_to ? tile_at(s, w->gradient, row + 1, panel, 0) : NULL;
    for (int i = 0; i < s->tap_tiles; i++) {
        const tap_tile *tap = &s->tap_tile[i];
        float *made = tile_at(s, w->gradient, row, panel, i);
        const char *then = (const char *)(i + 1 < s->tap_tiles ? made + TN_OUTER_FLOATS : next);
        for (size_t at = 0; then && at < TN_OUTER_FLOATS * sizeof(float); at += LINE_BYTES)
            _mm_prefetch(then + at, _MM_HINT_T0);
        t->read = read + tap->at;
        t->made = made;
        fetch_with(w, t);
        add[vectors_of(s, panel, tap) - 1](t);
    }
}

/* Row sets from..to of one group, of one unit. */
typedef struct block {
    int unit, from, to;
} block;

static block block_at(const state *s, const workplace *w, int unit, int from) {
    block b = {unit, from, (from / s->row_sets + 1) * s->row_sets}; /* the group's end */
    if (b.to > from + s->together) b.to = from + s->together;
    if (b.to > w->rows_to) b.to = w->rows_to;
    return b;
}

static block next_block(const state *s, const workplace *w, block b) {
    return b.to < w->rows_to ? block_at(s, w, b.unit, b.to)
                             : block_at(s, w, b.unit + 1, w->rows_from);
}

/* What comes after a block's panel is fetched while that is worked on. */
static void look_ahead(const state *s, workplace *w, const tn_tensor *in, const tn_tensor *dout,
                       block b, int panel, tn_slab_part part) {
    const block next = next_block(s, w, b);
    const bool more = next.unit < w->unit_to;
    if (panel == w->panel_from) {
        w->ahead[1] = (ahead){0};
        if (more) look_ahead_rows(s, w, dout, next.unit, next.from, next.to, part);
    }
    const bool whole = s->source == COLUMNS || in->pitch * (int)sizeof(float) <= LINEAR_BYTES;
    if (whole) { /* all at once */
        if (panel > w->panel_from || b.from > w->rows_from) return;
        w->ahead[0] = (ahead){0};
        if (b.unit + 1 < w->unit_to) look_ahead_read(s, w, in, b.unit + 1, 0, in->c, part);
        return;
    }
    w->ahead[0] = (ahead){0};
    const block then = panel + 1 < w->panel_to ? b : next;
    if (then.unit >= w->unit_to) return;
    const int then_panel = panel + 1 < w->panel_to ? panel + 1 : w->panel_from;
    const int channel = then.from / s->row_sets * s->read + then_panel * s->panel_lanes;
    look_ahead_read(s, w, in, then.unit, channel, channel + lanes_of(s, then_panel), part);
}

/* One panel against a block. */
static void add_panel(const state *s, workplace *w, tn_outer_tile *t, const tn_tensor *in,
                      const tn_tensor *dout, tn_slab_part part, block b, int panel) {
    const int group = b.from / s->row_sets, channel = group * s->read + panel * s->panel_lanes;
    const size_t row = (size_t)part.image * dout->h + (size_t)part.row;
    const float *read = w->slab;
    look_ahead(s, w, in, dout, b, panel, part);
    if (s->packs_delta && panel == w->panel_from) pack_delta(s, w, dout, part, b.from, b.to);
    if (s->source == SLABS)
        pack_slab(s, in, part, channel, lanes_of(s, panel), w->slab);
    else if (s->source == COLUMNS)
        read = w->slab + panel * s->panel_lanes;
    else
        read = tn_data(in) + row * in->pitch + channel;
    for (int i = b.from; i < b.to; i++) {
        t->delta = s->packs_delta ? w->delta + (size_t)(i - b.from) * w->delta_set
                                  : tn_data(dout) + row * dout->w * dout->pitch + s->row_from[i];
        add_tiles(s, w, t, read, i, panel);
    }
}

static tn_outer_tile tile_of(const state *s, const tn_tensor *in, const tn_tensor *dout,
                             tn_slab_part part) {
    tn_outer_tile t = {.delta_step = s->packs_delta ? (ptrdiff_t)PACKED_ROW : dout->pitch,
                       .images = part.images,
                       .rows = part.rows,
                       .width = s->x.count};
    const int slab_rows = tn_slab_extent(&s->slab_y, part.rows);
    if (s->source == SLABS) {
        t.vector_step = s->taps_in_lanes ? (ptrdiff_t)s->x.read_tap * s->panel_lanes : TN_VECTOR;
        t.step = (ptrdiff_t)s->slab_x.step * s->panel_lanes;
        t.row_step = (ptrdiff_t)s->slab_y.step * s->slab_width * s->panel_lanes;
        t.image_step = (ptrdiff_t)slab_rows * s->slab_width * s->panel_lanes;
        return t;
    }
    t.vector_step = TN_VECTOR;
    if (s->source == COLUMNS) {
        t.step = s->slab_x.step * s->column_floats;
        t.row_step = s->slab_width * s->column_floats;
        t.image_step = part.rows * t.row_step;
        return t;
    }
    /* One long row. */
    t.step = in->pitch;
    t.width = part.rows;
    t.rows = 1;
    return t;
}

static void add_unit(const state *s, workplace *w, const tn_tensor *in, const tn_tensor *dout,
                     int unit) {
    const tn_slab_part part = tn_slab_part_of(&s->units, unit);
    tn_outer_tile t = tile_of(s, in, dout, part);
    t.first = unit == w->unit_from;
    if (s->source == COLUMNS) pack_columns(s, in, part, w->slab);
    for (block b = block_at(s, w, unit, w->rows_from); b.unit == unit; b = next_block(s, w, b))
        for (int panel = w->panel_from; panel < w->panel_to; panel++)
            add_panel(s, w, &t, in, dout, part, b, panel);
}

static workplace workplace_of(const tn_op_run *r, const tn_kernel_run *k, int thread) {
    const state *s = k->state;
    const size_t own = own_floats(s);
    float *memory = (float *)k->scratch + (size_t)thread * own;
    workplace w = {.slab = memory,
                   .delta = memory + s->slab_floats,
                   .delta_set = s->delta_floats / (size_t)s->together,
                   .gradient = (float *)k->scratch + (size_t)r->threads * own,
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
    const size_t panels =
        (size_t)(w->panel_to - w->panel_from) * s->tap_tiles * (size_t)TN_OUTER_FLOATS;
    for (int row = w->rows_from; row < w->rows_to; row++)
        memset(tile_at(s, w->gradient, row, w->panel_from, 0), 0, panels * sizeof(float));
}

/* ---- into the file's order ---- */

/* One filter: (read, kh, kw) += the lanes of one tap. */
static void unpack_lanes(const state *s, const float *lane, int lanes, int channel, int tap,
                         float *filter) {
    const int kernel = s->y.taps * s->x.taps;
    float sum[TN_OUTER_PANEL];
    for (int l = 0; l < lanes; l++) sum[l] = lane[l];
    for (int o = 1; o < s->owners; o++)
        for (int l = 0; l < lanes; l++) sum[l] += lane[(size_t)o * s->tiles + l];
    if (s->source == COLUMNS) { /* (kx, ky, channel) */
        for (int l = 0, at = channel; l < lanes; l++, at++) {
            const int pixel = at / s->read, kx = pixel / s->y.taps, ky = pixel % s->y.taps;
            filter[(at % s->read * s->y.taps + ky) * s->x.taps + kx] += sum[l];
        }
    } else if (kernel == 1) {
        for (int l = 0; l < lanes; l++) filter[channel + l] += sum[l];
    } else {
        float *to = filter + (size_t)channel * kernel + tap;
        for (int l = 0; l < lanes; l++, to += kernel) *to += sum[l];
    }
}

static void unpack_filter(const state *s, float *gradients, int row, int within, float *filter) {
    for (int panel = 0; panel < s->panels; panel++)
        for (int i = 0; i < s->tap_tiles; i++) {
            const tap_tile *tap = &s->tap_tile[i];
            const float *lane = tile_at(s, gradients, row, panel, i) +
                                (size_t)within * vectors_of(s, panel, tap) * TN_VECTOR;
            for (int j = 0; j < tap->taps; j++)
                unpack_lanes(s, lane + j * TN_VECTOR, lanes_of(s, panel), panel * s->panel_lanes,
                             tap->tap + j, filter);
        }
}

static void unpack(const tn_op_run *r, const state *s, float *gradients) {
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
    const tn_tensor in = s->source == IN_PLACE ? tn_slab_column(r->in[0]) : r->in[0];
    const tn_tensor dout = s->source == IN_PLACE ? tn_slab_column(r->dout) : r->dout;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        workplace w = workplace_of(r, k, t);
        if (w.unit_from == w.unit_to) clear_tiles(s, &w);
        for (int u = w.unit_from; u < w.unit_to; u++) add_unit(s, &w, &in, &dout, u);
    }
    unpack(r, s, (float *)k->scratch + (size_t)r->threads * own_floats(s));
    return TN_OK;
}

const tn_kernel TN_ISA(tn_convolution_backward_params_dense) = {TN_ISA_TEXT, prepare,
                                                                backward_params, release};

#endif

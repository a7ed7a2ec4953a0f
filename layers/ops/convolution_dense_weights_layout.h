/* How the weight gradient's matrix product is laid out: its tiles, the units of pixels that they
 * are summed over, and what each thread has of them. */
#ifndef TN_OPS_CONVOLUTION_DENSE_WEIGHTS_LAYOUT_H
#define TN_OPS_CONVOLUTION_DENSE_WEIGHTS_LAYOUT_H

#include "layers/op.h"
#include "layers/ops/convolution_axis.h"
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/dense_slab.h"
#include "layers/ops/outer_tile.h"

#include <limits.h>
#include <stdlib.h>

enum {
    PIXELS = 128,                    /* of a unit, about */
    COLUMNS_PIXELS = TN_VECTOR << 4, /* the same where neighbouring windows share memory */
    OWN_GRADIENT_BYTES = 512 << 10,  /* up to here every thread has a whole one */
    /* From so many channels on, a pixel is a page or more. Vectors of 8 lanes go through pixels
     * faster than the first-level cache can follow there: both sides are packed. */
    WIDE = 1024,
    ROWS_BYTES = TN_VECTOR << 14, /* of delta, swept together */
    PACKED_ROW = TN_VECTOR,       /* floats of one row set and pixel */
};

typedef enum sharing { SHARE_UNITS, SHARE_ROWS, SHARE_PANELS } sharing;

/* Where the lanes of tiles are read. */
typedef enum source {
    IN_PLACE, /* 1x1, stride 1, no padding */
    SLABS,    /* one panel's channels of a unit, padded: every tap is a constant distance away */
    COLUMNS,  /* few channels: all of a window lies in a row, as if it were a pixel's channels */
} source;

/* A tile's lanes: one tap's, or, where a tap has one vector only, those of some taps in a row. */
typedef struct tap_tile {
    int tap, taps;
    ptrdiff_t at; /* in the slab */
} tap_tile;

typedef struct state {
    int groups, read, made; /* channels of one group */
    source source;
    bool taps_in_lanes;
    int most_rows;   /* of a tile */
    int lanes;       /* of one group and tap: read, or all that a window holds */
    int panel_lanes; /* TN_OUTER_PANEL, or one vector where taps lie in lanes */
    int row_sets, panels;
    int taps, tap_tiles; /* of one row set and panel */
    tap_tile *tap_tile;
    tn_conv_axis y, x;
    tn_slab_axis slab_y, slab_x;
    int slab_width;
    tn_slab_units units;
    int *row_from; /* first filter of every row set of all groups, and where the last one ends */
    int together;  /* row sets */
    sharing sharing;
    int owners;              /* gradients: threads, or 1 */
    size_t tiles;            /* floats of one gradient */
    ptrdiff_t column_floats; /* (kh, read) */
    bool packs_delta;
    size_t slab_floats, delta_floats; /* of a thread */
} state;

static size_t round_up(size_t floats) {
    return (floats + 15) / 16 * 16;
}

/* Row sets are of nearly equal size. */
static tn_status lay_rows(state *s, const char *name) {
    s->most_rows = s->taps_in_lanes ? TN_OUTER_ROWS_OF_3 : TN_OUTER_ROWS;
    s->row_sets = (s->made + s->most_rows - 1) / s->most_rows;
    s->row_from = malloc(((size_t)s->groups * s->row_sets + 1) * sizeof *s->row_from);
    if (!s->row_from) return tn_fail("%s: out of memory", name);
    for (int i = 0; i <= s->groups * s->row_sets; i++) {
        const int group = i / s->row_sets, set = i % s->row_sets;
        s->row_from[i] = group * s->made + (int)((long)s->made * set / s->row_sets);
    }
    return TN_OK;
}

static void lay_source(state *s, const tn_convolution_attr *a, const tn_tensor *in) {
    const bool pixels = a->kh == 1 && a->kw == 1 && a->stride_y == 1 && a->stride_x == 1 &&
                        a->pad_y == 0 && a->pad_x == 0;
    s->source = SLABS;
    if (pixels && s->read % TN_VECTOR == 0 && !(TN_VECTOR == 8 && in->c >= WIDE))
        s->source = IN_PLACE;
    else if (s->groups == 1 && s->read < TN_OUTER_PANEL && a->dilation == 1)
        s->source = COLUMNS;
    s->taps = s->source == COLUMNS ? 1 : a->kh * a->kw;
    s->lanes = s->source == COLUMNS ? a->kh * a->kw * s->read : s->read;
    s->taps_in_lanes = TN_VECTOR == 16 && s->source == SLABS && s->read == 16 && a->kw > 1;
    s->panel_lanes = s->taps_in_lanes ? TN_VECTOR : TN_OUTER_PANEL;
    s->panels = (s->lanes + s->panel_lanes - 1) / s->panel_lanes;
}

/* Taps in lanes: a kernel row in threes and twos. */
static int taps_from(const state *s, int kx) {
    const int left = s->x.taps - kx;
    if (!s->taps_in_lanes) return 1;
    return left == 4 || left == 2 ? 2 : left == 1 ? 1 : 3;
}

static tn_status lay_taps(state *s, const char *name) {
    s->tap_tile = malloc((size_t)s->taps * sizeof *s->tap_tile);
    if (!s->tap_tile) return tn_fail("%s: out of memory", name);
    for (int tap = 0; tap < s->taps;) {
        const int ky = tap / s->x.taps, kx = tap % s->x.taps;
        tap_tile *t = &s->tap_tile[s->tap_tiles++];
        t->tap = tap;
        t->taps = taps_from(s, kx);
        t->at = ((ptrdiff_t)ky * s->y.read_tap * s->slab_width + (ptrdiff_t)kx * s->x.read_tap) *
                s->panel_lanes;
        tap += t->taps;
    }
    s->tiles = (size_t)s->tap_tiles * s->groups * s->row_sets * s->panels * (size_t)TN_OUTER_FLOATS;
    return TN_OK;
}

static void lay_units(state *s, const tn_tensor *out, int threads) {
    const int rows = s->y.count, columns = s->x.count;
    /* A row of the slab counts as its share of the pixels. */
    const int about = s->source == COLUMNS ? (int)COLUMNS_PIXELS : (int)PIXELS;
    const size_t most = (size_t)about * s->slab_y.step;
    s->units =
        tn_slab_units_of(&s->slab_y, out->n, rows, columns, (size_t)columns,
                         most + (size_t)columns * (s->slab_y.reach - s->slab_y.step), 1, threads);
    const int band = (rows + s->units.cuts - 1) / s->units.cuts;
    const size_t pixels = (size_t)s->units.images * band * columns;
    if (s->source == SLABS)
        s->slab_floats = (size_t)s->units.images * tn_slab_extent(&s->slab_y, band) *
                         s->slab_width * s->panel_lanes;
    s->column_floats = s->y.taps * (ptrdiff_t)s->read;
    if (s->source == COLUMNS) /* the last panel reads beyond the last window */
        s->slab_floats =
            pixels / (size_t)columns * (size_t)(s->slab_width * s->column_floats) + TN_OUTER_PANEL;
    s->slab_floats = round_up(s->slab_floats);
    s->together = (int)(ROWS_BYTES / sizeof(float) / pixels / (size_t)s->most_rows) + 1;
    if (s->together > s->row_sets) s->together = s->row_sets;
    s->packs_delta = TN_VECTOR == 8 && out->c >= WIDE;
    s->delta_floats = s->packs_delta ? (size_t)s->together * round_up(pixels * PACKED_ROW) : 0;
}

static void lay_sharing(state *s, int threads) {
    const int rows = s->groups * s->row_sets;
    s->sharing = SHARE_UNITS;
    if (s->tiles * sizeof(float) > OWN_GRADIENT_BYTES || s->units.count < threads) {
        if (rows >= 2 * threads && rows >= s->panels)
            s->sharing = SHARE_ROWS;
        else if (s->panels >= 2 * threads && s->source != COLUMNS)
            s->sharing = SHARE_PANELS;
    }
    s->owners = s->sharing == SHARE_UNITS ? threads : 1;
}

static tn_status lay_out(state *s, const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    tn_tensor out = r->out;
    s->groups = a->groups;
    s->read = r->in[0].c / a->groups;
    s->made = out.c / a->groups;
    lay_source(s, a, &r->in[0]);
    if (s->source == IN_PLACE) out = tn_slab_column(out);
    s->y = tn_conv_axis_forward(a->kh, a->stride_y, a->pad_y, a->dilation, out.h);
    s->x = tn_conv_axis_forward(a->kw, a->stride_x, a->pad_x, a->dilation, out.w);
    s->slab_y = tn_slab_axis_of(&s->y, 1);
    s->slab_x = tn_slab_axis_of(&s->x, 1);
    s->slab_width = tn_slab_extent(&s->slab_x, s->x.count);
    TN_TRY(lay_rows(s, r->op->name));
    TN_TRY(lay_taps(s, r->op->name));
    lay_units(s, &out, r->threads);
    lay_sharing(s, r->threads);
    return TN_OK;
}

#endif

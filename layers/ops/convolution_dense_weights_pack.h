/* What the weight gradient's matrix product reads, where it cannot be read in place: the slab of
 * one panel of channels, or columns of windows; and which of the next unit's memory is fetched
 * while this one is worked on. */
#ifndef TN_OPS_CONVOLUTION_DENSE_WEIGHTS_PACK_H
#define TN_OPS_CONVOLUTION_DENSE_WEIGHTS_PACK_H

#include "layers/ops/convolution_dense_weights_layout.h"

#include <string.h>

enum {
    LINE_BYTES = 64,
    LINEAR_BYTES = 512, /* pixels up to here are fetched whole */
    PACKED = 4,         /* pixels */
};

/* Memory that will be read soon: `lines` lines of each pixel, step bytes apart, or all lines in a
 * row. With each tile goes one line of as many pixels as it has; `tiles` of them cover all pixels,
 * the next ones fetch the next line. */
typedef struct ahead {
    const char *at;
    ptrdiff_t step, row_step, image_step; /* of a tile's pixels */
    ptrdiff_t advance;                    /* from tile to tile */
    int tiles, lines, done;
} ahead;

/* A thread's own memory, and its share of the work. */
typedef struct workplace {
    ahead ahead[2]; /* of what is read, of delta */
    float *slab, *delta, *gradient;
    size_t delta_set; /* floats from row set to row set */
    int unit_from, unit_to;
    int rows_from, rows_to;   /* row sets, of all groups */
    int panel_from, panel_to; /* panels, of each group */
} workplace;

/* ---- the slab of a panel ---- */

/* `lanes` channels of `count` neighbouring positions; zeros where there is nothing to read. */
static void pack_positions(const state *s, const float *from, ptrdiff_t pitch, int count, int lanes,
                           float *to) {
    const size_t panel = (size_t)s->panel_lanes;
    if (!from) {
        memset(to, 0, (size_t)count * panel * sizeof(float));
    } else if (lanes == TN_OUTER_PANEL) {
        for (int i = 0; i < count; i++, from += pitch, to += TN_OUTER_PANEL)
            for (int v = 0; v < TN_OUTER_PANEL; v += TN_VECTOR)
                tn_vector_store(to + v, tn_vector_load(from + v));
    } else if (lanes == TN_VECTOR && panel == TN_VECTOR) {
        for (int i = 0; i < count; i++, from += pitch, to += TN_VECTOR)
            tn_vector_store(to, tn_vector_load(from));
    } else {
        for (int i = 0; i < count; i++, from += pitch, to += panel) {
            memcpy(to, from, (size_t)lanes * sizeof(float));
            memset(to + lanes, 0, (panel - (size_t)lanes) * sizeof(float));
        }
    }
}

/* One row of the slab. `row`: the row of the image that it comes from, at the first of these
 * channels; NULL in the padding. */
static void pack_row(const state *s, const tn_tensor *in, const float *row, int lanes, float *to) {
    const tn_slab_axis *a = &s->slab_x;
    int i = 0;
    while (row && i < s->slab_width) {
        const int x = tn_slab_source(a, 0, i);
        int count = a->step == a->read_step ? s->slab_width - i : 1;
        const float *from = NULL;
        if (x < 0) {
            if (count > -x) count = -x;
        } else if (x < in->w) {
            if (count > in->w - x) count = in->w - x;
            from = row + (ptrdiff_t)x * in->pitch;
        }
        pack_positions(s, from, in->pitch, count, lanes, to + (ptrdiff_t)i * s->panel_lanes);
        i += count;
    }
    if (!row) pack_positions(s, NULL, 0, s->slab_width, lanes, to);
}

/* lanes channels, from `channel` on, of all that a unit reads. */
static void pack_slab(const state *s, const tn_tensor *in, tn_slab_part part, int channel,
                      int lanes, float *to) {
    const int rows = tn_slab_extent(&s->slab_y, part.rows);
    const size_t row_floats = (size_t)s->slab_width * (size_t)s->panel_lanes;
    for (int n = 0; n < part.images; n++)
        for (int i = 0; i < rows; i++, to += row_floats) {
            const int y = tn_slab_source(&s->slab_y, part.row, i);
            const size_t pixel = ((size_t)(part.image + n) * in->h + (size_t)y) * in->w;
            const bool inside = (unsigned)y < (unsigned)in->h;
            pack_row(s, in, inside ? tn_data(in) + pixel * in->pitch + channel : NULL, lanes, to);
        }
}

/* ---- columns of windows ---- */

/* `count` pixels' channels, to places `column` floats apart. channels is a constant where this is
 * inlined. */
TN_INLINE_ALWAYS void copy_channels(const float *from, ptrdiff_t pitch, int count, int channels,
                                    float *to, ptrdiff_t column) {
    for (int i = 0; i < count; i++, from += pitch, to += column)
        memcpy(to, from, (size_t)channels * sizeof(float));
}

/* One row of the image, as the ky-th pixel of each column; NULL: padding. */
static void pack_column_row(const state *s, const tn_tensor *in, const float *row, float *to) {
    static const float zeros[TN_OUTER_PANEL];
    const tn_slab_axis *a = &s->slab_x;
    const ptrdiff_t column = s->column_floats;
    for (int i = 0; i < s->slab_width;) {
        const int x = tn_slab_source(a, 0, i);
        int count = a->step == a->read_step ? s->slab_width - i : 1;
        const float *from = zeros;
        ptrdiff_t pitch = 0;
        if (row && x < 0) {
            if (count > -x) count = -x;
        } else if (row && x < in->w) {
            if (count > in->w - x) count = in->w - x;
            pitch = in->pitch;
            from = row + x * pitch;
        }
        float *at = to + i * column;
        if (s->read == 3)
            copy_channels(from, pitch, count, 3, at, column);
        else if (s->read == 1)
            copy_channels(from, pitch, count, 1, at, column);
        else
            copy_channels(from, pitch, count, s->read, at, column);
        i += count;
    }
}

/* For each row of output pixels, every column of the image that it reads: (column, ky, channel). A
 * window is some columns in a row, so neighbouring ones share memory. */
static void pack_columns(const state *s, const tn_tensor *in, tn_slab_part part, float *to) {
    const ptrdiff_t row_floats = s->slab_width * s->column_floats;
    for (int n = part.image; n < part.image + part.images; n++)
        for (int i = part.row; i < part.row + part.rows; i++, to += row_floats)
            for (int ky = 0; ky < s->y.taps; ky++) {
                const int y = s->y.read + i * s->y.read_step + ky;
                const size_t pixel = ((size_t)n * in->h + (size_t)y) * in->w;
                const bool inside = (unsigned)y < (unsigned)in->h;
                pack_column_row(s, in, inside ? tn_data(in) + pixel * in->pitch : NULL,
                                to + ky * s->read);
            }
}

/* ---- rows of delta ---- */

/* Some pixels next to each other, PACKED_ROW floats for each row set's pixel: few enough pixels
 * for their lines to stay while set after set takes its filters from them. What is too much is
 * read by nobody. */
static void pack_delta_pixels(const state *s, const workplace *w, const float *from, size_t pitch,
                              int from_row, int to_row, int pixels, float *to) {
    for (int i = from_row; i < to_row; i++, to += w->delta_set) {
        const float *rows = from + s->row_from[i];
        for (int p = 0; p < pixels; p++, rows += pitch)
            memcpy(to + (size_t)p * PACKED_ROW, rows, PACKED_ROW * sizeof(float));
    }
}

/* The same for one pixel near the end of the tensor, where no vector may reach beyond it. */
static void pack_delta_exactly(const state *s, const workplace *w, const float *from, int from_row,
                               int to_row, float *to) {
    for (int i = from_row; i < to_row; i++, to += w->delta_set)
        memcpy(to, from + s->row_from[i],
               (size_t)(s->row_from[i + 1] - s->row_from[i]) * sizeof(float));
}

/* The row sets from..to of a unit. */
static void pack_delta(const state *s, const workplace *w, const tn_tensor *dout, tn_slab_part part,
                       int from_row, int to_row) {
    const size_t pitch = (size_t)dout->pitch;
    const size_t whole = tn_pixels(dout), tail = (PACKED_ROW + pitch - 2) / pitch;
    const size_t safe = whole > tail ? whole - tail : 0;
    float *to = w->delta;
    size_t p = ((size_t)part.image * dout->h + (size_t)part.row) * (size_t)dout->w;
    const size_t end = p + (size_t)part.images * part.rows * dout->w;
    while (p < end && p < safe) {
        const size_t left = (end < safe ? end : safe) - p;
        const int some = left < PACKED ? (int)left : PACKED;
        pack_delta_pixels(s, w, tn_data(dout) + p * pitch, pitch, from_row, to_row, some, to);
        p += (size_t)some;
        to += some * PACKED_ROW;
    }
    for (; p < end; p++, to += PACKED_ROW)
        pack_delta_exactly(s, w, tn_data(dout) + p * pitch, from_row, to_row, to);
}

/* ---- what comes next ---- */

/* With the tile t, one more part of what is to be fetched. */
static void fetch_with(workplace *w, tn_outer_tile *t) {
    for (int i = 0; i < 2; i++) {
        ahead *a = &w->ahead[i];
        if (a->done >= a->tiles * a->lines) continue;
        t->ahead =
            a->at + a->done % a->tiles * a->advance + (ptrdiff_t)(a->done / a->tiles) * LINE_BYTES;
        t->ahead_step = a->step;
        t->ahead_row_step = a->row_step;
        t->ahead_image_step = a->image_step;
        a->done++;
        return;
    }
    t->ahead = (const char *)t->made;
    t->ahead_step = t->ahead_row_step = t->ahead_image_step = 0;
}

/* Floats from..to of `pixels` neighbouring pixels, by tiles of part's shape. */
static ahead ahead_of(const state *s, const tn_tensor *t, size_t first, size_t pixels, int from,
                      int to, tn_slab_part part) {
    const ptrdiff_t pitch = t->pitch * (ptrdiff_t)sizeof(float), width = s->x.count;
    const ptrdiff_t steps = (ptrdiff_t)part.images * part.rows * width;
    const ptrdiff_t bytes = (to - from) * (ptrdiff_t)sizeof(float);
    ahead a = {.at = (const char *)(tn_data(t) + first * (size_t)t->pitch + from), .step = pitch};
    a.tiles = (int)(((ptrdiff_t)pixels + steps - 1) / steps);
    a.lines = (int)((bytes + LINE_BYTES - 1) / LINE_BYTES);
    if (bytes == pitch && bytes <= LINEAR_BYTES) {
        a.step = LINE_BYTES;
        a.tiles = (int)(((ptrdiff_t)pixels * pitch / LINE_BYTES + steps - 1) / steps);
        a.lines = 1;
    }
    a.row_step = width * a.step;
    a.image_step = part.rows * a.row_step;
    a.advance = steps * a.step;
    return a;
}

/* delta of the row sets from..to of a unit, while one of part's shape is worked on. */
static void look_ahead_rows(const state *s, workplace *w, const tn_tensor *dout, int unit, int from,
                            int to, tn_slab_part part) {
    const tn_slab_part p = tn_slab_part_of(&s->units, unit);
    const size_t first = ((size_t)p.image * dout->h + (size_t)p.row) * dout->w;
    const size_t pixels = (size_t)p.images * p.rows * dout->w;
    w->ahead[1] = ahead_of(s, dout, first, pixels, s->row_from[from], s->row_from[to], part);
}

/* Channels from..to of what a unit reads, but for what the band before it has read already. */
static void look_ahead_read(const state *s, workplace *w, const tn_tensor *in, int unit, int from,
                            int to, tn_slab_part part) {
    const tn_slab_part p = tn_slab_part_of(&s->units, unit);
    const tn_slab_axis *a = &s->slab_y;
    int y = a->first + p.row * a->read_step, rows = p.images > 1 ? in->h : p.rows * a->read_step;
    if (p.row > 0) y += a->reach - a->step;
    if (y < 0) y = 0;
    if (rows > in->h - y) rows = in->h - y;
    w->ahead[0] = (ahead){0};
    if (rows <= 0) return;
    const size_t first = ((size_t)p.image * in->h + (size_t)y) * in->w;
    const size_t pixels = ((size_t)(p.images - 1) * in->h + (size_t)rows) * in->w;
    w->ahead[0] = ahead_of(s, in, first, pixels, from, to, part);
    if (s->slab_x.step == s->slab_x.read_step && a->step == a->read_step) return;
    /* Gaps between windows are left out. */
    const ptrdiff_t pitch = in->pitch * (ptrdiff_t)sizeof(float);
    w->ahead[0].tiles = 1;
    w->ahead[0].lines = ((to - from) * (int)sizeof(float) + LINE_BYTES - 1) / LINE_BYTES;
    w->ahead[0].step = s->slab_x.read_step * pitch;
    w->ahead[0].row_step = a->read_step * in->w * pitch;
    w->ahead[0].image_step = (ptrdiff_t)in->h * in->w * pitch;
}

#endif

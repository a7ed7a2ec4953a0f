/* What the weight gradient's matrix product reads, laid out for it: the slab of what was read in
 * panels of TN_OUTER_PANEL channels, what comes down in rows of TN_OUTER_ROWS filters; and the next
 * unit's memory, fetched while this one is worked on. */
#ifndef TN_OPS_CONVOLUTION_DENSE_WEIGHTS_PACK_H
#define TN_OPS_CONVOLUTION_DENSE_WEIGHTS_PACK_H

#include "layers/op.h"
#include "layers/ops/convolution_axis.h"
#include "layers/ops/dense_slab.h"
#include "layers/ops/outer_tile.h"

#include <string.h>

enum {
    LINE_BYTES = 64,
    PACKED = 4, /* pixels */
    COPIED = 8, /* floats of a row set: TN_OUTER_ROWS and what fills a vector */
};

_Static_assert((int)COPIED >= (int)TN_OUTER_ROWS, "a row set is copied whole");

typedef enum sharing { SHARE_UNITS, SHARE_ROWS, SHARE_PANELS } sharing;

typedef struct state {
    int groups, read, made; /* channels of one group */
    bool pixels;            /* 1x1, stride 1, no padding: the batch is one column of pixels */
    bool wide;              /* lanes run over a kernel row's columns and channels */
    int taps;               /* tiles of one row and panel: (ky, kx), or ky when wide */
    int row_sets, panels;   /* of one group */
    tn_conv_axis y, x;
    tn_slab_axis slab_y, slab_x;
    int slab_width;
    tn_slab_units units;
    int *row_from; /* first filter of every row set of all groups, and where the last one ends */
    sharing sharing;
    int owners;          /* gradients: threads, or 1 */
    size_t tiles;        /* floats of one gradient */
    size_t panel_floats; /* of one panel of a unit's slab */
    size_t read_floats, delta_floats, row_set_floats;
} state;

/* What the next unit will pack, fetched a few lines with every tile. */
typedef struct ahead {
    const char *at, *end;
} ahead;

/* A thread's own memory, and its share of the work. */
typedef struct workplace {
    ahead ahead[2];
    int lines; /* of each, with one tile */
    float *read, *delta, *gradient;
    int unit_from, unit_to;
    int rows_from, rows_to;   /* row sets, of all groups */
    int panel_from, panel_to; /* panels, of each group */
} workplace;

/* One pixel's channels, a panel's worth to each panel in the thread's share. */
static void pack_pixel(const state *s, const workplace *w, const float *from, float *to) {
    for (int g = 0; g < s->groups; g++)
        for (int p = w->panel_from; p < w->panel_to; p++) {
            const int at = p * TN_OUTER_PANEL, left = s->read - at;
            float *lanes = to + ((size_t)g * s->panels + p) * s->panel_floats;
            const float *channels = from ? from + (size_t)g * s->read + at : NULL;
            if (channels && left >= TN_OUTER_PANEL) {
                memcpy(lanes, channels, TN_OUTER_PANEL * sizeof(float));
            } else {
                const size_t some = channels ? (size_t)left * sizeof(float) : 0;
                if (some) memcpy(lanes, channels, some);
                memset((char *)lanes + some, 0, TN_OUTER_PANEL * sizeof(float) - some);
            }
        }
}

static void pack_row(const state *s, const workplace *w, const tn_tensor *in, const float *row,
                     float *to) {
    for (int i = 0; i < s->slab_width; i++) {
        const int x = tn_slab_source(&s->slab_x, 0, i);
        const bool inside = row && (unsigned)x < (unsigned)in->w;
        const float *from = inside ? row + (size_t)x * in->pitch : NULL;
        if (!s->wide) {
            pack_pixel(s, w, from, to + (size_t)i * TN_OUTER_PANEL);
            continue;
        }
        for (int c = 0; c < s->read; c++) to[i * s->read + c] = from ? from[c] : 0;
    }
}

static void pack_read(const state *s, const workplace *w, const tn_tensor *in, tn_slab_part part) {
    const int rows = tn_slab_extent(&s->slab_y, part.rows);
    const size_t row_floats = (size_t)s->slab_width * (s->wide ? s->read : TN_OUTER_PANEL);
    float *to = w->read;
    for (int n = 0; n < part.images; n++)
        for (int i = 0; i < rows; i++, to += row_floats) {
            const int y = tn_slab_source(&s->slab_y, part.row, i);
            const size_t pixel = ((size_t)(part.image + n) * in->h + (size_t)y) * in->w;
            const bool inside = (unsigned)y < (unsigned)in->h;
            pack_row(s, w, in, inside ? tn_data(in) + pixel * in->pitch : NULL, to);
        }
}

/* Up to PACKED pixels next to each other: few enough for their lines to stay while set after set
 * takes its filters from them. Whole vectors are copied: the next pixel, or set, overwrites what
 * was too much, and nothing reads it from the last one. */
static void pack_delta_pixels(const state *s, const workplace *w, const float *from, size_t pitch,
                              int pixels, float *to) {
    for (int i = w->rows_from; i < w->rows_to; i++) {
        const float *rows = from + s->row_from[i];
        float *set = to + (size_t)i * s->row_set_floats;
        for (int p = 0; p < pixels; p++, rows += pitch, set += TN_OUTER_ROWS)
            memcpy(set, rows, COPIED * sizeof(float));
    }
}

/* The same for one pixel near the end of the tensor, where no vector may reach beyond it. */
static void pack_delta_exactly(const state *s, const workplace *w, const float *from, float *to) {
    for (int i = w->rows_from; i < w->rows_to; i++)
        memcpy(to + (size_t)i * s->row_set_floats, from + s->row_from[i],
               (size_t)(s->row_from[i + 1] - s->row_from[i]) * sizeof(float));
}

static void pack_delta(const state *s, const workplace *w, const tn_tensor *dout,
                       tn_slab_part part) {
    const size_t pixels = (size_t)part.rows * dout->w, pitch = (size_t)dout->pitch;
    const size_t whole = tn_pixels(dout), tail = (COPIED + pitch - 2) / pitch;
    const size_t safe = whole > tail ? whole - tail : 0;
    float *to = w->delta;
    for (int n = 0; n < part.images; n++) {
        size_t p = ((size_t)(part.image + n) * dout->h + (size_t)part.row) * (size_t)dout->w;
        const size_t end = p + pixels;
        while (p < end && p < safe) {
            const size_t left = (end < safe ? end : safe) - p;
            const int some = left < PACKED ? (int)left : PACKED;
            pack_delta_pixels(s, w, tn_data(dout) + p * pitch, pitch, some, to);
            p += (size_t)some;
            to += some * TN_OUTER_ROWS;
        }
        for (; p < end; p++, to += TN_OUTER_ROWS)
            pack_delta_exactly(s, w, tn_data(dout) + p * pitch, to);
    }
}

/* ---- the next unit ---- */

static void fetch_ahead(workplace *w) {
    for (int i = 0; i < 2; i++) {
        ahead *a = &w->ahead[i];
        for (int l = 0; l < w->lines && a->at < a->end; l++, a->at += LINE_BYTES)
            _mm_prefetch(a->at, _MM_HINT_T1);
    }
}

/* The bytes from the first pixel to the last that a part reads of a tensor. */
static ahead ahead_of(const tn_tensor *t, int image, int images, int row, int rows) {
    const int from = row < 0 ? 0 : row, to = row + rows < t->h ? row + rows : t->h;
    const size_t first = ((size_t)image * t->h + (size_t)from) * t->w;
    const size_t end = ((size_t)(image + images - 1) * t->h + (size_t)to) * t->w;
    const float *data = tn_data(t);
    return (ahead){(const char *)(data + first * t->pitch), (const char *)(data + end * t->pitch)};
}

/* Only where threads share units: else most of what lies there is another's. */
static void look_ahead(const state *s, workplace *w, const tn_tensor *in, const tn_tensor *dout,
                       int unit) {
    w->lines = 0;
    if (s->sharing != SHARE_UNITS || unit >= w->unit_to) return;
    const tn_slab_part p = tn_slab_part_of(&s->units, unit);
    const int tiles = s->groups * s->row_sets * s->panels;
    w->ahead[0] = ahead_of(in, p.image, p.images, tn_slab_source(&s->slab_y, p.row, 0),
                           tn_slab_extent(&s->slab_y, p.rows));
    w->ahead[1] = ahead_of(dout, p.image, p.images, p.row, p.rows);
    for (int i = 0; i < 2; i++) {
        const ptrdiff_t lines = (w->ahead[i].end - w->ahead[i].at) / LINE_BYTES;
        if (w->lines < lines / tiles + 1) w->lines = (int)(lines / tiles) + 1;
    }
}

#endif

/* Where the positions of a unit lie, in the slab and in what is made: in segments and tiles for the
 * dense convolution's walk. Included by convolution_dense.h alone. */
#ifndef TN_OPS_CONVOLUTION_DENSE_PLACES_H
#define TN_OPS_CONVOLUTION_DENSE_PLACES_H

#include "layers/ops/convolution_dense_plan.h"

/* How a run of positions is cut into segments: nearly equal ones, `longer` of `rows` positions and
 * then the others of one fewer. */
typedef struct run_cut {
    int cuts, rows, longer;
} run_cut;

static run_cut cut_run(int count) {
    const int cuts = (count + TN_SEGMENT_ROWS - 1) / TN_SEGMENT_ROWS,
              rows = (count + cuts - 1) / cuts;
    return (run_cut){cuts, rows, count - cuts * (rows - 1)};
}

/* One run's longer segments, or its others. */
static void add_run(workplace *w, const run_cut *c, ptrdiff_t read, ptrdiff_t made, bool others) {
    for (int i = others ? c->longer : 0; i < (others ? c->cuts : c->longer); i++) {
        const int at = i * c->rows - (others ? i - c->longer : 0);
        w->segment[w->segments++] = (segment){read + at * w->read_step, made + at * w->made_step};
    }
}

/* The segments from `from` on, of `rows` positions each, make tiles. */
static void add_tiles(workplace *w, int from, int rows, int pair) {
    const int segments = w->segments - from, tiles = (segments + TN_SEGMENTS - 1) / TN_SEGMENTS;
    for (int i = 0; i < tiles; i++) {
        const int at = (int)((long)segments * i / tiles);
        const int end = (int)((long)segments * (i + 1) / tiles);
        w->tile[w->tiles++] = (tile_place){from + at, end - at, rows, pair};
    }
}

/* A part of a phase: its windows in the slab and its pixels. */
typedef struct place {
    const state *s;
    const phase *p;
    const tn_tensor *made;
    tn_slab_part part;
    int end; /* of its rows */
} place;

static ptrdiff_t window_of(const place *l, int n, int j, int i) {
    const state *s = l->s;
    const int rows = tn_slab_extent(&s->slab_y, l->part.rows);
    const int row = (j - l->part.row) * s->slab_y.step + l->p->y->read - s->slab_y.first;
    return ((ptrdiff_t)n * rows + row) * s->slab_width + l->p->x->read - s->slab_x.first +
           (ptrdiff_t)i * s->slab_x.step;
}

static ptrdiff_t pixel_of(const place *l, int n, int j, int i) {
    const int y = l->p->y->first + j * l->p->y->step, x = l->p->x->first + i * l->p->x->step;
    return (((ptrdiff_t)(l->part.image + n) * l->made->h + y) * l->made->w + x) * l->made->pitch;
}

/* Runs are rows, or, where maps are one pixel wide, columns; by the spans of their rows. */
static void find_by_row(const place *l, workplace *w) {
    const state *s = l->s;
    const phase *p = l->p;
    const bool columns = p->x->count == 1 && p->spans_y->count == 1;
    const run_cut c = cut_run(columns ? l->end - l->part.row : p->x->count);
    w->read_step = columns ? (ptrdiff_t)s->slab_y.step * s->slab_width : s->slab_x.step;
    w->made_step = (columns ? (ptrdiff_t)p->y->step * l->made->w : p->x->step) * l->made->pitch;
    for (int y = 0; y < p->spans_y->count; y++)
        for (int others = 0; others < (c.longer < c.cuts ? 2 : 1); others++) {
            const int from = w->segments;
            for (int n = 0; n < l->part.images; n++)
                for (int j = l->part.row; j < l->end; j += columns ? l->end - j : 1)
                    if (p->spans_y->of[j] == y)
                        add_run(w, &c, window_of(l, n, j, 0), pixel_of(l, n, j, 0), others);
            add_tiles(w, from, c.rows - others, y * p->spans_x->count);
        }
}

/* Runs are the same position of all images. */
static void find_by_image(const place *l, workplace *w) {
    const spans *y = l->p->spans_y, *x = l->p->spans_x;
    const run_cut c = cut_run(l->part.images);
    w->read_step = (ptrdiff_t)tn_slab_extent(&l->s->slab_y, l->part.rows) * l->s->slab_width;
    w->made_step = (ptrdiff_t)l->made->h * l->made->w * l->made->pitch;
    for (int j = l->part.row; j < l->end; j++)
        for (int i = 0; i < l->p->x->count; i++)
            for (int others = 0; others < (c.longer < c.cuts ? 2 : 1); others++) {
                const int from = w->segments;
                add_run(w, &c, window_of(l, 0, j, i), pixel_of(l, 0, j, i), others);
                add_tiles(w, from, c.rows - others, y->of[j] * x->count + x->of[i]);
            }
}

/* Fills the segments and tiles of a phase within a part. */
static void find_positions(const state *s, const phase *p, const tn_tensor *made, tn_slab_part part,
                           workplace *w) {
    place l = {s, p, made, part, part.row + part.rows};
    if (l.end > p->y->count) l.end = p->y->count;
    w->segments = w->tiles = 0;
    if (l.end <= part.row || p->x->count == 0) return;
    if (s->small && part.images >= TN_SEGMENT_ROWS)
        find_by_image(&l, w);
    else
        find_by_row(&l, w);
}

/* Where the pixel of a tile's position lies. */
static ptrdiff_t made_at(const workplace *w, const tile_place *t, int position) {
    const segment *s = &w->segment[t->segment + position / t->rows];
    return s->made + position % t->rows * w->made_step;
}

#endif

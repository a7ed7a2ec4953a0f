/* How a convolution of bf16 is cut up: phases, units, slabs, panels of weights. Included by
 * convolution_bf16_avx512.c alone. */
#ifndef TN_OPS_CONVOLUTION_BF16_PLAN_H
#define TN_OPS_CONVOLUTION_BF16_PLAN_H

#include "layers/ops/convolution_bf16_tile.h"

/* One phase along both axes. */
typedef struct phase {
    const tn_conv_axis *y, *x;
    size_t weights_at, depth; /* pairs: where its weights begin, of one group's whole product */
    int piece, pieces;
} phase;

typedef struct state {
    bool backward;
    int groups, read, made; /* channels of one group */
    int pairs;              /* of the channels that one group reads */
    int panels, lanes;      /* of one group: panels of 16 or 32 lanes */
    bool pixels, in_place;  /* as in convolution_dense.h */
    tn_conv_axis y[MAX_PHASES], x[MAX_PHASES];
    int phases_y, phases_x;
    tn_slab_axis slab_y, slab_x;
    int slab_width;
    ptrdiff_t pitch; /* pairs from pixel to pixel of a slab */
    tn_slab_units units;
    int shares; /* of the panels: where there are too few units for all threads */
    phase phase[MAX_PHASES * MAX_PHASES];
    int phases;
    piece *piece;
    int n_pieces;
    size_t slab_pairs, positions; /* most of any unit */
    size_t packed_pairs;
    uint32_t *packed;
    bool is_packed, streams;
    uint64_t version;
    const float *master;
} state;

/* A thread's own memory. Pairs are loaded wherever they lie: `slab` may be odd channels away from
 * where 32 bits are aligned. */
typedef struct workplace {
    char *slab;
    ptrdiff_t *read_at, *made_at; /* of every position: its window in the slab, its pixel */
} workplace;

static void lay_axes(state *s, const tn_convolution_attr *a, const tn_tensor *made) {
    tn_conv_axes(a, s->backward, made, s->y, &s->phases_y, s->x, &s->phases_x);
    s->slab_y = tn_slab_axis_of(s->y, s->phases_y);
    s->slab_x = tn_slab_axis_of(s->x, s->phases_x);
    s->slab_width = tn_slab_extent(&s->slab_x, s->x[0].count); /* phase 0 is the longest */
}

/* The products in the order of the packed weights, (tap y, tap x, pair). Taps that lie next to each
 * other make one piece. */
static void lay_pieces(state *s, phase *p) {
    const bool joined = s->groups == 1 && s->pitch == s->pairs && p->x->read_tap == 1;
    const int across = joined ? 1 : p->x->taps;
    const ptrdiff_t run = joined ? (ptrdiff_t)p->x->taps * s->pairs : s->pairs;
    p->piece = s->n_pieces;
    for (int ty = 0; ty < p->y->taps && p->depth > 0; ty++)
        for (int tx = 0; tx < across; tx++) {
            const ptrdiff_t pixel =
                (ptrdiff_t)ty * p->y->read_tap * s->slab_width + (ptrdiff_t)tx * p->x->read_tap;
            s->piece[s->n_pieces++] = (piece){pixel * s->pitch, run};
        }
    p->pieces = s->n_pieces - p->piece;
}

static tn_status lay_phases(state *s, const tn_convolution_attr *a, const char *name) {
    s->phases = s->phases_y * s->phases_x;
    s->piece = calloc((size_t)a->kh * a->kw + 1, sizeof *s->piece);
    if (!s->piece) return tn_fail("%s: out of memory", name);
    for (int i = 0; i < s->phases; i++) {
        phase *p = &s->phase[i];
        p->y = &s->y[i / s->phases_x];
        p->x = &s->x[i % s->phases_x];
        p->depth = (size_t)p->y->taps * p->x->taps * s->pairs;
        p->weights_at = s->packed_pairs;
        s->packed_pairs += (size_t)s->groups * s->panels * p->depth * s->lanes;
        lay_pieces(s, p);
    }
    return TN_OK;
}

static void lay_units(state *s, const tn_tensor *made, int threads) {
    const int rows = s->y[0].count, columns = s->x[0].count;
    const size_t row_bytes = (size_t)s->slab_width * s->pitch * sizeof(uint32_t);
    s->units = tn_slab_units_of(&s->slab_y, made->n, rows, columns, row_bytes, SLAB_BYTES,
                                LEAST_POSITIONS, threads);
    const int band = (rows + s->units.cuts - 1) / s->units.cuts;
    const size_t slab_rows = (size_t)s->units.images * tn_slab_extent(&s->slab_y, band);
    s->slab_pairs = (slab_rows * s->slab_width * s->pitch + 15) / 16 * 16;
    s->positions = (size_t)s->units.images * band * columns;
    const bool even = s->units.count % threads == 0 || s->units.count >= 8 * threads;
    const int panels = s->groups * s->panels;
    s->shares = even ? 1 : threads < panels ? threads : panels;
}

/* Whether vectors of filters and sums over channels are long enough to be worth it. */
static bool serves(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    return tn_cpu_has_bf16() && tn_halves_alone(r) &&
           (a->groups == 1 || (in % 16 == 0 && out % 16 == 0));
}

/* Slab pixels lie so that neighbours do not crowd the same sets of the first-level cache. */
static void lay_slab(state *s, const tn_tensor *read) {
    s->pitch = (ptrdiff_t)s->groups * s->pairs;
    if (s->pitch % 256 == 0) s->pitch += 16;
    s->in_place = s->pixels && read->c % 2 == 0 && read->pitch % 2 == 0 && read->pitch % 512 != 0;
    if (s->in_place) s->pitch = read->pitch / 2;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    if (!serves(r)) return TN_REFUSED;
    if (backward && (a->stride_y > MAX_PHASES || a->stride_x > MAX_PHASES)) return TN_REFUSED;
    tn_tensor made = backward ? r->in[0] : r->out, read = backward ? r->out : r->in[0];
    if (tn_pixels(&made) > INT_MAX || tn_pixels(&read) > INT_MAX) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->backward = backward;
    s->groups = a->groups;
    s->read = read.c / a->groups;
    s->made = made.c / a->groups;
    s->pairs = (s->read + 1) / 2;
    s->lanes = s->made <= TN_HALVES ? TN_HALVES : 2 * TN_HALVES;
    s->panels = (s->made + s->lanes - 1) / s->lanes;
    s->pixels = a->kh == 1 && a->kw == 1 && a->stride_y == 1 && a->stride_x == 1 && a->pad_y == 0 &&
                a->pad_x == 0;
    if (s->pixels) made = tn_slab_column(made);
    lay_axes(s, a, &made);
    lay_slab(s, &read);
    TN_TRY(lay_phases(s, a, r->op->name));
    lay_units(s, &made, r->threads);
    const size_t bytes = (s->packed_pairs * sizeof(uint32_t) + 63) / 64 * 64;
    s->packed = aligned_alloc(64, bytes ? bytes : 64);
    if (!s->packed)
        return tn_fail("%s: out of memory for %zu bytes of packed weights", r->op->name, bytes);
    k->scratch_bytes = (size_t)r->threads * (s->slab_pairs * sizeof(uint32_t) +
                                             2 * (s->positions + 8) * sizeof(ptrdiff_t));
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    free(s->piece);
    free(s->packed);
    free(s);
    k->state = NULL;
}

#endif

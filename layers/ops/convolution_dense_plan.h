/* The plan of a dense convolution's forward or backward data: its axes, blocks of channels, chunks
 * of the product and units of work, laid out once in prepare. Included by convolution_dense.h
 * alone. */
#ifndef TN_OPS_CONVOLUTION_DENSE_PLAN_H
#define TN_OPS_CONVOLUTION_DENSE_PLAN_H

#include "layers/ops/convolution_kernels.h"
#include "layers/ops/dense_slab.h"
#include "layers/ops/dense_tile.h"
#include "layers/ops/epilogue.h"
#include "layers/ops/moments_rows.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PHASES = 4,
    MAX_SPANS = 8,
    BLOCK = 512,
    /* 14 rows draw little enough on a panel for it to lie in the second-level cache. */
    DEPTH = TN_SEGMENT_ROWS > 1 ? 1024 : 256,
    BIT = 16, /* channels packed at a time */
    SLAB_BYTES = 256 << 10,
    LEAST_POSITIONS = 48,
    /* Of small maps: slabs of so many images and bytes. */
    SMALL_MAP = 64,
    SMALL_IMAGES = 16,
    SMALL_BYTES = 512 << 10,
};

/* Taps [from, to) of an axis. */
typedef struct span {
    int from, to;
} span;

/* Positions of an axis by their taps that meet the image: the others meet its padding, and are left
 * out. Span 0 is all taps. */
typedef struct spans {
    span span[MAX_SPANS];
    int count;
    unsigned char *of; /* of every position */
} spans;

/* Channels of what is read that are copied together: part of one group, or whole groups. */
typedef struct block {
    int at, channels, groups, pitch;
    int depth_at; /* of the block's first product among a group's, in channels: 0 for whole groups
                   */
} block;

/* Product depth that passes at once: pieces [piece, piece + pieces). */
typedef struct chunk {
    int piece, pieces, depth;
    bool first; /* of those that have any depth for the same spans */
} chunk;

/* One phase along both axes, with the chunks of each block one after the other; of each chunk those
 * for every pair of spans, (y, x). */
typedef struct phase {
    const tn_conv_axis *y, *x;
    const spans *spans_y, *spans_x;
    size_t weights_at; /* floats */
    size_t depth;      /* of one group's whole product */
    int *chunk_from;   /* blocks + 1 */
} phase;

typedef struct state {
    bool backward;
    int groups, read, made; /* channels of one group */
    int panels;             /* of one group */
    /* Pixels alone (1x1, stride 1, no padding): they are one column, and when their pitch does not
     * crowd the cache they are read where they lie. */
    bool pixels, in_place;
    tn_conv_axis y[MAX_PHASES], x[MAX_PHASES];
    spans spans_y[MAX_PHASES], spans_x[MAX_PHASES];
    int phases_y, phases_x;
    bool small;     /* maps: positions of several images go together */
    int block_most; /* channels */
    tn_slab_axis slab_y, slab_x;
    int slab_width;
    tn_slab_units units;
    int shares; /* of the panels: where there are too few units for all threads */
    block *block;
    int blocks;
    phase *phase;
    int phases;
    chunk *chunk;
    tn_tile_piece *piece;
    int n_chunks, n_pieces;
    tn_epilogue epilogue;          /* of forward in inference */
    bool streams;                  /* made is large: written around the caches */
    size_t slab_floats, positions; /* most of any unit */
    size_t packed_floats;
    float *packed;
    bool is_packed;
    uint64_t version;
    const float *master;
} state;

/* Positions that lie equally far apart, in what is read and in what is made: at most
 * TN_SEGMENT_ROWS. Where the first one's window begins, in pixels of the slab, and its pixel. */
typedef struct segment {
    ptrdiff_t read, made;
} segment;

/* Neighbouring segments of `rows` positions each, all of the same pair of spans. */
typedef struct tile_place {
    int segment, segments, rows, pair;
} tile_place;

/* A thread's own memory. */
typedef struct workplace {
    float *slab;
    segment *segment;
    tile_place *tile;
    int segments, tiles;
    ptrdiff_t read_step, made_step; /* from position to position of a segment */
    /* What is wanted soon: the weights of the next product, what the next block or unit reads. */
    tn_fetch next_weights, next_read;
    tn_part_moments moments;
    bool measures; /* the unit in hand adds to them */
} workplace;

/* ---- prepare: geometry ---- */

static void lay_axes(state *s, const tn_convolution_attr *a, const tn_tensor *made) {
    tn_conv_axes(a, s->backward, made, s->y, &s->phases_y, s->x, &s->phases_x);
    s->slab_y = tn_slab_axis_of(s->y, s->phases_y);
    s->slab_x = tn_slab_axis_of(s->x, s->phases_x);
    s->slab_width = tn_slab_extent(&s->slab_x, s->x[0].count); /* phase 0 is the longest */
}

/* skip: whether positions differ by the taps that meet the image. */
static bool lay_spans(const tn_conv_axis *a, int extent, bool skip, spans *s) {
    s->span[0] = (span){0, a->taps};
    s->count = 1;
    s->of = calloc((size_t)a->count + 1, 1);
    if (!s->of) return false;
    for (int j = 0; skip && j < a->count; j++) {
        const int read = a->read + j * a->read_step;
        span t = {0, a->taps};
        while (t.from < t.to && read + t.from * a->read_tap < 0) t.from++;
        while (t.from < t.to && read + (t.to - 1) * a->read_tap >= extent) t.to--;
        if (t.from == t.to) continue; /* made of padding alone */
        int i = 0;
        while (i < s->count && (s->span[i].from != t.from || s->span[i].to != t.to)) i++;
        if (i == MAX_SPANS) continue;
        if (i == s->count) s->span[s->count++] = t;
        s->of[j] = (unsigned char)i;
    }
    return true;
}

/* Registers for seven positions of one row leave taps out by the row. Small maps, where the padding
 * is much of all, bring the same position of many images together, and leave out all that is
 * padding: then a slab takes fewer channels of more images. */
static tn_status lay_all_spans(state *s, const tn_tensor *read, const char *name) {
    const bool skip = TN_SEGMENT_ROWS > 1 && !s->pixels;
    bool ok = true;
    for (int q = 0; q < s->phases_y; q++)
        ok = lay_spans(&s->y[q], read->h, skip, &s->spans_y[q]) && ok;
    s->small = skip && s->phases_y * s->phases_x == 1 && s->x[0].taps > 1 &&
               (long)s->y[0].count * s->x[0].count <= SMALL_MAP;
    for (int q = 0; q < s->phases_x; q++)
        ok = lay_spans(&s->x[q], read->w, s->small, &s->spans_x[q]) && ok;
    if (!ok) return tn_fail("%s: out of memory", name);
    s->small = s->small && s->spans_x[0].count > 1;
    s->block_most = BLOCK;
    if (!s->small) return TN_OK;
    const long pixels = (long)tn_slab_extent(&s->slab_y, s->y[0].count) * s->slab_width;
    const long fit = SMALL_BYTES / (SMALL_IMAGES * pixels * (long)sizeof(float)) / 16 * 16;
    s->block_most = fit < 16 ? 16 : fit > BLOCK ? BLOCK : (int)fit;
    return TN_OK;
}

static int blocks_most(const state *s) {
    return s->groups * ((s->read + s->block_most - 1) / s->block_most);
}

static void lay_blocks(state *s) {
    const int most = s->block_most;
    const int whole = s->read <= most ? most / s->read : 0; /* groups of one block */
    const int cuts = (s->read + most - 1) / most;
    s->blocks = 0;
    for (int g = 0; g<s->groups; g += whole> 0 ? whole : 1)
        for (int i = 0; i < cuts; i++) {
            /* Cut at whole vectors, nearly evenly. */
            const int units = (s->read + 15) / 16;
            const int from = units * i / cuts * 16;
            const int to = i + 1 == cuts ? s->read : units * (i + 1) / cuts * 16;
            const int left = s->groups - g;
            const int groups = whole > 1 && left > 1 ? (left < whole ? left : whole) : 1;
            block *b = &s->block[s->blocks++];
            *b = (block){g * s->read + from, groups * (to - from), groups, 0, from};
            /* Rows 1 KiB apart share too few sets of the first-level cache. */
            b->pitch = b->channels + (b->channels % 256 == 0 ? 16 : 0);
        }
}

/* What a run of products has in common with the chunk's part, [from, to), of a block's. */
static void add_piece(state *s, chunk *c, int from, int to, ptrdiff_t at, int run_at, int run) {
    const int first = run_at > from ? run_at : from;
    const int end = run_at + run < to ? run_at + run : to;
    if (first >= end) return;
    s->piece[s->n_pieces++] =
        (tn_tile_piece){at + first - run_at, end - first, (ptrdiff_t)first * TN_PANEL};
    c->pieces++;
    c->depth += end - first;
}

/* Products [from, to) of a block, as far as the taps lie in the spans. Taps that lie next to each
 * other make one piece. */
static void lay_chunk(state *s, const phase *p, const block *b, span y, span x, int from, int to) {
    const int channels = b->channels / b->groups;
    const bool joined = b->groups == 1 && b->pitch == channels && p->x->read_tap == 1;
    const int together = joined ? x.to - x.from : 1;
    chunk *c = &s->chunk[s->n_chunks++];
    *c = (chunk){.piece = s->n_pieces};
    for (int ty = y.from; ty < y.to; ty++)
        for (int tx = x.from; tx < x.to; tx += together) {
            const ptrdiff_t tap =
                (ptrdiff_t)ty * p->y->read_tap * s->slab_width + (ptrdiff_t)tx * p->x->read_tap;
            add_piece(s, c, from, to, tap * b->pitch, (ty * p->x->taps + tx) * channels,
                      together * channels);
        }
}

/* The products of a block in the order of the packed weights, (tap y, tap x, channel), cut into
 * chunks of nearly equal depth: at the same places for all spans, so that sums do not depend on
 * them. */
static void lay_chunks(state *s, const phase *p, const block *b) {
    const int total = p->y->taps * p->x->taps * (b->channels / b->groups);
    const int chunks = (total + DEPTH - 1) / DEPTH, target = (total + chunks - 1) / chunks;
    const int pairs = p->spans_y->count * p->spans_x->count, begin = s->n_chunks;
    for (int from = 0; from < total; from += target)
        for (int i = 0; i < pairs; i++) {
            lay_chunk(s, p, b, p->spans_y->span[i / p->spans_x->count],
                      p->spans_x->span[i % p->spans_x->count], from,
                      from + target < total ? from + target : total);
            bool before = false;
            for (int k = begin + i; k < s->n_chunks - 1; k += pairs)
                before |= s->chunk[k].depth > 0;
            s->chunk[s->n_chunks - 1].first = !before;
        }
}

static tn_status lay_phases(state *s, const char *name) {
    s->phases = s->phases_y * s->phases_x;
    /* Each of a block's taps, and each cut between chunks, may begin a piece. */
    size_t chunks = 1, pieces = 1;
    for (int i = 0; i < s->phases; i++) {
        const int y = i / s->phases_x, x = i % s->phases_x;
        const size_t taps = (size_t)s->y[y].taps * s->x[x].taps;
        const size_t pairs = (size_t)s->spans_y[y].count * s->spans_x[x].count * s->blocks;
        const size_t cuts = taps * s->block_most / DEPTH + 2;
        chunks += pairs * cuts;
        pieces += pairs * (taps + cuts);
    }
    s->phase = calloc((size_t)s->phases, sizeof *s->phase);
    s->chunk = calloc(chunks, sizeof *s->chunk);
    s->piece = calloc(pieces, sizeof *s->piece);
    int *from = calloc((size_t)s->phases * ((size_t)s->blocks + 1), sizeof *from);
    if (s->phase) s->phase[0].chunk_from = from; /* the phases share it: release frees it once */
    if (!s->phase || !s->chunk || !s->piece || !from) {
        if (!s->phase) free(from);
        return tn_fail("%s: out of memory", name);
    }
    for (int i = 0; i < s->phases; i++) {
        phase *p = &s->phase[i];
        p->y = &s->y[i / s->phases_x];
        p->x = &s->x[i % s->phases_x];
        p->spans_y = &s->spans_y[i / s->phases_x];
        p->spans_x = &s->spans_x[i % s->phases_x];
        p->chunk_from = from + (size_t)i * ((size_t)s->blocks + 1);
        p->depth = (size_t)p->y->taps * p->x->taps * s->read;
        p->weights_at = s->packed_floats;
        s->packed_floats += (size_t)s->groups * s->panels * p->depth * TN_PANEL;
        for (int b = 0; b < s->blocks; b++) {
            p->chunk_from[b] = s->n_chunks;
            if (p->depth > 0) lay_chunks(s, p, &s->block[b]);
        }
        p->chunk_from[s->blocks] = s->n_chunks;
    }
    return TN_OK;
}

static void lay_units(state *s, const tn_tensor *made, int threads) {
    int pitch = 1;
    for (int b = 0; b < s->blocks; b++)
        if (s->block[b].pitch > pitch) pitch = s->block[b].pitch;
    const int rows = s->y[0].count, columns = s->x[0].count;
    if (s->in_place) pitch = s->block[0].pitch;
    const size_t row_bytes = (size_t)s->slab_width * pitch * sizeof(float);
    s->units = tn_slab_units_of(&s->slab_y, made->n, rows, columns, row_bytes,
                                s->small ? SMALL_BYTES : SLAB_BYTES, LEAST_POSITIONS, threads);
    if (s->small && s->units.images > 1) { /* as many for each thread */
        const int each = (made->n + threads - 1) / threads;
        const int cuts = (each + s->units.images - 1) / s->units.images;
        s->units.images = (each + cuts - 1) / cuts;
        s->units.count = (made->n + s->units.images - 1) / s->units.images;
    }
    const int band = (rows + s->units.cuts - 1) / s->units.cuts;
    const size_t slab_rows = (size_t)s->units.images * tn_slab_extent(&s->slab_y, band);
    s->slab_floats = (slab_rows * s->slab_width * pitch + 15) / 16 * 16;
    s->positions = (size_t)s->units.images * band * columns;
    const bool even = s->units.count % threads == 0 || s->units.count >= 8 * threads;
    const int panels = s->groups * s->panels;
    s->shares = even ? 1 : threads < panels ? threads : panels;
}

/* Whether all of a pixel's filters are made by the thread that makes one of them, whole vectors. */
static bool can_measure(const state *s) {
    return s->pixels && !s->backward && s->groups == 1 && s->shares == 1 &&
           s->made % TN_VECTOR == 0;
}

/* A thread's own memory: its slab, segments and tiles (convolution_dense.h), and moments. */
static size_t place_bytes(const state *s) {
    const size_t bytes = s->positions * (sizeof(segment) + sizeof(tile_place));
    const size_t moments = can_measure(s) ? tn_part_moments_bytes(s->made) : 0;
    return s->slab_floats * sizeof(float) + (bytes + 63) / 64 * 64 + (moments + 63) / 64 * 64;
}

static workplace workplace_in(const state *s, char *memory) {
    const size_t slab = s->slab_floats * sizeof(float), table = s->positions * sizeof(segment);
    workplace w = {.slab = (float *)memory,
                   .segment = (segment *)(memory + slab),
                   .tile = (tile_place *)(memory + slab + table)};
    if (!can_measure(s)) return w;
    const size_t moments = (tn_part_moments_bytes(s->made) + 63) / 64 * 64;
    w.moments =
        tn_part_moments_in(NULL, NULL, (float *)(memory + place_bytes(s) - moments), s->made);
    return w;
}

/* Whether vectors of filters and sums over channels are long enough to be worth it. */
static bool serves(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    return a->groups == 1 || (in % 16 == 0 && out % 16 == 0);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    if (!tn_vector_runs() || !serves(r)) return TN_REFUSED;
    if (backward && (a->stride_y > MAX_PHASES || a->stride_x > MAX_PHASES)) return TN_REFUSED;
    tn_tensor made = backward ? r->in[0] : r->out, read = backward ? r->out : r->in[0];
    if (tn_pixels(&made) > INT_MAX) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->backward = backward;
    s->groups = a->groups;
    s->read = read.c / a->groups;
    s->made = made.c / a->groups;
    s->pixels = a->kh == 1 && a->kw == 1 && a->stride_y == 1 && a->stride_x == 1 && a->pad_y == 0 &&
                a->pad_x == 0;
    s->in_place = s->pixels && s->groups == 1 && s->read <= BLOCK;
    if (s->pixels) made = tn_slab_column(made);
    s->panels = (s->made + TN_PANEL - 1) / TN_PANEL;
    lay_axes(s, a, &made);
    TN_TRY(lay_all_spans(s, &read, r->op->name));
    s->block = calloc((size_t)blocks_most(s), sizeof *s->block);
    if (!s->block) return tn_fail("%s: out of memory", r->op->name);
    lay_blocks(s);
    if (s->in_place) s->block[0].pitch = read.pitch;
    TN_TRY(lay_phases(s, r->op->name));
    lay_units(s, &made, r->threads);
    const size_t bytes = (s->packed_floats * sizeof(float) + 63) / 64 * 64;
    s->packed = aligned_alloc(64, bytes ? bytes : 64);
    if (!s->packed)
        return tn_fail("%s: out of memory for %zu bytes of packed weights", r->op->name, bytes);
    k->scratch_bytes = (size_t)r->threads * place_bytes(s);
    return backward ? TN_OK : tn_epilogue_take(&s->epilogue, r, k, false);
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    if (s->phase) free(s->phase[0].chunk_from);
    for (int q = 0; q < MAX_PHASES; q++) {
        free(s->spans_y[q].of);
        free(s->spans_x[q].of);
    }
    free(s->phase);
    free(s->chunk);
    free(s->piece);
    free(s->block);
    free(s->packed);
    tn_epilogue_free(&s->epilogue);
    free(s);
    k->state = NULL;
}

#endif

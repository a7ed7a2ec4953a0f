/* The plan of a dense convolution's forward or backward data: its axes, blocks of channels, chunks
 * of the product and units of work, laid out once in prepare. Included by convolution_dense.h
 * alone. */
#ifndef TN_OPS_CONVOLUTION_DENSE_PLAN_H
#define TN_OPS_CONVOLUTION_DENSE_PLAN_H

#include "layers/ops/convolution_kernels.h"
#include "layers/ops/dense_slab.h"
#include "layers/ops/dense_tile.h"
#include "layers/ops/epilogue.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PHASES = 4,
    BLOCK = 512,
    DEPTH = 256,
    BIT = 16, /* channels packed at a time */
    SLAB_BYTES = 256 << 10,
    LEAST_POSITIONS = 48,
};

/* Channels of what is read that are copied together: part of one group, or whole groups. */
typedef struct block {
    int at, channels, groups, pitch;
    int depth_at; /* of the block's first product among a group's, in channels: 0 for whole groups
                   */
} block;

/* Product depth that passes at once: pieces [piece, piece + pieces). */
typedef struct chunk {
    int piece, pieces, depth;
} chunk;

/* One phase along both axes, with the chunks of each block one after the other. */
typedef struct phase {
    const tn_conv_axis *y, *x;
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
    int phases_y, phases_x;
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

/* Neighbouring segments of `rows` positions each. */
typedef struct tile_place {
    int segment, segments, rows;
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
} workplace;

/* ---- prepare: geometry ---- */

static void lay_axes(state *s, const tn_convolution_attr *a, const tn_tensor *made) {
    s->phases_y = s->backward ? a->stride_y : 1;
    s->phases_x = s->backward ? a->stride_x : 1;
    if (!s->backward) {
        s->y[0] = tn_conv_axis_forward(a->kh, a->stride_y, a->pad_y, a->dilation, made->h);
        s->x[0] = tn_conv_axis_forward(a->kw, a->stride_x, a->pad_x, a->dilation, made->w);
    } else {
        for (int q = 0; q < s->phases_y; q++)
            s->y[q] = tn_conv_axis_backward(a->kh, a->stride_y, a->pad_y, a->dilation, made->h, q);
        for (int q = 0; q < s->phases_x; q++)
            s->x[q] = tn_conv_axis_backward(a->kw, a->stride_x, a->pad_x, a->dilation, made->w, q);
    }
    s->slab_y = tn_slab_axis_of(s->y, s->phases_y);
    s->slab_x = tn_slab_axis_of(s->x, s->phases_x);
    s->slab_width = tn_slab_extent(&s->slab_x, s->x[0].count); /* phase 0 is the longest */
}

static void lay_blocks(state *s) {
    const int whole = s->read <= BLOCK ? BLOCK / s->read : 0; /* groups of one block */
    const int cuts = (s->read + BLOCK - 1) / BLOCK;
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

static void add_piece(state *s, ptrdiff_t at, int depth) {
    s->piece[s->n_pieces++] = (tn_tile_piece){at, depth};
    s->chunk[s->n_chunks - 1].pieces++;
    s->chunk[s->n_chunks - 1].depth += depth;
}

/* The products of a block in the order of the packed weights, (tap y, tap x, channel), cut into
 * chunks of nearly equal depth. Taps that lie next to each other make one piece. */
static void lay_chunks(state *s, const phase *p, const block *b) {
    const int channels = b->channels / b->groups;
    const bool joined = b->groups == 1 && b->pitch == channels && p->x->read_tap == 1;
    const int run = joined ? p->x->taps * channels : channels;
    const int across = joined ? 1 : p->x->taps;
    const int total = p->y->taps * p->x->taps * channels;
    const int chunks = (total + DEPTH - 1) / DEPTH, target = (total + chunks - 1) / chunks;
    int room = 0;
    for (int ty = 0; ty < p->y->taps; ty++)
        for (int tx = 0; tx < across; tx++) {
            const ptrdiff_t at =
                ((ptrdiff_t)ty * p->y->read_tap * s->slab_width + (ptrdiff_t)tx * p->x->read_tap) *
                b->pitch;
            for (int done = 0; done < run;) {
                if (room == 0) {
                    s->chunk[s->n_chunks++] = (chunk){s->n_pieces, 0, 0};
                    room = target;
                }
                const int depth = run - done < room ? run - done : room;
                add_piece(s, at + done, depth);
                done += depth;
                room -= depth;
            }
        }
}

static tn_status lay_phases(state *s, const char *name) {
    s->phases = s->phases_y * s->phases_x;
    const size_t most = (size_t)s->phases * (size_t)s->blocks;
    size_t taps = 0;
    for (int i = 0; i < s->phases; i++)
        taps += (size_t)s->y[i / s->phases_x].taps * s->x[i % s->phases_x].taps;
    const size_t chunks = most + taps * (size_t)s->blocks * (s->read / DEPTH + 2);
    s->phase = calloc((size_t)s->phases, sizeof *s->phase);
    s->chunk = calloc(chunks, sizeof *s->chunk);
    s->piece = calloc(2 * chunks, sizeof *s->piece);
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
    s->units = tn_slab_units_of(&s->slab_y, made->n, rows, columns, row_bytes, SLAB_BYTES,
                                LEAST_POSITIONS, threads);
    const int band = (rows + s->units.cuts - 1) / s->units.cuts;
    const size_t slab_rows = (size_t)s->units.images * tn_slab_extent(&s->slab_y, band);
    s->slab_floats = (slab_rows * s->slab_width * pitch + 15) / 16 * 16;
    s->positions = (size_t)s->units.images * band * columns;
    const bool even = s->units.count % threads == 0 || s->units.count >= 8 * threads;
    const int panels = s->groups * s->panels;
    s->shares = even ? 1 : threads < panels ? threads : panels;
}

/* A thread's own memory: its slab, segments and tiles (convolution_dense.h). */
static size_t place_bytes(const state *s) {
    const size_t bytes = s->positions * (sizeof(segment) + sizeof(tile_place));
    return s->slab_floats * sizeof(float) + (bytes + 63) / 64 * 64;
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
    s->block = calloc((size_t)s->groups * (s->read / BLOCK + 1), sizeof *s->block);
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

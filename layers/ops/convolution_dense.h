/* Convolution forward and backward data as a matrix product over slabs: dense ones, and groups wide
 * enough to fill vectors. Written over vector.h; included by one _avx2.c and one _avx512.c file.
 *
 * Threads take units (slabs) in turn. A slab's channels are copied in blocks of BLOCK at most; a
 * block's product is cut into chunks of DEPTH, whose panel of weights stays in the first-level
 * cache while all positions of the slab pass by it (Goto and van de Geijn, Anatomy of
 * high-performance matrix multiplication, 2008). Every output is summed in the same order whatever
 * the units and the number of threads.
 *
 * Backward data is the same walk with the sides exchanged: see tn_conv_axis_backward. */
#ifndef TN_OPS_CONVOLUTION_DENSE_H
#define TN_OPS_CONVOLUTION_DENSE_H

#include "layers/ops/convolution_kernels.h"
#include "layers/ops/dense_slab.h"
#include "layers/ops/dense_tile.h"
#include "layers/ops/epilogue.h"
#include "layers/ops/streams.h"

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

/* A thread's own memory. */
typedef struct workplace {
    float *slab;
    ptrdiff_t *read_at, *made_at; /* of every position: its window in the slab, its pixel */
} workplace;

/* ---- tiles ---- */

typedef void (*tile_function)(const tn_dense_tile *t);

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##_##vectors(const tn_dense_tile *t) {                                  \
        tn_dense_tile_make(t, rows, vectors);                                                      \
    }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
#if TN_TILE_MOST_ROWS > 6
TILES(7)
TILES(8)
#endif

#define BOTH(rows)                                                                                 \
    { tile_##rows##_1, tile_##rows##_2 }
static const tile_function tile_table[TN_TILE_ROWS][2] = {
    BOTH(1), BOTH(2), BOTH(3), BOTH(4), BOTH(5), BOTH(6),
#if TN_TILE_MOST_ROWS > 6
    BOTH(7), BOTH(8),
#endif
};

/* A panel whose last lanes are no filters: made aside, then put in place. */
static void make_partial(tn_dense_tile *t, int rows, int lanes) {
    float aside[TN_TILE_ROWS][TN_PANEL];
    float *made[TN_TILE_ROWS];
    const bool add = t->add;
    for (int i = 0; i < rows; i++) {
        made[i] = t->made[i];
        t->made[i] = aside[i];
    }
    t->add = false;
    tile_table[rows - 1][lanes > TN_VECTOR](t);
    t->add = add;
    for (int i = 0; i < rows; i++) {
        t->made[i] = made[i];
        for (int l = 0; l < lanes; l++) made[i][l] = add ? made[i][l] + aside[i][l] : aside[i][l];
    }
}

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
    k->scratch_bytes = (size_t)r->threads * (s->slab_floats * sizeof(float) +
                                             2 * (s->positions + 8) * sizeof(ptrdiff_t));
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

/* ---- weights ---- */

/* Where the weight of tap 0 lies that leads from the group's channel `read` to its `made`. */
static size_t weight_at(const state *s, int taps, int group, int made, int read) {
    const size_t g = (size_t)group;
    if (!s->backward) return ((g * s->made + made) * s->read + read) * taps;
    return ((g * s->read + read) * s->made + made) * taps;
}

static void pack_bit(const float *w, int channels, size_t next, int lanes, size_t across,
                     float *packed) {
    for (int l = 0; l < lanes; l++)
        for (int c = 0; c < channels; c++) packed[c * TN_PANEL + l] = w[l * across + c * next];
    for (int l = lanes; l < TN_PANEL; l++)
        for (int c = 0; c < channels; c++) packed[c * TN_PANEL + l] = 0;
}

/* One block's part of a panel: (tap y, tap x, channel, lane). */
static void pack_block(const state *s, const tn_convolution_attr *a, const phase *p,
                       const float *master, int group, int first, int from, int to, float *packed) {
    const int taps = a->kh * a->kw, channels = to - from;
    const int left = s->made - first, lanes = left < TN_PANEL ? left : TN_PANEL;
    const size_t next = (size_t)(s->backward ? s->made : 1) * taps;   /* channel to channel */
    const size_t across = (size_t)(s->backward ? 1 : s->read) * taps; /* lane to lane */
    for (int ty = 0; ty < p->y->taps; ty++)
        for (int tx = 0; tx < p->x->taps; tx++) {
            const int tap =
                (p->y->tap + ty * p->y->tap_step) * a->kw + p->x->tap + tx * p->x->tap_step;
            const float *w = master + weight_at(s, taps, group, first, from) + tap;
            for (int c = 0; c < channels; c += BIT) { /* both sides stay in the cache */
                const int bit = channels - c < BIT ? channels - c : BIT;
                pack_bit(w + c * next, bit, next, lanes, across, packed);
                packed += (size_t)bit * TN_PANEL;
            }
        }
}

static void pack_panel(const state *s, const tn_convolution_attr *a, const phase *p,
                       const float *master, int group, int panel) {
    float *to =
        s->packed + p->weights_at + ((size_t)group * s->panels + panel) * p->depth * TN_PANEL;
    const size_t taps = (size_t)p->y->taps * p->x->taps;
    for (int b = 0; b < s->blocks; b++) {
        const block *k = &s->block[b];
        if (k->groups == 1 && k->at / s->read != group) continue;
        if (k->groups > 1 && (group < k->at / s->read || group >= k->at / s->read + k->groups))
            continue;
        const int channels = k->channels / k->groups;
        pack_block(s, a, p, master, group, panel * TN_PANEL, k->depth_at, k->depth_at + channels,
                   to + taps * k->depth_at * TN_PANEL);
    }
}

static void pack(const tn_op_run *r, state *s) {
    const tn_param *p = r->param[0];
    if (s->is_packed && s->version == p->version && s->master == p->value) return;
    const int panels = s->groups * s->panels;
#pragma omp parallel for collapse(2) schedule(static) num_threads(r->threads)
    for (int q = 0; q < s->phases; q++)
        for (int i = 0; i < panels; i++)
            if (s->phase[q].depth > 0)
                pack_panel(s, r->op->attr, &s->phase[q], p->value, i / s->panels, i % s->panels);
    s->is_packed = true;
    s->version = p->version;
    s->master = p->value;
}

/* ---- the walk ---- */

static void copy_row(const state *s, const tn_tensor *read, const block *b, const float *row,
                     float *to) {
    const tn_slab_axis *x = &s->slab_x;
    const size_t bytes = (size_t)b->channels * sizeof(float);
    for (int i = 0; i < s->slab_width; i++, to += b->pitch) {
        const int at = tn_slab_source(x, 0, i);
        if ((unsigned)at >= (unsigned)read->w) {
            memset(to, 0, bytes);
            continue;
        }
        const float *from = row + (size_t)at * read->pitch + b->at;
        if (x->step == x->read_step && b->pitch == read->pitch) { /* to the end of the row */
            const int left = s->slab_width - i, inside = read->w - at;
            const int pixels = left < inside ? left : inside;
            memcpy(to, from, ((size_t)(pixels - 1) * b->pitch + b->channels) * sizeof(float));
            i += pixels - 1;
            to += (size_t)(pixels - 1) * b->pitch;
        } else {
            memcpy(to, from, bytes);
        }
    }
}

static void copy_slab(const state *s, const tn_tensor *read, const block *b, tn_slab_part part,
                      float *slab) {
    const int rows = tn_slab_extent(&s->slab_y, part.rows);
    const size_t row_floats = (size_t)s->slab_width * b->pitch;
    const float *data = tn_data(read);
    for (int n = 0; n < part.images; n++)
        for (int i = 0; i < rows; i++, slab += row_floats) {
            const int y = tn_slab_source(&s->slab_y, part.row, i);
            if ((unsigned)y >= (unsigned)read->h) {
                memset(slab, 0, row_floats * sizeof(float));
                continue;
            }
            const size_t pixel = ((size_t)(part.image + n) * read->h + y) * read->w;
            copy_row(s, read, b, data + pixel * read->pitch, slab);
        }
}

/* Fills the positions of a phase within a part; returns how many. Windows are counted in pixels of
 * the slab: a block's pitch comes later. */
static int find_positions(const state *s, const phase *p, const tn_tensor *made, tn_slab_part part,
                          const workplace *w) {
    const int rows = tn_slab_extent(&s->slab_y, part.rows);
    int count = 0;
    for (int n = 0; n < part.images; n++)
        for (int j = part.row; j < part.row + part.rows && j < p->y->count; j++) {
            const int row = (j - part.row) * s->slab_y.step + p->y->read - s->slab_y.first;
            const ptrdiff_t slab = ((ptrdiff_t)n * rows + row) * s->slab_width;
            const int y = p->y->first + j * p->y->step;
            const ptrdiff_t pixel = ((ptrdiff_t)(part.image + n) * made->h + y) * made->w;
            for (int i = 0; i < p->x->count; i++, count++) {
                w->read_at[count] = slab + i * s->slab_x.step + p->x->read - s->slab_x.first;
                w->made_at[count] = (pixel + p->x->first + i * p->x->step) * made->pitch;
            }
        }
    return count;
}

/* All positions by one panel and one chunk. */
static void make_panel(const workplace *w, int pitch, int positions, tn_dense_tile *t,
                       const float *slab, float *made, int lanes, const float *next, int depth) {
    const int tiles = (positions + TN_TILE_ROWS - 1) / TN_TILE_ROWS;
    for (int i = 0, from = 0; i < tiles; i++) {
        const int to = (int)((long)positions * (i + 1) / tiles), rows = to - from;
        for (int q = 0; q < rows; q++) {
            t->read[q] = slab + w->read_at[from + q] * pitch;
            t->made[q] = made + w->made_at[from + q];
        }
        t->ahead = to < positions ? (w->read_at[to] - w->read_at[from]) * pitch : 0;
        t->next = next + i * depth;
        from = to;
        if (lanes % TN_VECTOR == 0)
            tile_table[rows - 1][lanes > TN_VECTOR](t);
        else
            make_partial(t, rows, lanes);
    }
}

/* One block's share of the sums of one phase. A panel's chunks follow each other while what they
 * make is in the cache. */
static void make_phase(const state *s, const workplace *w, const tn_tensor *made, const phase *p,
                       int index, int positions, bool add, int share) {
    const block *b = &s->block[index];
    const int first_group = b->at / s->read, panels = b->groups * s->panels;
    const int from = (int)((long)panels * share / s->shares);
    const int to = (int)((long)panels * (share + 1) / s->shares);
    const size_t before = (size_t)p->y->taps * p->x->taps * b->depth_at;
    for (int i = from; i < to; i++) {
        const int g = i / s->panels, panel = i % s->panels, left = s->made - panel * TN_PANEL;
        const int lanes = left < TN_PANEL ? left : TN_PANEL;
        const size_t at = ((size_t)(first_group + g) * s->panels + panel) * p->depth;
        size_t depth = before;
        for (int c = p->chunk_from[index]; c < p->chunk_from[index + 1]; c++) {
            tn_dense_tile t = {.piece = s->piece + s->chunk[c].piece,
                               .pieces = s->chunk[c].pieces,
                               .weights = s->packed + p->weights_at + (at + depth) * TN_PANEL,
                               .add = add || depth > 0};
            /* The next chunk follows this one; the next panel's first comes after the last. */
            const bool last = c + 1 == p->chunk_from[index + 1];
            const size_t next =
                (last ? p->depth - (depth - before) : (size_t)s->chunk[c].depth) * TN_PANEL;
            t.streams = s->streams && !add && (size_t)s->chunk[c].depth == p->depth;
            make_panel(w, b->pitch, positions, &t, w->slab + (size_t)g * s->read,
                       tn_data(made) + (size_t)(first_group + g) * s->made + panel * TN_PANEL,
                       lanes, t.weights + next, s->chunk[c].depth);
            depth += (size_t)s->chunk[c].depth;
        }
    }
}

/* Positions that no tap reaches. */
static void make_zeros(const workplace *w, const tn_tensor *made, int positions) {
    for (int i = 0; i < positions; i++)
        memset(tn_data(made) + w->made_at[i], 0, (size_t)made->c * sizeof(float));
}

/* Channel where panel i of a block begins; for the number of panels: where its last one ends. */
static int channel_of(const state *s, const block *b, int i) {
    const int group = b->at / s->read + i / s->panels, in_group = i % s->panels * TN_PANEL;
    return group * s->made + (in_group < s->made ? in_group : s->made);
}

/* What follows the convolution, over the channels that this share of a unit has made. */
static void finish_unit(const state *s, const workplace *w, const tn_tensor *made, int positions,
                        int share) {
    for (int i = 0; i < s->blocks; i++) {
        const block *b = &s->block[i];
        if (b->depth_at + b->channels / b->groups < s->read) continue; /* its group's sums go on */
        const int panels = b->groups * s->panels;
        const int from = channel_of(s, b, (int)((long)panels * share / s->shares));
        const int to = channel_of(s, b, (int)((long)panels * (share + 1) / s->shares));
        for (int p = 0; p < positions; p++)
            tn_epilogue_pixel(&s->epilogue, (size_t)w->made_at[p] / (size_t)made->pitch, from, to,
                              tn_data(made) + w->made_at[p]);
    }
}

static void make_unit(const state *s, const tn_tensor *read, const tn_tensor *made, bool add,
                      workplace *w, int unit, int share) {
    const tn_slab_part part = tn_slab_part_of(&s->units, unit);
    if (s->in_place) w->slab = tn_data(read) + (size_t)part.row * read->pitch;
    for (int b = 0; b < s->blocks; b++) {
        if (!s->in_place) copy_slab(s, read, &s->block[b], part, w->slab);
        for (int q = 0; q < s->phases; q++) {
            const phase *p = &s->phase[q];
            if (p->depth == 0 && (add || b > 0 || share > 0)) continue;
            const int positions = find_positions(s, p, made, part, w);
            if (p->depth == 0)
                make_zeros(w, made, positions);
            else
                make_phase(s, w, made, p, b, positions, add, share);
        }
    }
    if (s->epilogue.norm)
        finish_unit(s, w, made, find_positions(s, &s->phase[0], made, part, w), share);
}

static void walk(const tn_op_run *r, const tn_kernel_run *k, const tn_tensor *read,
                 const tn_tensor *made, bool add) {
    state *s = k->state;
    const tn_tensor read_column = tn_slab_column(*read), made_column = tn_slab_column(*made);
    if (s->pixels) {
        read = &read_column;
        made = &made_column;
    }
    tn_epilogue_fill(&s->epilogue);
    s->streams = !s->epilogue.norm && tn_may_stream(made, TN_VECTOR);
    const size_t table = (s->positions + 8) * sizeof(ptrdiff_t);
    const size_t bytes = s->slab_floats * sizeof(float) + 2 * table;
    const int jobs = s->units.count * s->shares;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        char *memory = (char *)k->scratch + (size_t)t * bytes;
        workplace w = {(float *)memory, (ptrdiff_t *)(memory + s->slab_floats * sizeof(float)),
                       (ptrdiff_t *)(memory + s->slab_floats * sizeof(float) + table)};
        const int from = (int)((long)jobs * t / r->threads);
        const int to = (int)((long)jobs * (t + 1) / r->threads);
        for (int j = from; j < to; j++) /* shares outermost: threads differ in panels */
            make_unit(s, read, made, add, &w, j % s->units.count, j / s->units.count);
        if (s->streams) _mm_sfence();
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    pack(r, k->state);
    walk(r, k, &r->in[0], &r->out, false);
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    if (!r->din[0].data) return TN_OK;
    pack(r, k->state);
    walk(r, k, &r->dout, &r->din[0], r->accumulate[0]);
    return TN_OK;
}

/* Where oneDNN 2.6 is ahead, measured on Zen 3 (two cores, GFLOP/s): 1x1 kernels of stride 1, 150
 * to 160 against 125 to 155, and reading an image, 167 against 120; in all else it is behind (3x3:
 * 90 against 150). It cannot add to a gradient: large ones would pass through memory twice more. */
static bool library_leads(const tn_op_run *r, bool backward) {
    enum { LARGE = 32 << 20 };
    const tn_convolution_attr *a = r->op->attr;
    if (!TN_DNNL || a->groups > 1) return false;
    const bool pixels = a->kh * a->kw == 1 && a->stride_y == 1 && a->stride_x == 1;
    if (backward)
        return pixels && !(r->accumulate[0] && tn_elements(&r->in[0]) * sizeof(float) >= LARGE);
    return pixels || r->in[0].c < 16;
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    return library_leads(r, false) ? TN_REFUSED : prepare(r, k, false);
}

static tn_status prepare_backward(tn_op_run *r, tn_kernel_run *k) {
    return library_leads(r, true) ? TN_REFUSED : prepare(r, k, true);
}

const tn_kernel TN_ISA(tn_convolution_forward_dense) = {TN_ISA_TEXT, prepare_forward, forward,
                                                        release};
const tn_kernel TN_ISA(tn_convolution_backward_data_dense) = {TN_ISA_TEXT, prepare_backward,
                                                              backward_data, release};

#endif

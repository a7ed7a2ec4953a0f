/* Convolution forward and backward data for groups of few channels: a vector of channels of up to
 * 14 pixels of a row at a time. Serves any shape and pitch. Included by one _avx2.c and one
 * _avx512.c file, which say what shapes they are best at.
 *
 * A block is a vector of neighbouring channels of what a pass makes (out in forward, din in
 * backward data). Where a vector holds two groups or more, a block is as many whole groups as fit,
 * and a permutation of a vector of the channels read hands every lane a channel of its own group.
 * Otherwise a block lies within one group, the last one perhaps not full, and every channel that
 * the group reads is broadcast to all lanes.
 *
 * Backward data is the same walk with the roles of the two sides exchanged: along each axis the
 * positions of din fall into `stride` phases, and all positions of a phase meet the same taps. */
#ifndef TN_OPS_CONVOLUTION_GROUPED_H
#define TN_OPS_CONVOLUTION_GROUPED_H

#include "layers/ops/convolution_kernels.h"
#include "layers/ops/convolution_tile.h"
#include "layers/ops/epilogue.h"
#include "layers/ops/streams.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PHASES = 8,
    WEIGHTS_IN_CACHE = 128 << 10,
    SLAB_BYTES = 256 << 10,
    CACHE_STEP = 1024,
    CACHE_WAYS = 12, /* floats a way of the first-level cache */
};

typedef struct block {
    int made_at, lanes; /* first channel made and how many */
    int read_at;        /* first channel read */
    int ahead;          /* channels between that and the first group's */
} block;

typedef struct state {
    bool backward;
    int groups, read, made; /* channels of one group */
    int together;           /* groups of a block; 1: it lies within one */
    int blocks, read_channels;
    block *block;
    tn_conv_axis y[MAX_PHASES], x[MAX_PHASES];
    int phases_y, phases_x;
    int rows;           /* of a tile */
    int bunch, bunches; /* blocks of a unit */
    int strip, strips;  /* rows of each phase of a unit */
    int reach;          /* channels that a block reads */
    int slab_pitch;     /* 0: units read where it lies */
    size_t slab_floats;
    size_t phase_at[MAX_PHASES]
                   [MAX_PHASES]; /* weights of a block: (phases, see convolution_tile.h) */
    size_t block_floats;
    float *packed, *zeros;          /* zeros: a pixel of the padding */
    int32_t (*lanes_of)[TN_VECTOR]; /* row i: channel i of each lane's group */
    bool is_packed;
    uint64_t version;
    const float *master;
    tn_epilogue epilogue; /* of forward in inference */
    bool streams;         /* made is large: written around the caches */
} state;

/* ---- blocks ---- */

static void lay_blocks(state *s) {
    const int most = s->read > s->made ? s->read : s->made;
    s->read_channels = s->groups * s->read;
    s->together = s->read_channels >= TN_VECTOR && most <= TN_VECTOR / 2 ? TN_VECTOR / most : 1;
    s->blocks = s->together > 1 ? (s->groups + s->together - 1) / s->together
                                : s->groups * ((s->made + TN_VECTOR - 1) / TN_VECTOR);
}

static block block_of(const state *s, int index) {
    if (s->together == 1) {
        const int per_group = s->blocks / s->groups;
        const int group = index / per_group, within = index % per_group * TN_VECTOR;
        const int left = s->made - within;
        return (block){group * s->made + within, left < TN_VECTOR ? left : TN_VECTOR,
                       group * s->read, 0};
    }
    const int group = index * s->together, left = s->groups - group;
    const int groups = left < s->together ? left : s->together;
    /* The vector read ends with the pixel at the latest. */
    const int read_at = group * s->read, last = s->read_channels - TN_VECTOR;
    const int ahead = read_at > last ? read_at - last : 0;
    return (block){group * s->made, groups * s->made, read_at - ahead, ahead};
}

static void lay_lanes(state *s) {
    for (int i = 0; i < s->read + TN_VECTOR; i++)
        for (int l = 0; l < TN_VECTOR; l++) s->lanes_of[i][l] = l / s->made * s->read + i;
}

/* ---- prepare ---- */

static void lay_axes(state *s, const tn_convolution_attr *a, const tn_tensor *made) {
    s->phases_y = s->backward ? a->stride_y : 1;
    s->phases_x = s->backward ? a->stride_x : 1;
    if (!s->backward) {
        s->y[0] = tn_conv_axis_forward(a->kh, a->stride_y, a->pad_y, a->dilation, made->h);
        s->x[0] = tn_conv_axis_forward(a->kw, a->stride_x, a->pad_x, a->dilation, made->w);
        return;
    }
    for (int q = 0; q < s->phases_y; q++)
        s->y[q] = tn_conv_axis_backward(a->kh, a->stride_y, a->pad_y, a->dilation, made->h, q);
    for (int q = 0; q < s->phases_x; q++)
        s->x[q] = tn_conv_axis_backward(a->kw, a->stride_x, a->pad_x, a->dilation, made->w, q);
}

/* Lays out a block's weights; false: there is a phase whose taps are too many. */
static bool lay_phases(state *s) {
    s->block_floats = 0;
    for (int y = 0; y < s->phases_y; y++)
        for (int x = 0; x < s->phases_x; x++) {
            if (!TN_ISA(tn_conv_tile_fits)(&s->y[y], &s->x[x])) return false;
            s->phase_at[y][x] = s->block_floats;
            s->block_floats += (size_t)s->y[y].taps * s->x[x].taps * s->read * TN_VECTOR;
        }
    return true;
}

/* The rows [*from, *to) that rows [first, end) of all phases read; some may be padding. */
static void rows_read(const state *s, int first, int end, int *from, int *to) {
    *from = INT_MAX;
    *to = INT_MIN;
    for (int q = 0; q < s->phases_y; q++) {
        const tn_conv_axis *y = &s->y[q];
        const int low = y->read + first * y->read_step;
        const int high = y->read + (end - 1) * y->read_step + (y->taps - 1) * y->read_tap + 1;
        if (y->taps == 0) continue;
        if (low < *from) *from = low;
        if (high > *to) *to = high;
    }
}

/* Channels that the blocks of a unit read, at most. */
static int unit_reach(const state *s) {
    if (s->together > 1) return (s->bunch - 1) * s->together * s->read + TN_VECTOR;
    const int per_group = s->blocks / s->groups;
    return (s->bunch > per_group ? s->bunch / per_group : 1) * s->read;
}

/* Whether the pixels of a run, read again for every channel, share so few sets of the first-level
 * cache that they drive each other out. */
static bool is_crowded(const state *s, int pitch) {
    int sets = CACHE_STEP;
    while (sets > 1 && pitch % sets != 0) sets /= 2;
    const tn_conv_axis *x = &s->x[0];
    const int across = x->count < TN_TILE_PIXELS / s->rows ? x->count : TN_TILE_PIXELS / s->rows;
    const int reads = s->rows * ((across - 1) * x->read_step + x->taps);
    return reads > CACHE_WAYS * (CACHE_STEP / sets);
}

/* Units of work: some blocks, whose weights stay in the second-level cache, by some rows. */
static void lay_units(state *s, const tn_tensor *read, const tn_tensor *made, int threads) {
    const size_t fit = WEIGHTS_IN_CACHE / (s->block_floats * sizeof(float) + 1);
    const int per_group = s->together > 1 ? 1 : s->blocks / s->groups;
    const int rows = s->y[0].count; /* phase 0 is the longest */
    s->rows = s->x[0].count <= TN_TILE_PIXELS / 2 ? 2 : 1;
    s->reach = s->together > 1 ? TN_VECTOR : s->read;
    s->bunch = fit < 1 ? 1 : fit < 64 ? (int)fit : 64;
    /* Whole groups, or an even part of one. */
    if (s->bunch >= per_group)
        s->bunch -= s->bunch % per_group;
    else
        while (per_group % s->bunch != 0) s->bunch--;
    s->bunches = (s->blocks + s->bunch - 1) / s->bunch;
    s->strip = rows;
    const long others = (long)made->n * s->bunches;
    if (others < 4 * threads) s->strip = (int)(rows * others / (4 * threads));
    if (is_crowded(s, read->pitch)) s->slab_pitch = (unit_reach(s) + 31) / 32 * 32 + 16;
    const size_t row_floats = (size_t)read->w * s->slab_pitch;
    int from = 0, to = 0;
    for (;; s->strip /= 2) {
        if (s->strip < 1) s->strip = 1;
        s->strip = (s->strip + s->rows - 1) / s->rows * s->rows;
        rows_read(s, 0, s->strip, &from, &to);
        if (to < from) to = from;
        s->slab_floats = (size_t)(to - from) * row_floats;
        if (s->strip <= s->rows || s->slab_floats * sizeof(float) <= SLAB_BYTES) break;
    }
    s->strips = (rows + s->strip - 1) / s->strip;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    if (!tn_vector_runs()) return TN_REFUSED;
    if (backward && (a->stride_y > MAX_PHASES || a->stride_x > MAX_PHASES)) return TN_REFUSED;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->backward = backward;
    s->groups = a->groups;
    s->read = backward ? out : in;
    s->made = backward ? in : out;
    lay_axes(s, a, backward ? &r->in[0] : &r->out);
    if (!lay_phases(s)) return TN_REFUSED;
    lay_blocks(s);
    lay_units(s, backward ? &r->out : &r->in[0], backward ? &r->in[0] : &r->out, r->threads);
    k->scratch_bytes = (size_t)r->threads * s->slab_floats * sizeof(float);
    const size_t bytes = s->blocks * s->block_floats * sizeof(float);
    s->packed = aligned_alloc(64, (bytes + 63) / 64 * 64);
    s->zeros = calloc((size_t)s->read_channels + TN_VECTOR, sizeof *s->zeros);
    s->lanes_of = calloc((size_t)s->read + TN_VECTOR, sizeof *s->lanes_of);
    s->block = calloc((size_t)s->blocks, sizeof *s->block);
    if (!s->packed || !s->zeros || !s->lanes_of || !s->block)
        return tn_fail("%s: out of memory for %zu bytes of packed weights", r->op->name, bytes);
    for (int i = 0; i < s->blocks; i++) s->block[i] = block_of(s, i);
    lay_lanes(s);
    return backward ? TN_OK : tn_epilogue_take(&s->epilogue, r, k, false);
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    free(s->packed);
    free(s->zeros);
    free(s->lanes_of);
    free(s->block);
    tn_epilogue_free(&s->epilogue);
    free(s);
    k->state = NULL;
}

/* ---- weights ---- */

/* Where the weight of tap 0 lies that leads from its group's first channel to channel `made` of
 * all.
 */
static size_t weight_at(const state *s, int taps, int made) {
    if (!s->backward) return (size_t)made * s->read * taps;
    const int group = made / s->made, within = made % s->made;
    return ((size_t)group * s->read * s->made + within) * taps;
}

/* A lane's weights of one phase; from: of the lane's group, `next` from channel to channel read. */
static void pack_lane(const state *s, const tn_convolution_attr *a, const tn_conv_axis *y,
                      const tn_conv_axis *x, const float *from, size_t next, float *to) {
    const bool joined = tn_conv_tile_joins(x);
    const int across = joined ? 1 : x->taps, taps = joined ? x->taps : 1; /* of a run */
    for (int ky = 0; ky < y->taps; ky++)
        for (int run = 0; run < across; run++)
            for (int c = 0; c < s->read; c++)
                for (int k = 0; k < taps; k++, to += TN_VECTOR)
                    *to = from[c * next + (size_t)(y->tap + ky * y->tap_step) * a->kw + x->tap +
                               (run + k) * x->tap_step];
}

static void pack_block(const state *s, const tn_convolution_attr *a, const float *master, block b,
                       float *to) {
    const int taps = a->kh * a->kw;
    const size_t next = (size_t)taps * (s->backward ? s->made : 1);
    memset(to, 0, s->block_floats * sizeof *to);
    for (int l = 0; l < b.lanes; l++)
        for (int y = 0; y < s->phases_y; y++)
            for (int x = 0; x < s->phases_x; x++)
                pack_lane(s, a, &s->y[y], &s->x[x], master + weight_at(s, taps, b.made_at + l),
                          next, to + s->phase_at[y][x] + l);
}

static void pack(const tn_op_run *r, state *s) {
    const tn_param *p = r->param[0];
    if (s->is_packed && s->version == p->version && s->master == p->value) return;
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (int i = 0; i < s->blocks; i++)
        pack_block(s, r->op->attr, p->value, s->block[i], s->packed + (size_t)i * s->block_floats);
    s->is_packed = true;
    s->version = p->version;
    s->master = p->value;
}

/* ---- the walk ---- */

/* What is made at once: rows [from_row, to_row) of every phase, by blocks [from, to). Reads from
 * row first_row and channel first_channel on of what is read. */
typedef struct unit {
    int image, from_row, to_row, from, to;
    int first_row, first_channel;
} unit;

static unit unit_of(const state *s, int index) {
    const int row = index % s->strips * s->strip, from = index / s->strips % s->bunches * s->bunch;
    const int to = from + s->bunch;
    return (unit){.image = index / s->strips / s->bunches,
                  .from_row = row,
                  .to_row = row + s->strip,
                  .from = from,
                  .to = to < s->blocks ? to : s->blocks};
}

static void copy_floats(const float *from, int count, float *to) {
    int i = 0;
    for (; i + TN_VECTOR <= count; i += TN_VECTOR)
        tn_vector_store(to + i, tn_vector_load(from + i));
    for (; i < count; i++) to[i] = from[i];
}

/* Copies what a unit reads to where its pixels lie close together, and lets the tile read there. */
static void copy_slab(const state *s, unit *u, tn_conv_tile *t, float *slab) {
    int from, to;
    rows_read(s, u->from_row, u->to_row, &from, &to);
    if (from < 0) from = 0;
    if (to > t->height) to = t->height;
    if (to < from) to = from; /* they read nothing but padding */
    const block first = s->block[u->from], last = s->block[u->to - 1];
    const int channels = last.read_at + s->reach - first.read_at;
    float *pixel = slab;
    for (int y = from; y < to; y++)
        for (int x = 0; x < t->width; x++, pixel += s->slab_pitch)
            copy_floats(t->image + y * t->row_pitch + x * t->pitch + first.read_at, channels,
                        pixel);
    u->first_row = from;
    u->first_channel = first.read_at;
    t->image = slab;
    t->height = to - from;
    t->pitch = s->slab_pitch;
    t->row_pitch = (ptrdiff_t)t->width * t->pitch;
}

/* What follows the convolution, while a tile's pixels are near. */
static void finish_tile(const state *s, const tn_conv_tile *t, const tn_tensor *made, float *pixel,
                        const unit *u) {
    const block first = s->block[u->from], last = s->block[u->to - 1];
    for (int i = 0; i < t->rows; i++)
        for (int p = 0; p < t->pixels; p++) {
            float *to = pixel + i * t->made_row + p * t->made_step;
            tn_epilogue_pixel(&s->epilogue, (size_t)(to - tn_data(made)) / (size_t)made->pitch,
                              first.made_at, last.made_at + last.lanes, to);
        }
}

static void make_blocks(const state *s, tn_conv_tile *t, float *pixel, const unit *u) {
    const size_t phase = s->phase_at[t->y - s->y][t->x - s->x];
    const tn_conv_tile_function make = TN_ISA(tn_conv_tile_place_y)(t);
    for (int i = u->from; i < u->to; i++) {
        const block b = s->block[i];
        t->weights = s->packed + (size_t)i * s->block_floats + phase;
        t->made = pixel + b.made_at;
        t->read_at = b.read_at - u->first_channel;
        t->lanes_of = (const int32_t(*)[TN_VECTOR])s->lanes_of + b.ahead;
        t->lanes = b.lanes;
        make(t);
    }
}

/* All rows of a unit, `pixels` columns of a phase from the first-th on. */
static void make_columns(const state *s, tn_conv_tile *t, const tn_tensor *made, const unit *u,
                         int first, int pixels) {
    t->column = t->x->read + first * t->x->read_step;
    t->pixels = pixels;
    t->rows = s->rows;
    TN_ISA(tn_conv_tile_place_x)(t);
    for (int i = u->from_row; i < u->to_row; i += s->rows)
        for (int q = 0; q < s->phases_y; q++) {
            const tn_conv_axis *y = &s->y[q];
            if (i >= y->count) continue;
            const size_t row = (size_t)u->image * made->h + y->first + i * y->step;
            const size_t column = t->x->first + first * t->x->step;
            float *pixel = tn_data(made) + (row * made->w + column) * made->pitch;
            t->y = y;
            t->row = y->read + i * y->read_step - u->first_row;
            t->made_row = (ptrdiff_t)y->step * made->w * made->pitch;
            t->rows = y->count - i < s->rows ? y->count - i : s->rows;
            make_blocks(s, t, pixel, u);
            if (s->epilogue.norm) finish_tile(s, t, made, pixel, u);
        }
}

/* Positions [from, to) of a phase along x, in tiles of nearly equal width. */
static void make_span(const state *s, tn_conv_tile *t, const tn_tensor *made, const unit *u,
                      int from, int to) {
    const int most = TN_TILE_PIXELS / s->rows, tiles = (to - from + most - 1) / most;
    for (int i = 0; i < tiles; i++) {
        const int first = from + (to - from) * i / tiles;
        make_columns(s, t, made, u, first, from + (to - from) * (i + 1) / tiles - first);
    }
}

static void make_unit(const state *s, const tn_tensor *read, const tn_tensor *made, bool add,
                      unit u, float *slab) {
    tn_conv_tile t;
    t.zeros = s->zeros;
    t.height = read->h;
    t.width = read->w;
    t.pitch = read->pitch;
    t.row_pitch = (ptrdiff_t)read->w * read->pitch;
    t.image = tn_data(read) + (size_t)u.image * read->h * t.row_pitch;
    t.channels = s->read;
    t.permutes = s->together > 1;
    t.add = add;
    t.streams = s->streams;
    if (s->slab_pitch) copy_slab(s, &u, &t, slab);
    for (int q = 0; q < s->phases_x; q++) {
        int from, to;
        t.x = &s->x[q];
        t.made_step = (ptrdiff_t)t.x->step * made->pitch;
        tn_conv_axis_inner(t.x, t.width, &from, &to);
        t.outside = true;
        make_span(s, &t, made, &u, 0, from);
        make_span(s, &t, made, &u, to, t.x->count);
        t.outside = false;
        make_span(s, &t, made, &u, from, to);
    }
}

static void walk(const tn_op_run *r, const tn_kernel_run *k, const tn_tensor *read,
                 const tn_tensor *made, bool add) {
    state *s = k->state;
    const int units = made->n * s->bunches * s->strips;
    tn_epilogue_fill(&s->epilogue);
    s->streams = !add && !s->epilogue.norm && tn_may_stream(made, TN_VECTOR) &&
                 made->c == s->blocks * TN_VECTOR;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        float *slab = (float *)k->scratch + (size_t)t * s->slab_floats;
        const int to = (int)((long)units * (t + 1) / r->threads);
        for (int i = (int)((long)units * t / r->threads); i < to; i++)
            make_unit(s, read, made, add, unit_of(s, i), slab);
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

/* By the including file: whether this is the kernel for that shape. */
static bool is_ours(const tn_op_run *r, bool backward);

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    return is_ours(r, false) ? prepare(r, k, false) : TN_REFUSED;
}

static tn_status prepare_backward(tn_op_run *r, tn_kernel_run *k) {
    return is_ours(r, true) ? prepare(r, k, true) : TN_REFUSED;
}

const tn_kernel TN_ISA(tn_convolution_forward) = {TN_ISA_TEXT, prepare_forward, forward, release};
const tn_kernel TN_ISA(tn_convolution_backward_data) = {TN_ISA_TEXT, prepare_backward,
                                                        backward_data, release};

#endif

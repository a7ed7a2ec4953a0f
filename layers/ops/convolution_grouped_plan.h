/* How a grouped convolution is cut up: blocks of channels, phases, units of work. Included by
 * convolution_grouped.h alone. */
#ifndef TN_OPS_CONVOLUTION_GROUPED_PLAN_H
#define TN_OPS_CONVOLUTION_GROUPED_PLAN_H

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
    tn_conv_axes(a, backward, backward ? &r->in[0] : &r->out, s->y, &s->phases_y, s->x,
                 &s->phases_x);
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

#endif

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

#include <stdlib.h>
#include <string.h>

enum { MAX_PHASES = 8, WEIGHTS_IN_CACHE = 128 << 10 };

typedef struct state {
    bool backward;
    int groups, read, made; /* channels of one group */
    int together;           /* groups of a block; 1: it lies within one */
    int blocks, read_channels;
    tn_conv_axis y[MAX_PHASES], x[MAX_PHASES];
    int phases_y, phases_x;
    int rows; /* of a tile */
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

typedef struct block {
    int made_at, lanes; /* first channel made and how many */
    int read_at;        /* first channel read */
    int ahead;          /* channels between that and the first group's */
} block;

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
    s->rows = s->x[0].count <= TN_TILE_PIXELS / 2 ? 2 : 1; /* phase 0 is the longest */
    lay_blocks(s);
    const size_t bytes = s->blocks * s->block_floats * sizeof(float);
    s->packed = aligned_alloc(64, (bytes + 63) / 64 * 64);
    s->zeros = calloc((size_t)s->read_channels + TN_VECTOR, sizeof *s->zeros);
    s->lanes_of = calloc((size_t)s->read + TN_VECTOR, sizeof *s->lanes_of);
    if (!s->packed || !s->zeros || !s->lanes_of)
        return tn_fail("%s: out of memory for %zu bytes of packed weights", r->op->name, bytes);
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
        pack_block(s, r->op->attr, p->value, block_of(s, i),
                   s->packed + (size_t)i * s->block_floats);
    s->is_packed = true;
    s->version = p->version;
    s->master = p->value;
}

/* ---- the walk ---- */

/* Blocks whose weights are used together while they stay in the second-level cache. */
typedef struct bunch {
    int from, to;
} bunch;

static void make_blocks(const state *s, tn_conv_tile *t, float *pixel, bunch blocks) {
    const size_t phase = s->phase_at[t->y - s->y][t->x - s->x];
    const tn_conv_tile_function make = TN_ISA(tn_conv_tile_locate)(t);
    for (int i = blocks.from; i < blocks.to; i++) {
        const block b = block_of(s, i);
        t->weights = s->packed + (size_t)i * s->block_floats + phase;
        t->made = pixel + b.made_at;
        t->read_at = b.read_at;
        t->lanes_of = (const int32_t(*)[TN_VECTOR])s->lanes_of + b.ahead;
        t->lanes = b.lanes;
        make(t);
    }
}

/* What follows the convolution, while a tile's pixels are near. */
static void finish_tile(const state *s, const tn_conv_tile *t, const tn_tensor *made, float *pixel,
                        bunch blocks) {
    const block first = block_of(s, blocks.from), last = block_of(s, blocks.to - 1);
    for (int i = 0; i < t->rows; i++)
        for (int p = 0; p < t->pixels; p++) {
            float *to = pixel + i * t->made_row + p * t->made_step;
            tn_epilogue_pixel(&s->epilogue, (size_t)(to - tn_data(made)) / (size_t)made->pitch,
                              first.made_at, last.made_at + last.lanes, to);
        }
}

/* Positions [from, to) of a phase along x; tiles of nearly equal width. */
static void make_span(const state *s, tn_conv_tile *t, float *row, const tn_tensor *made,
                      bunch blocks, int from, int to) {
    const tn_conv_axis *x = t->x;
    const int tiles = (to - from + TN_TILE_PIXELS - 1) / TN_TILE_PIXELS;
    for (int i = 0; i < tiles; i++) {
        const int first = from + (to - from) * i / tiles,
                  end = from + (to - from) * (i + 1) / tiles;
        float *pixel = row + (size_t)(x->first + first * x->step) * made->pitch;
        t->pixels = end - first;
        t->column = x->read + first * x->read_step;
        make_blocks(s, t, pixel, blocks);
        if (s->epilogue.norm) finish_tile(s, t, made, pixel, blocks);
    }
}

static void make_phase(const state *s, tn_conv_tile *t, const tn_conv_axis *x, float *row,
                       const tn_tensor *made, bunch blocks) {
    int from, to;
    tn_conv_axis_inner(x, t->width, &from, &to);
    t->x = x;
    t->made_step = (ptrdiff_t)x->step * made->pitch;
    t->outside = true;
    make_span(s, t, row, made, blocks, 0, from);
    make_span(s, t, row, made, blocks, to, x->count);
    t->outside = false;
    make_span(s, t, row, made, blocks, from, to);
}

/* One or two rows of a phase, from its j-th on. */
static void make_rows(const state *s, const tn_tensor *read, const tn_tensor *made, bool add, int n,
                      int phase, int j, bunch blocks) {
    const tn_conv_axis *y = &s->y[phase];
    const int left = y->count - j, position = y->first + j * y->step;
    const size_t row_pitch = (size_t)read->w * read->pitch;
    if (left <= 0) return;
    tn_conv_tile t;
    t.y = y;
    t.image = tn_data(read) + (size_t)n * read->h * row_pitch;
    t.zeros = s->zeros;
    t.row = y->read + j * y->read_step;
    t.height = read->h;
    t.width = read->w;
    t.row_pitch = (ptrdiff_t)row_pitch;
    t.pitch = read->pitch;
    t.made_row = (ptrdiff_t)y->step * made->w * made->pitch;
    t.rows = left < s->rows ? left : s->rows;
    t.channels = s->read;
    t.permutes = s->together > 1;
    t.add = add;
    t.streams = s->streams;
    float *row = tn_data(made) + ((size_t)n * made->h + position) * made->w * made->pitch;
    for (int q = 0; q < s->phases_x; q++) make_phase(s, &t, &s->x[q], row, made, blocks);
}

static void walk(const tn_op_run *r, state *s, const tn_tensor *read, const tn_tensor *made,
                 bool add) {
    const size_t fit = WEIGHTS_IN_CACHE / (s->block_floats * sizeof(float));
    const int blocks = s->blocks, together = fit < 1 ? 1 : fit < 64 ? (int)fit : 64;
    const int bunches = (blocks + together - 1) / together;
    /* Phase 0 is the longest. */
    const int units = (s->y[0].count + s->rows - 1) / s->rows * s->phases_y;
    tn_epilogue_fill(&s->epilogue);
    s->streams = !add && !s->epilogue.norm && tn_may_stream(made, TN_VECTOR) &&
                 made->c == blocks * TN_VECTOR;
#pragma omp parallel num_threads(r->threads)
    {
#pragma omp for collapse(3) schedule(static)
        for (int n = 0; n < made->n; n++)
            for (int i = 0; i < bunches; i++)
                for (int y = 0; y < units; y++) {
                    const int from = i * together, to = from + together;
                    make_rows(s, read, made, add, n, y % s->phases_y, y / s->phases_y * s->rows,
                              (bunch){from, to < blocks ? to : blocks});
                }
        if (s->streams) _mm_sfence();
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    pack(r, k->state);
    walk(r, k->state, &r->in[0], &r->out, false);
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    if (!r->din[0].data) return TN_OK;
    pack(r, k->state);
    walk(r, k->state, &r->dout, &r->din[0], r->accumulate[0]);
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

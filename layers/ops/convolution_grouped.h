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

#include "layers/ops/convolution_grouped_plan.h"

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

/* What the tile below reads anew, but for the channel; a little beyond its end is fetched for
 * nothing, and rows of the padding are others. */
static const float *look_below(const state *s, tn_conv_tile *t) {
    const tn_conv_axis *y = t->y, *x = t->x;
    const int row = t->row + (s->rows - 1) * y->read_step + (y->taps - 1) * y->read_tap + 1;
    const int inside = row < 0 ? 0 : row < t->height ? row : t->height - 1;
    const int reads = (t->pixels - 1) * x->read_step + (x->taps - 1) * x->read_tap + 1;
    const int steps = (t->runs > 0 ? t->runs : 1) * t->channels;
    t->below_pixels = (reads + steps - 1) / steps;
    t->below_rows = inside + 1 < t->height && s->rows * y->read_step > 1 ? 2 : 1;
    t->below_more = t->below_pixels > 1 || t->below_rows > 1;
    return t->image + inside * t->row_pitch + (t->column < 0 ? 0 : t->column) * t->pitch;
}

static void make_blocks(const state *s, tn_conv_tile *t, float *pixel, const unit *u) {
    const size_t phase = s->phase_at[t->y - s->y][t->x - s->x];
    const tn_conv_tile_function make = TN_ISA(tn_conv_tile_place_y)(t);
    const float *below = look_below(s, t);
    for (int i = u->from; i < u->to; i++) {
        const block b = s->block[i];
        t->weights = s->packed + (size_t)i * s->block_floats + phase;
        t->made = pixel + b.made_at;
        t->read_at = b.read_at - u->first_channel;
        t->lanes_of = (const int32_t(*)[TN_VECTOR])s->lanes_of + b.ahead;
        t->lanes = b.lanes;
        t->below = below + t->read_at;
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

/* Weight gradients of grouped convolution: the walk. Written over vector.h; included by one
 * _avx2.c and one _avx512.c file, which say what they serve.
 *
 * The batch is cut into units, rows of an image or some whole images, that fit the second-level
 * cache; units times blocks of channels are dealt out to the threads in order. Every thread has its
 * own packed gradient; they are added up in the order of the threads, so equal thread counts give
 * equal bits. */
#ifndef TN_OPS_CONVOLUTION_WEIGHTS_H
#define TN_OPS_CONVOLUTION_WEIGHTS_H

#include "layers/ops/convolution_kernels.h"
#include "layers/ops/convolution_weights_lanes.h"

#include <stdlib.h>
#include <string.h>

enum {
    UNIT_BYTES = 256 << 10,
    UNIT_PIXELS = 4096, /* a sum is no longer */
};

typedef struct state {
    layout lanes;
    size_t block_floats, gradient_floats; /* packed: (blocks, kh, steps, kw, lanes) */
    int images, band, bands;              /* of a unit: images, or rows of out; of an image */
    int units;
    size_t in_floats, out_floats; /* copies of a block's part of a unit */
    float *zeros;
} state;

/* A thread's own memory. */
typedef struct workplace {
    float *gradient, *in, *dout;
} workplace;

static workplace workplace_of(const state *s, const tn_kernel_run *k, int thread) {
    float *memory =
        (float *)k->scratch + thread * (s->gradient_floats + s->in_floats + s->out_floats);
    return (workplace){memory, memory + s->gradient_floats,
                       memory + s->gradient_floats + s->in_floats};
}

/* ---- the walk ---- */

static int ceil_div(int a, int b) {
    return (a + b - 1) / b;
}

/* The columns where all of `taps` taps lie in the image. */
static void find_inner(sweep *w, int taps) {
    const int before = -w->column, room = w->in_width - 1 - (taps - 1) * w->hole - w->column;
    int from = before <= 0 ? 0 : ceil_div(before, w->stride);
    int to = room < 0 ? 0 : room / w->stride + 1;
    if (to > w->out_width) to = w->out_width;
    if (from > w->out_width) from = w->out_width;
    if (to < from) to = from;
    w->inner_from = from;
    w->inner_to = to;
}

/* All kernel rows of some taps and filters. w: of tap kx, filter `first`. */
static void sweep_rows(const tn_convolution_attr *a, sweep w, spread how, int taps, int filters,
                       int first) {
    const int sets = ceil_div(a->kh, rows_at_most(how, taps, filters));
    float *gradient = w.gradient;
    for (int set = 0; set < sets; set++) {
        const int ky = a->kh * set / sets, rows = a->kh * (set + 1) / sets - ky;
        w.row = ky * a->dilation - a->pad_y;
        w.gradient = gradient + ky * w.next_row;
        sweep_for(how, filters, first, rows, taps)(&w);
    }
}

/* `count` filters (or steps of them), from `gradient` on. */
static void sweep_taps(const tn_convolution_attr *a, sweep w, spread how, int count) {
    const int parts = ceil_div(a->kw, MOST_TAPS);
    float *gradient = w.gradient;
    const float *dout = w.dout;
    for (int p = 0; p < parts; p++) {
        const int kx = a->kw * p / parts, taps = a->kw * (p + 1) / parts - kx;
        w.column = kx * a->dilation - a->pad_x;
        find_inner(&w, taps);
        for (int j = 0, filters; j < count; j += filters) {
            filters = filters_at_most(how, taps, count - j);
            w.gradient = gradient + j * w.next_filter + (ptrdiff_t)kx * TN_VECTOR;
            w.dout = how == SPREAD_ANY ? dout + j : dout;
            sweep_rows(a, w, how, taps, filters, j);
        }
    }
}

/* The rows of `in` that rows from..to-1 of out read. */
static void rows_read(const tn_convolution_attr *a, int height, int from, int to, int *first,
                      int *count) {
    int begin = from * a->stride_y - a->pad_y;
    int end = (to - 1) * a->stride_y - a->pad_y + (a->kh - 1) * a->dilation + 1;
    if (begin < 0) begin = 0;
    if (end > height) end = height;
    *first = begin;
    *count = end > begin ? end - begin : 0;
}

static void copy_in(const tn_op_run *r, const state *s, const block *b, int image, sweep *w,
                    float *to) {
    int rows;
    rows_read(r->op->attr, r->in[0].h, w->from_row, w->to_row, &w->in_first, &rows);
    const lane_map map = map_read(&s->lanes, b);
    copy_rows(&map, &r->in[0], b->group * s->lanes.read + b->read_at, w->in_ahead, image, w->images,
              w->in_first, rows, to);
    w->in = to;
    w->in_ahead = 0;
    w->in_pitch = TN_VECTOR;
    w->in_image = (ptrdiff_t)rows * w->in_width * TN_VECTOR;
}

/* Some filters after the others, each copied before they are swept. */
static void sweep_copies(const tn_op_run *r, const state *s, const block *b, int image, sweep w,
                         float *to) {
    const int rows = w.to_row - w.from_row;
    const ptrdiff_t ahead = w.out_ahead;
    w.dout = to;
    w.out_ahead = 0;
    w.out_first = w.from_row;
    w.out_pitch = TN_VECTOR;
    w.out_image = (ptrdiff_t)rows * w.out_width * TN_VECTOR;
    const int at_once = s->lanes.steps_at_once;
    for (int step = 0; step < s->lanes.steps; step += at_once) {
        const lane_map map = map_made(&s->lanes, b, step);
        copy_rows(&map, &r->dout, b->group * s->lanes.made + made_offset(&s->lanes, step),
                  step == 0 ? ahead : 0, image, w.images, w.from_row, rows, to);
        sweep_taps(r->op->attr, w, s->lanes.how, at_once);
        w.gradient += at_once * w.next_filter;
    }
}

static void sweep_block(const tn_op_run *r, const state *s, const workplace *place, int unit,
                        int index) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0], *out = &r->dout;
    const block b = block_of(&s->lanes, index);
    const int image = unit / s->bands * s->images, band = unit % s->bands;
    sweep w = {
        .zeros = s->zeros,
        .gradient = place->gradient + (size_t)index * s->block_floats,
        .next_filter = (ptrdiff_t)a->kw * TN_VECTOR,
        .next_row = (ptrdiff_t)s->lanes.steps * a->kw * TN_VECTOR,
        .in_ahead = s->band * s->images * a->stride_y * in->w * in->pitch,
        .out_ahead = s->band * s->images * out->w * out->pitch,
        .in_image = (ptrdiff_t)in->h * in->w * in->pitch,
        .out_image = (ptrdiff_t)out->h * out->w * out->pitch,
        .in_pitch = in->pitch,
        .out_pitch = out->pitch,
        .images = image + s->images < out->n ? s->images : out->n - image,
        .in_height = in->h,
        .in_width = in->w,
        .out_width = out->w,
        .from_row = band * s->band,
        .to_row = (band + 1) * s->band < out->h ? (band + 1) * s->band : out->h,
        .row_stride = a->stride_y,
        .row_hole = a->dilation,
        .stride = a->stride_x,
        .hole = a->dilation,
    };
    w.in = tn_data(in) + image * w.in_image + b.group * s->lanes.read + b.read_at;
    w.dout = tn_data(out) + image * w.out_image + b.group * s->lanes.made;
    if (s->lanes.copies_in) copy_in(r, s, &b, image, &w, place->in);
    if (s->lanes.copies_dout)
        sweep_copies(r, s, &b, image, w, place->dout);
    else
        sweep_taps(a, w, s->lanes.how, s->lanes.steps);
}

/* ---- into the file's order ---- */

/* Adds all threads' sums of one lane to its filters' gradients. */
static void unpack_lane(const tn_op_run *r, const state *s, const float *gradients, const block *b,
                        int lane) {
    const tn_convolution_attr *a = r->op->attr;
    const layout *l = &s->lanes;
    const int read = l->per_group > 1 ? TN_VECTOR : l->read, taps = a->kh * a->kw;
    const int g = lane / l->width, within = lane % l->width, e = within / read, i = within % read;
    if (g >= b->groups || e >= l->copies || b->read_at + i >= l->read) return;
    const size_t thread_floats = s->gradient_floats + s->in_floats + s->out_floats;
    for (int step = 0; step < l->steps; step++) {
        const int j = step * l->copies + e;
        if (j >= l->made) break;
        float *to = r->param[0]->grad +
                    (((size_t)(b->group + g) * l->made + j) * l->read + b->read_at + i) * taps;
        for (int t = 0; t < taps; t++) {
            const size_t at = ((size_t)(t / a->kw) * l->steps + step) * a->kw + t % a->kw;
            const float *from = gradients + at * TN_VECTOR + lane;
            float sum = 0;
            for (int thread = 0; thread < r->threads; thread++) sum += from[thread * thread_floats];
            to[t] += sum;
        }
    }
}

static void unpack(const tn_op_run *r, const state *s, const float *gradients, int index) {
    const block b = block_of(&s->lanes, index);
    for (int lane = b.fresh * s->lanes.width; lane < TN_VECTOR; lane++)
        unpack_lane(r, s, gradients + (size_t)index * s->block_floats, &b, lane);
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const state *s = k->state;
    const long items = (long)s->units * s->lanes.blocks;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int thread = 0; thread < r->threads; thread++) {
        const workplace place = workplace_of(s, k, thread);
        memset(place.gradient, 0, s->gradient_floats * sizeof(float));
        const long to = items * (thread + 1) / r->threads;
        for (long i = items * thread / r->threads; i < to; i++)
            sweep_block(r, s, &place, (int)(i / s->lanes.blocks), (int)(i % s->lanes.blocks));
    }
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (int b = 0; b < s->lanes.blocks; b++) unpack(r, s, k->scratch, b);
    return TN_OK;
}

/* ---- prepare ---- */

static void lay_units(state *s, const tn_convolution_attr *a, const tn_tensor *in,
                      const tn_tensor *out, int threads) {
    const size_t row =
        ((size_t)in->w * in->c * a->stride_y + (size_t)out->w * out->c) * sizeof(float);
    size_t rows = UNIT_BYTES / row;
    if (rows > (size_t)UNIT_PIXELS / out->w) rows = (size_t)UNIT_PIXELS / out->w;
    if (rows < 1) rows = 1;
    s->images = 1;
    s->bands = ceil_div(out->h, rows < (size_t)out->h ? (int)rows : out->h);
    s->band = ceil_div(out->h, s->bands);
    s->bands = ceil_div(out->h, s->band);
    if (s->bands == 1) {
        s->images = (int)(rows / out->h);
        const int share = ceil_div(out->n, threads);
        if (s->images > share) s->images = share;
    }
    s->units = ceil_div(out->n, s->images) * s->bands;
}

/* Depthwise, a pixel is read once for every tap, and the rows of a kernel should stay in the
 * first-level cache; but where a pixel's channels are a power of two, few sets take them all. */
static bool is_crowded(const tn_convolution_attr *a, const tn_tensor *in, const layout *l) {
    enum { SETS = 64, WAYS = 8, LINE_FLOATS = 16 };
    if (l->how != SPREAD_1 || l->copies_in || in->c % TN_VECTOR != 0) return false;
    int lines = in->c / LINE_FLOATS, sets = SETS;
    for (; sets > 1 && lines % 2 == 0; lines /= 2) sets /= 2;
    return (a->kh + 1) * in->w > sets * WAYS;
}

static tn_status prepare_any(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0], *out = &r->out;
    if (!tn_vector_runs()) return TN_REFUSED;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->zeros = calloc(TN_VECTOR, sizeof *s->zeros);
    if (!s->zeros) return tn_fail("%s: out of memory", r->op->name);
    s->lanes = layout_of(a->groups, in->c / a->groups, out->c / a->groups);
    if (is_crowded(a, in, &s->lanes)) s->lanes.copies_in = true;
    s->block_floats = (size_t)a->kh * a->kw * s->lanes.steps * TN_VECTOR;
    s->gradient_floats = s->lanes.blocks * s->block_floats;
    lay_units(s, a, in, out, r->threads);
    int rows = (s->band - 1) * a->stride_y + (a->kh - 1) * a->dilation + 1;
    if (rows > in->h) rows = in->h;
    if (s->lanes.copies_in) s->in_floats = (size_t)s->images * rows * in->w * TN_VECTOR;
    if (s->lanes.copies_dout) s->out_floats = (size_t)s->images * s->band * out->w * TN_VECTOR;
    k->scratch_bytes =
        r->threads * (s->gradient_floats + s->in_floats + s->out_floats) * sizeof(float);
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    free(s->zeros);
    free(s);
    k->state = NULL;
}

#endif

/* Convolution forward and backward data in AVX2: 8 channels a register, up to 8 pixels of a row at
 * a time. Made for grouped convolutions of few channels a group; serves any shape and pitch.
 *
 * Backward data is the same walk with the roles of the two sides exchanged: along each axis the
 * positions of din fall into `stride` phases, and all positions of a phase meet the same taps. */
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/convolution_tile_avx2.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PHASES = 8, WEIGHTS_IN_CACHE = 24 << 10 };

typedef struct state {
    tn_grouping grouping;
    bool backward;
    tn_conv_axis y[MAX_PHASES], x[MAX_PHASES];
    int phases_y, phases_x;
    size_t block_floats;   /* packed weights of one block: (kh, read, kw, 8) */
    float *packed, *zeros; /* zeros: a pixel of the padding */
    bool is_packed;
    uint64_t version;
    const float *master;
} state;

/* ---- geometry ---- */

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

/* ---- prepare ---- */

static tn_status prepare_any(tn_op_run *r, tn_kernel_run *k, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    if (!tn_cpu_has_avx2()) return TN_REFUSED;
    if (backward && (a->stride_y > MAX_PHASES || a->stride_x > MAX_PHASES)) return TN_REFUSED;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    s->backward = backward;
    s->grouping = tn_grouping_of(a->groups, backward ? out : in, backward ? in : out);
    lay_axes(s, a, backward ? &r->in[0] : &r->out);
    s->block_floats = (size_t)a->kh * a->kw * s->grouping.read * TN_LANES;
    const size_t bytes = s->grouping.blocks * s->block_floats * sizeof(float);
    s->packed = aligned_alloc(64, (bytes + 63) / 64 * 64);
    s->zeros = calloc((size_t)(backward ? r->out.c : r->in[0].c) + TN_LANES, sizeof *s->zeros);
    if (!s->packed || !s->zeros)
        return tn_fail("%s: out of memory for %zu bytes of packed weights", r->op->name, bytes);
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    free(s->packed);
    free(s->zeros);
    free(s);
    k->state = NULL;
}

/* Where the weight lies that leads from the group's channel `read` to channel `made` of all. */
static size_t weight_at(const state *s, int taps, int made, int read) {
    const int group = made / s->grouping.made, within = made % s->grouping.made;
    if (!s->backward) return ((size_t)made * s->grouping.read + read) * taps;
    return (((size_t)group * s->grouping.read + read) * s->grouping.made + within) * taps;
}

static void pack(const tn_op_run *r, state *s) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_param *p = r->param[0];
    const int taps = a->kh * a->kw, read = s->grouping.read;
    if (s->is_packed && s->version == p->version && s->master == p->value) return;
#pragma omp parallel for schedule(static) num_threads(r->threads)
    for (int b = 0; b < s->grouping.blocks; b++) {
        const tn_block block = tn_grouping_block(&s->grouping, b);
        float *to = s->packed + (size_t)b * s->block_floats;
        memset(to, 0, s->block_floats * sizeof *to);
        for (int l = 0; l < block.lanes; l++)
            for (int i = 0; i < read; i++) {
                const float *from = p->value + weight_at(s, taps, block.made_at + l, i);
                for (int ky = 0; ky < a->kh; ky++)
                    for (int kx = 0; kx < a->kw; kx++)
                        to[(((size_t)ky * read + i) * a->kw + kx) * TN_LANES + l] =
                            from[ky * a->kw + kx];
            }
    }
    s->is_packed = true;
    s->version = p->version;
    s->master = p->value;
}

/* ---- the walk ---- */

/* Blocks whose weights are used together while they stay in the first-level cache. */
typedef struct bunch {
    int from, to;
} bunch;

static void make_blocks(const state *s, tn_conv_tile *t, float *pixel, bunch blocks) {
    const tn_conv_tile_function make = tn_conv_tile_locate(t, s->grouping.spread);
    for (int b = blocks.from; b < blocks.to; b++) {
        const tn_block block = tn_grouping_block(&s->grouping, b);
        t->weights = s->packed + (size_t)b * s->block_floats;
        t->made = pixel + block.made_at;
        t->read_at = block.read_at;
        t->lanes = block.lanes;
        make(t);
    }
}

/* All positions of one phase of one row; tiles of nearly equal width. */
static void make_phase(const state *s, tn_conv_tile *t, const tn_conv_axis *x, float *row,
                       int pitch, bunch blocks) {
    const int tiles = (x->count + TN_TILE - 1) / TN_TILE;
    t->x = x;
    t->made_step = (ptrdiff_t)x->step * pitch;
    for (int i = 0; i < tiles; i++) {
        const int from = x->count * i / tiles, to = x->count * (i + 1) / tiles;
        t->pixels = to - from;
        t->column = x->read + from * x->read_step;
        make_blocks(s, t, row + (size_t)(x->first + from * x->step) * pitch, blocks);
    }
}

static void make_row(const tn_op_run *r, const state *s, const tn_tensor *read,
                     const tn_tensor *made, bool add, int n, int position, bunch blocks) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_conv_axis *y = &s->y[position % s->phases_y];
    const size_t row_pitch = (size_t)read->w * read->pitch;
    tn_conv_tile t;
    t.y = y;
    t.image = tn_data(read) + (size_t)n * read->h * row_pitch;
    t.zeros = s->zeros;
    t.row = y->read + position / s->phases_y * y->read_step;
    t.height = read->h;
    t.width = read->w;
    t.row_pitch = (ptrdiff_t)row_pitch;
    t.pitch = read->pitch;
    t.kernel_width = a->kw;
    t.read = s->grouping.read;
    t.add = add;
    float *row = tn_data(made) + ((size_t)n * made->h + position) * made->w * made->pitch;
    for (int q = 0; q < s->phases_x; q++) make_phase(s, &t, &s->x[q], row, made->pitch, blocks);
}

static void walk(const tn_op_run *r, const state *s, const tn_tensor *read, const tn_tensor *made,
                 bool add) {
    const size_t fit = WEIGHTS_IN_CACHE / (s->block_floats * sizeof(float));
    const int blocks = s->grouping.blocks, together = fit < 1 ? 1 : fit < 64 ? (int)fit : 64;
    const int bunches = (blocks + together - 1) / together;
#pragma omp parallel for collapse(3) schedule(static) num_threads(r->threads)
    for (int n = 0; n < made->n; n++)
        for (int i = 0; i < bunches; i++)
            for (int y = 0; y < made->h; y++) {
                const int from = i * together, to = from + together;
                make_row(r, s, read, made, add, n, y, (bunch){from, to < blocks ? to : blocks});
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

/* Which shapes are better here than with oneDNN 2.6, measured on Zen 3 (GFLOP/s of one core whose
 * peak is 97; 5x5, forward / backward data): 4 channels a group 57 / 56 against its 7 / 30, 8
 * channels 68 / 66 against 40 / 61 (stride 2: 37 / 39 against 35 / 51); but 16 channels 75 / 75
 * against 78 / 94, 32 channels 89 / 89 against 96 / 103, depthwise 3x3 26 against 60 / 51. Where a
 * group's channels do not fill whole registers the library falls to a matrix product of several
 * times less speed. */
static bool is_ours(const tn_op_run *r, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    if (a->groups == 1 || (in == 1 && out == 1)) return false;
    if (backward && in == TN_LANES && out == TN_LANES && a->stride_x > 1) return false;
    return (in <= TN_LANES && out <= TN_LANES) || in % TN_LANES != 0 || out % TN_LANES != 0;
}

static tn_status prepare_forward_any(tn_op_run *r, tn_kernel_run *k) {
    return prepare_any(r, k, false);
}

static tn_status prepare_backward_any(tn_op_run *r, tn_kernel_run *k) {
    return prepare_any(r, k, true);
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    return is_ours(r, false) ? prepare_any(r, k, false) : TN_REFUSED;
}

static tn_status prepare_backward(tn_op_run *r, tn_kernel_run *k) {
    return is_ours(r, true) ? prepare_any(r, k, true) : TN_REFUSED;
}

const tn_kernel tn_convolution_forward_avx2 = {"avx2", prepare_forward, forward, release};
const tn_kernel tn_convolution_forward_avx2_any = {"avx2_any", prepare_forward_any, forward,
                                                   release};
const tn_kernel tn_convolution_backward_data_avx2 = {"avx2", prepare_backward, backward_data,
                                                     release};
const tn_kernel tn_convolution_backward_data_avx2_any = {"avx2_any", prepare_backward_any,
                                                         backward_data, release};

/* norm_act backward: one pass that sums, one that writes. With sums S0 = sum dz, S1 = sum dz*xhat
 * over the N pixels of the statistics, batch norm's gradient (Ioffe and Szegedy 2015)
 *   dx = factor * (dz - S0/N - xhat * S1/N),  xhat = (x - mean) * inv_std
 * is factor*dz + tilt*(x - mean) + offset with one tilt and offset a channel. */
#include "layers/ops/norm_act_vector.h"

#include <string.h>

enum { BLOCK = 128 }; /* pixels that are summed in float before double takes over */

/* Where dz's slope comes from. */
typedef enum source {
    FROM_NOTHING, /* linear: it is 1 */
    FROM_SCALAR,  /* a row of dz is at hand, computed by the scalar function */
    FROM_OUTPUT,
    FROM_SIGNS, /* what forward left of the output: a bit a value */
    FROM_Z,     /* the sign of z, found again from x: one stream less to read */
} source;

/* How this op goes backward; what is constant for all of its pixels. */
typedef struct job {
    const tn_op_run *r;
    tn_norm_rows rows;
    float *tilt, *offset;
    tn_norm_shape shape;
    source from;
    float leak;
    bool reads_x; /* xhat is wanted */
    bool streams;
    const uint8_t *signs;
    size_t signs_pitch;
} job;

/* One thread's sums: double for all of its pixels, float for the block in hand; and a row of dz for
 * activations that are not vectorised. */
typedef struct part {
    double *dz, *dz_x;
    float *block_dz, *block_dz_x, *row;
} part;

static size_t part_bytes(int channels) {
    return tn_row_padded(channels) * (2 * sizeof(double) + 3 * sizeof(float));
}

static part part_in(char *memory, int index, int channels) {
    const size_t padded = tn_row_padded(channels);
    double *wide = (double *)(memory + (size_t)index * part_bytes(channels));
    float *narrow = (float *)(wide + 2 * padded);
    return (part){wide, wide + padded, narrow, narrow + padded, narrow + 2 * padded};
}

/* Rows of one pixel, and of the channels' constants, in registers: vector stores may alias whatever
 * is reached through a pointer to the job. */
typedef struct lines {
    tn_norm_rows rows;
    const float *tilt, *offset;
    const tn_row_value *x, *y, *delta;
    const float *dz_row; /* FROM_SCALAR's */
    const uint8_t *signs;
    tn_row_value *dx, *dskip;
    float leak;
    int channels;
    bool streams; /* dx: a second stream beside it would only be in its way */
} lines;

TN_INLINE_ALWAYS lines lines_of(const job *j, const float *dz_row, size_t p) {
    const tn_op_run *r = j->r;
    lines l = {.rows = j->rows, .tilt = j->tilt, .offset = j->offset, .leak = j->leak};
    l.channels = r->out.c;
    l.streams = j->streams;
    l.x = tn_row_at(&r->in[0], p);
    l.y = tn_row_at(&r->out, p);
    if (j->signs) l.signs = j->signs + p * j->signs_pitch;
    l.delta = tn_row_at(&r->dout, p);
    l.dz_row = dz_row;
    if (r->din[0].data) l.dx = tn_row_at(&r->din[0], p);
    if (r->op->n_in == 2 && r->din[1].data) l.dskip = tn_row_at(&r->din[1], p);
    return l;
}

TN_INLINE_ALWAYS tn_vector_mask above_zero(const lines *l, int c, source from, bool whole,
                                           tn_lane_set lanes) {
    if (from == FROM_SIGNS) return tn_vector_mask_load(l->signs + c / 8);
    if (from == FROM_OUTPUT) return tn_vector_above_zero(tn_row_load(l->y + c, whole, lanes));
    return tn_vector_above_zero(tn_norm_z(l->rows, tn_row_load(l->x + c, whole, lanes), c));
}

/* dz of one vector; `from` and `shape` are constants where this is inlined. */
TN_INLINE_ALWAYS tn_vector dz_of(const lines *l, int c, source from, tn_norm_shape shape,
                                 bool whole, tn_lane_set lanes) {
    if (from == FROM_SCALAR) return tn_vector_load(l->dz_row + c);
    const tn_vector d = tn_row_load(l->delta + c, whole, lanes);
    tn_row_ahead(l->delta + c);
    if (from == FROM_NOTHING) return d;
    const tn_vector_mask up = above_zero(l, c, from, whole, lanes);
    if (shape == TN_SHAPE_RELU) return tn_vector_keep(up, d);
    return tn_vector_choose(up, d, tn_vector_mul(d, tn_vector_all(l->leak)));
}

/* ---- sums ---- */

TN_INLINE_ALWAYS void sum_vector(const lines *l, int rows, part k, int c, source from,
                                 tn_norm_shape shape, bool reads_x, bool whole) {
    const tn_lane_set lanes = tn_row_lanes(c, l->channels);
    tn_vector sum = tn_vector_load(k.block_dz + c), sum_x = tn_vector_load(k.block_dz_x + c);
    for (int i = 0; i < rows; i++) {
        const tn_vector dz = dz_of(&l[i], c, from, shape, whole, lanes);
        sum = tn_vector_add(sum, dz);
        if (!reads_x) continue;
        tn_row_ahead(l[i].x + c);
        const tn_vector centred =
            tn_vector_sub(tn_row_load(l[i].x + c, whole, lanes), tn_vector_load(l->rows.mean + c));
        sum_x = tn_vector_fma(dz, centred, sum_x);
    }
    tn_vector_store(k.block_dz + c, sum);
    tn_vector_store(k.block_dz_x + c, sum_x);
}

/* Adds up `rows` pixels from p on: a constant, four at most. */
TN_INLINE_ALWAYS void sum_rows(const job *j, const float *dz_row, size_t p, int rows, part k,
                               source from, tn_norm_shape shape, bool reads_x) {
    lines l[4];
    for (int i = 0; i < rows; i++) l[i] = lines_of(j, dz_row, p + (size_t)i);
    const int channels = l->channels;
    int c = 0;
    for (; c + TN_VECTOR <= channels; c += TN_VECTOR)
        sum_vector(l, rows, k, c, from, shape, reads_x, true);
    if (c < channels) sum_vector(l, rows, k, c, from, shape, reads_x, false);
}

/* ---- gradients of the inputs ---- */

TN_INLINE_ALWAYS void put(tn_row_value *to, tn_vector v, bool add, bool whole, tn_lane_set lanes) {
    if (add) v = tn_vector_add(v, tn_row_load(to, whole, lanes));
    tn_row_store(to, v, whole, lanes);
}

TN_INLINE_ALWAYS void write_vector(const lines *l, const bool add[2], int c, source from,
                                   tn_norm_shape shape, bool tilted, bool whole) {
    const tn_lane_set lanes = tn_row_lanes(c, l->channels);
    const tn_vector dz = dz_of(l, c, from, shape, whole, lanes);
    tn_vector dx = tn_vector_mul(dz, tn_vector_load(l->rows.factor + c));
    if (tilted) {
        tn_row_ahead(l->x + c);
        const tn_vector centred =
            tn_vector_sub(tn_row_load(l->x + c, whole, lanes), tn_vector_load(l->rows.mean + c));
        const tn_vector bend =
            tn_vector_fma(centred, tn_vector_load(l->tilt + c), tn_vector_load(l->offset + c));
        dx = tn_vector_add(dx, bend);
    }
    if (l->dskip) put(l->dskip + c, dz, add[1], whole, lanes);
    if (whole && l->streams)
        tn_row_stream(l->dx + c, dx);
    else if (l->dx)
        put(l->dx + c, dx, add[0], whole, lanes);
}

/* More skips than one are rare: dz goes to each of them in a sweep of its own. */
static void write_skips(const job *j, const lines *l, size_t p, source from, tn_norm_shape shape) {
    const tn_op_run *r = j->r;
    for (int i = 1; i < r->op->n_in; i++) {
        if (!r->din[i].data) continue;
        for (int c = 0; c < l->channels; c += TN_VECTOR) {
            const tn_lane_set lanes = tn_row_lanes(c, l->channels);
            put(tn_row_at(&r->din[i], p) + c, dz_of(l, c, from, shape, false, lanes),
                r->accumulate[i], false, lanes);
        }
    }
}

TN_INLINE_ALWAYS void write_row(const job *j, const float *dz_row, size_t p, source from,
                                tn_norm_shape shape, bool tilted) {
    const tn_op_run *r = j->r;
    const lines l = lines_of(j, dz_row, p);
    const bool add[2] = {r->accumulate[0], r->op->n_in == 2 && r->accumulate[1]};
    int c = 0;
    for (; c + TN_VECTOR <= l.channels; c += TN_VECTOR)
        write_vector(&l, add, c, from, shape, tilted, true);
    if (c < l.channels) write_vector(&l, add, c, from, shape, tilted, false);
    if (r->op->n_in > 2) write_skips(j, &l, p, from, shape);
}

/* ---- scalar activations ---- */

/* Fills a row with dz of pixel p. */
static void scalar_dz(const job *j, size_t p, float *row) {
    const tn_op_run *r = j->r;
    const tn_norm_act_attr *a = r->op->attr;
    const tn_row_value *delta = tn_row_at(&r->dout, p);
    const bool from_output = tn_activation_from_output(a->activation);
    for (int c = 0; c < r->out.c; c++) {
        float y = 0, z = 0;
        if (from_output) {
            y = tn_row_one(tn_row_at(&r->out, p) + c);
        } else {
            const float x = tn_row_one(tn_row_at(&r->in[0], p) + c);
            z = (x - j->rows.mean[c]) * j->rows.factor[c] + j->rows.shift[c];
            for (int i = 1; i < r->op->n_in; i++) z += tn_row_one(tn_row_at(&r->in[i], p) + c);
        }
        row[c] = tn_row_one(delta + c) * tn_activation_slope(a->activation, z, y);
    }
}

/* ---- blocks: the constants are chosen here ---- */

TN_INLINE_ALWAYS void sum_fixed(const job *j, tn_span s, part k, source from, tn_norm_shape shape,
                                bool reads_x) {
    size_t p = s.begin;
    for (; p + 4 <= s.end; p += 4) sum_rows(j, NULL, p, 4, k, from, shape, reads_x);
    for (; p < s.end; p++) sum_rows(j, NULL, p, 1, k, from, shape, reads_x);
}

static void sum_block(const job *j, tn_span s, part k) {
    const bool relu = j->shape == TN_SHAPE_RELU, leaky = j->shape == TN_SHAPE_LEAKY;
    if (j->shape == TN_SHAPE_OTHER) {
        for (size_t p = s.begin; p < s.end; p++) {
            scalar_dz(j, p, k.row);
            sum_rows(j, k.row, p, 1, k, FROM_SCALAR, TN_SHAPE_OTHER, j->reads_x);
        }
    } else if (relu && j->from == FROM_Z && j->reads_x) {
        sum_fixed(j, s, k, FROM_Z, TN_SHAPE_RELU, true);
    } else if (relu && j->from == FROM_SIGNS && j->reads_x) {
        sum_fixed(j, s, k, FROM_SIGNS, TN_SHAPE_RELU, true);
    } else if (leaky && j->from == FROM_Z && j->reads_x) {
        sum_fixed(j, s, k, FROM_Z, TN_SHAPE_LEAKY, true);
    } else if (leaky && j->from == FROM_SIGNS && j->reads_x) {
        sum_fixed(j, s, k, FROM_SIGNS, TN_SHAPE_LEAKY, true);
    } else if (j->shape == TN_SHAPE_LINEAR && j->reads_x) {
        sum_fixed(j, s, k, FROM_NOTHING, TN_SHAPE_LINEAR, true);
    } else {
        sum_fixed(j, s, k, j->from, j->shape, j->reads_x);
    }
}

TN_INLINE_ALWAYS void write_fixed(const job *j, tn_span s, source from, tn_norm_shape shape,
                                  bool tilted) {
    for (size_t p = s.begin; p < s.end; p++) write_row(j, NULL, p, from, shape, tilted);
}

static void write_block(const job *j, tn_span s, part k, bool tilted) {
    const bool relu = j->shape == TN_SHAPE_RELU, leaky = j->shape == TN_SHAPE_LEAKY;
    if (j->shape == TN_SHAPE_OTHER) {
        for (size_t p = s.begin; p < s.end; p++) {
            scalar_dz(j, p, k.row);
            write_row(j, k.row, p, FROM_SCALAR, TN_SHAPE_OTHER, tilted);
        }
    } else if (relu && j->from == FROM_Z && tilted) {
        write_fixed(j, s, FROM_Z, TN_SHAPE_RELU, true);
    } else if (relu && j->from == FROM_SIGNS && tilted) {
        write_fixed(j, s, FROM_SIGNS, TN_SHAPE_RELU, true);
    } else if (leaky && j->from == FROM_Z && tilted) {
        write_fixed(j, s, FROM_Z, TN_SHAPE_LEAKY, true);
    } else if (leaky && j->from == FROM_SIGNS && tilted) {
        write_fixed(j, s, FROM_SIGNS, TN_SHAPE_LEAKY, true);
    } else if (j->shape == TN_SHAPE_LINEAR && tilted) {
        write_fixed(j, s, FROM_NOTHING, TN_SHAPE_LINEAR, true);
    } else {
        write_fixed(j, s, j->from, j->shape, tilted);
    }
}

/* ---- the passes ---- */

static void sum_part(const job *j, tn_span span, part k) {
    const int channels = j->r->out.c;
    const size_t padded = tn_row_padded(channels), block = BLOCK;
    memset(k.dz, 0, 2 * padded * sizeof(double));
    for (size_t p = span.begin; p < span.end; p += block) {
        memset(k.block_dz, 0, 2 * padded * sizeof(float));
        const size_t end = p + block < span.end ? p + block : span.end;
        sum_block(j, (tn_span){p, end}, k);
        for (int c = 0; c < channels; c++) {
            k.dz[c] += (double)k.block_dz[c];
            k.dz_x[c] += (double)k.block_dz_x[c];
        }
    }
}

/* Mean and 1/deviation of channel c as forward used them. */
static void statistics(const tn_op_run *r, bool batch, int c, double *mean, double *inv_std) {
    if (!batch) {
        tn_norm_act_running(r, c, mean, inv_std);
        return;
    }
    const tn_norm_saved saved = tn_norm_saved_in(r->save, r->out.c);
    *mean = saved.mean[c];
    *inv_std = saved.inv_std[c];
}

/* Adds the parts up in their order; gives the sums to the parameters, and to the input's gradient
 * as tilt and offset. */
static void settle(const job *j, char *memory, size_t count) {
    const tn_op_run *r = j->r;
    const tn_norm_act_attr *a = r->op->attr;
    const bool batch = tn_norm_uses_batch(r);
    for (int c = 0; c < r->out.c; c++) {
        double dz = 0, dz_x = 0;
        for (int t = 0; t < r->threads; t++) {
            const part k = part_in(memory, t, r->out.c);
            dz += k.dz[c];
            dz_x += k.dz_x[c];
        }
        if (r->wants_params && r->op->n_param > 0) r->param[TN_NORM_BIAS]->grad[c] += (float)dz;
        if (!a->batch_norm) continue;
        double mean, inv_std;
        statistics(r, batch, c, &mean, &inv_std);
        const double rest = mean - (double)j->rows.mean[c];
        const double scale = (double)r->param[TN_NORM_SCALE]->value[c];
        dz_x = (dz_x - rest * dz) * inv_std; /* now of xhat */
        if (r->wants_params) r->param[TN_NORM_SCALE]->grad[c] += (float)dz_x;
        if (!batch || count == 0) continue;
        const double factor = scale * inv_std, n = (double)count;
        const double tilt = -factor * inv_std * dz_x / n;
        j->tilt[c] = (float)tilt;
        j->offset[c] = (float)(-factor * dz / n - tilt * rest);
    }
}

static void write_part(const job *j, tn_span span, part k, bool tilted) {
    const size_t block = BLOCK;
    for (size_t end = span.end; end > span.begin;) { /* backwards: see forward */
        const size_t begin = end - span.begin > block ? end - block : span.begin;
        write_block(j, (tn_span){begin, end}, k, tilted);
        end = begin;
    }
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    if (!tn_row_serves(r)) return TN_REFUSED;
    TN_TRY(tn_norm_act_prepare(r));
    k->in_place = true; /* each vector of the output's gradient is read before it is written */
    k->scratch_bytes =
        5 * tn_row_padded(r->out.c) * sizeof(float) + (size_t)r->threads * part_bytes(r->out.c);
    return TN_OK;
}

static job job_of(const tn_op_run *r, float *scratch) {
    const tn_norm_act_attr *a = r->op->attr;
    const size_t padded = tn_row_padded(r->out.c);
    job j = {.r = r, .rows = tn_norm_rows_in(scratch, r->out.c)};
    j.tilt = scratch + 3 * padded;
    j.offset = scratch + 4 * padded;
    memset(j.tilt, 0, 2 * padded * sizeof(float));
    tn_norm_rows_fill(r, j.rows);
    j.shape = tn_norm_shape_of(a->activation);
    j.leak = tn_activation_slope(a->activation, -1, -1);
    j.reads_x = a->batch_norm;
    j.streams = r->din[0].data && r->din[0].data != r->dout.data && !r->accumulate[0] &&
                tn_row_streams(&r->din[0]);
    j.signs = tn_norm_signs(r);
    j.signs_pitch = tn_norm_signs_pitch(r->out.c);
    if (j.shape != TN_SHAPE_LINEAR && j.shape != TN_SHAPE_OTHER)
        j.from = a->batch_norm && r->op->n_in == 1 ? FROM_Z : j.signs ? FROM_SIGNS : FROM_OUTPUT;
    return j;
}

static bool wants_input_gradient(const tn_op_run *r) {
    for (int i = 0; i < r->op->n_in; i++)
        if (r->din[i].data) return true;
    return false;
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    const job j = job_of(r, k->scratch);
    char *memory = (char *)(j.offset + tn_row_padded(r->out.c));
    const bool batch = tn_norm_uses_batch(r);
    const size_t pixels = tn_pixels(&r->out);
    const size_t count = (size_t)tn_valid_samples(r) * r->out.h * r->out.w;
    if (batch || (r->wants_params && r->op->n_param > 0)) {
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
        for (int t = 0; t < r->threads; t++)
            sum_part(&j, tn_share(count, t, r->threads), part_in(memory, t, r->out.c));
        settle(&j, memory, count);
    }
    if (!wants_input_gradient(r)) return TN_OK;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        const part own = part_in(memory, t, r->out.c);
        const tn_span valid = tn_share(count, t, r->threads);
        const tn_span rest = tn_share(pixels - count, t, r->threads);
        write_part(&j, valid, own, batch);
        write_part(&j, (tn_span){count + rest.begin, count + rest.end}, own, false);
        _mm_sfence();
    }
    return TN_OK;
}

const tn_kernel TN_ISA(tn_norm_act_backward) = {TN_ISA_TEXT, prepare,   backward,
                                                NULL,        TN_ON_CPU, TN_ROW_IS_BF16};

/* norm_act forward: with batch statistics one pass that reads, one that reads and writes; else the
 * second alone. Both are bound by memory. */
#include "layers/ops/moments_rows.h"
#include "layers/ops/norm_act_vector.h"

#include <string.h>

/* ---- statistics ---- */

/* In scratch: a thread's moments in double, then its floats. */
static size_t part_bytes(int channels) {
    return 2 * tn_row_padded(channels) * sizeof(double) + tn_part_moments_bytes(channels);
}

static tn_part_moments part_in(char *memory, int index, int channels) {
    const size_t padded = tn_row_padded(channels);
    double *wide = (double *)(memory + (size_t)index * part_bytes(channels));
    return tn_part_moments_in(wide, wide + padded, (float *)(wide + 2 * padded), channels);
}

/* Channel c's moments by what the op before has left. */
static tn_moments found_moments(const tn_channel_moments *found, int c, int channels) {
    tn_moments m = {0};
    for (int t = 0; t < found->parts; t++) {
        const size_t at = (size_t)t * channels + c;
        const tn_moments part = {found->count[t], found->mean[at], found->m2[at]};
        m = tn_moments_merged(m, part);
    }
    return m;
}

static tn_moments swept_moments(const tn_op_run *r, char *memory, size_t count, int c) {
    tn_moments m = {0};
    for (int t = 0; t < r->threads; t++) {
        const tn_part_moments k = part_in(memory, t, r->out.c);
        const tn_span span = tn_share(count, t, r->threads);
        const tn_moments part = {(double)(span.end - span.begin), k.mean[c], k.m2[c]};
        m = tn_moments_merged(m, part);
    }
    return m;
}

/* Fills r->save and moves the running statistics. Parts are merged in their order: the same bits
 * whenever the number of threads is the same. */
static tn_status find_statistics(tn_op_run *r, char *memory) {
    const tn_tensor *x = &r->in[0];
    const tn_norm_saved saved = tn_norm_saved_in(r->save, x->c);
    const bool found = r->found && r->found->given;
    size_t count;
    TN_TRY(tn_norm_act_count(r, &count));
#pragma omp parallel for schedule(static, 1) num_threads(r->threads) if (!found)
    for (int t = 0; t < r->threads; t++)
        if (!found) tn_moments_sweep(x, tn_share(count, t, r->threads), part_in(memory, t, x->c));
    for (int c = 0; c < x->c; c++) {
        if (count == 0) {
            tn_norm_act_running(r, c, &saved.mean[c], &saved.inv_std[c]);
            continue;
        }
        const tn_moments m =
            found ? found_moments(r->found, c, x->c) : swept_moments(r, memory, count, c);
        tn_norm_act_settle(r, c, m, &saved.mean[c], &saved.inv_std[c]);
    }
    if (count > 0) tn_norm_act_moved(r);
    return TN_OK;
}

/* ---- values ---- */

TN_INLINE_ALWAYS tn_vector activated(tn_norm_shape shape, tn_vector z, tn_vector leak) {
    if (shape == TN_SHAPE_RELU) return tn_vector_relu(z);
    if (shape == TN_SHAPE_LEAKY)
        return tn_vector_choose(tn_vector_above_zero(z), z, tn_vector_mul(leak, z));
    return z;
}

/* One pixel's rows; vector stores may alias whatever is reached through a pointer. */
typedef struct lines {
    tn_norm_rows rows;
    const tn_row_value *x, *skip;
    tn_row_value *y;
    float *z;       /* a row for activations that are not vectorised */
    uint8_t *signs; /* NULL: not wanted */
    tn_vector leak;
    int channels;
} lines;

TN_INLINE_ALWAYS void put_vector(const tn_op_run *r, const lines *l, tn_norm_shape shape, int skips,
                                 size_t p, int c, bool whole, bool streams) {
    const tn_lane_set lanes = tn_row_lanes(c, l->channels);
    tn_vector z = tn_norm_z(l->rows, tn_row_load(l->x + c, whole, lanes), c);
    tn_row_ahead(l->x + c);
    if (skips > 0) {
        z = tn_vector_add(z, tn_row_load(l->skip + c, whole, lanes));
        tn_row_ahead(l->skip + c);
    }
    for (int i = 2; i <= skips; i++)
        z = tn_vector_add(z, tn_row_load(tn_row_at(&r->in[i], p) + c, whole, lanes));
    const tn_vector y = activated(shape, z, l->leak);
    if (shape == TN_SHAPE_OTHER)
        tn_vector_store(l->z + c, z);
    else if (streams)
        tn_row_stream(l->y + c, y);
    else
        tn_row_store(l->y + c, y, whole, lanes);
    if (l->signs) tn_vector_mask_store(l->signs + c / 8, tn_vector_above_zero(y));
}

static void put_activated(tn_activation a, const lines *l) {
    for (int c = 0; c < l->channels; c++) l->z[c] = tn_activate(a, l->z[c]);
    for (int c = 0; c < l->channels; c += TN_VECTOR)
        tn_row_store(l->y + c, tn_vector_load(l->z + c), false, tn_row_lanes(c, l->channels));
}

/* Shape and number of skips are constants where this is inlined. */
TN_INLINE_ALWAYS void put_rows(const tn_op_run *r, tn_norm_rows k, tn_span span, float *z,
                               tn_norm_shape shape, int skips) {
    const tn_norm_act_attr *a = r->op->attr;
    const int channels = r->out.c;
    const bool streams = shape != TN_SHAPE_OTHER && tn_row_streams(&r->out);
    const size_t signs_pitch = tn_norm_signs_pitch(channels);
    uint8_t *const signs = tn_norm_signs(r);
    lines l = {.rows = k, .z = z, .channels = channels};
    l.leak = tn_vector_all(tn_activation_slope(a->activation, -1, -1));
    for (size_t p = span.begin; p < span.end; p++) {
        l.x = tn_row_at(&r->in[0], p);
        l.skip = skips > 0 ? tn_row_at(&r->in[1], p) : NULL;
        l.y = tn_row_at(&r->out, p);
        l.signs = signs ? signs + p * signs_pitch : NULL;
        int c = 0;
        for (; c + TN_VECTOR <= channels; c += TN_VECTOR)
            put_vector(r, &l, shape, skips, p, c, true, streams);
        if (c < channels) put_vector(r, &l, shape, skips, p, c, false, false);
        if (shape == TN_SHAPE_OTHER) put_activated(a->activation, &l);
    }
}

static void put_span(const tn_op_run *r, tn_norm_rows k, tn_span span, float *z) {
    const tn_norm_act_attr *a = r->op->attr;
    const tn_norm_shape shape = tn_norm_shape_of(a->activation);
    const int skips = r->op->n_in - 1;
    if (shape == TN_SHAPE_RELU && skips == 0)
        put_rows(r, k, span, z, TN_SHAPE_RELU, 0);
    else if (shape == TN_SHAPE_RELU && skips == 1)
        put_rows(r, k, span, z, TN_SHAPE_RELU, 1);
    else if (shape == TN_SHAPE_LEAKY && skips == 0)
        put_rows(r, k, span, z, TN_SHAPE_LEAKY, 0);
    else if (shape == TN_SHAPE_LINEAR && skips == 0)
        put_rows(r, k, span, z, TN_SHAPE_LINEAR, 0);
    else if (shape == TN_SHAPE_LINEAR && skips == 1)
        put_rows(r, k, span, z, TN_SHAPE_LINEAR, 1);
    else
        put_rows(r, k, span, z, shape, skips);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    if (!tn_row_serves(r)) return TN_REFUSED;
    TN_TRY(tn_norm_act_prepare(r));
    tn_norm_act_prepare_signs(r);
    k->scratch_bytes = (3 + (size_t)r->threads) * tn_row_padded(r->out.c) * sizeof(float);
    if (tn_norm_uses_batch(r)) k->scratch_bytes += (size_t)r->threads * part_bytes(r->out.c);
    return TN_OK;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    const tn_norm_rows rows = tn_norm_rows_in(k->scratch, r->out.c);
    const size_t padded = tn_row_padded(r->out.c);
    float *z = rows.mean + 3 * padded;
    if (tn_norm_uses_batch(r))
        TN_TRY(find_statistics(r, (char *)(z + (size_t)r->threads * padded)));
    tn_norm_rows_fill(r, rows);
    const size_t pixels = tn_pixels(&r->out), block = TN_MOMENTS_BLOCK;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        /* Backwards, for what the statistics read last is still in the cache. */
        const tn_span span = tn_share(pixels, t, r->threads);
        for (size_t end = span.end; end > span.begin;) {
            const size_t begin = end - span.begin > block ? end - block : span.begin;
            put_span(r, rows, (tn_span){begin, end}, z + (size_t)t * padded);
            end = begin;
        }
        _mm_sfence();
    }
    return TN_OK;
}

const tn_kernel TN_ISA(tn_norm_act_forward) = {TN_ISA_TEXT, prepare,   forward,
                                               NULL,        TN_ON_CPU, TN_ROW_IS_BF16};

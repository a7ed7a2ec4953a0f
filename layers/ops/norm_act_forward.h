/* norm_act forward: with batch statistics one pass that reads, one that reads and writes; else the
 * second alone. Both are bound by memory. */
#include "layers/ops/norm_act_vector.h"

#include <string.h>

/* ---- statistics ---- */

/* Of the pixels that one thread has seen: mean and centred sum of squares in double; in float the
 * block in hand, summed as deviations from `around`. */
typedef struct part {
    double *mean, *m2;
    float *around, *sum, *squares;
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

/* sum += x of `rows` pixels from p on. */
TN_INLINE_ALWAYS void add_plain(const tn_tensor *x, size_t p, int rows, float *sum) {
    for (int i = 0; i < rows; i++) {
        const tn_row_value *from = tn_row_at(x, p + (size_t)i);
        for (int c = 0; c < x->c; c++) sum[c] += tn_row_one(from + c);
    }
}

/* sum += x - around, squares += (x - around)^2, of four pixels or one (rows is a constant). */
TN_INLINE_ALWAYS void add_vector(const tn_row_value *from, size_t pitch, int rows, part k, int c,
                                 bool whole, int channels) {
    const tn_lane_set lanes = tn_row_lanes(c, channels);
    const tn_vector around = tn_vector_load(k.around + c);
    tn_vector sum = tn_vector_load(k.sum + c), squares = tn_vector_load(k.squares + c);
    for (int i = 0; i < rows; i++) {
        const tn_vector v = tn_row_load(from + (size_t)i * pitch + c, whole, lanes);
        tn_row_ahead(from + (size_t)i * pitch + c);
        const tn_vector d = tn_vector_sub(v, around);
        sum = tn_vector_add(sum, d);
        squares = tn_vector_fma(d, d, squares);
    }
    tn_vector_store(k.sum + c, sum);
    tn_vector_store(k.squares + c, squares);
}

TN_INLINE_ALWAYS void add_deviations(const tn_tensor *x, size_t p, int rows, part k) {
    const tn_row_value *from = tn_row_at(x, p);
    const size_t pitch = (size_t)x->pitch;
    const int channels = x->c;
    int c = 0;
    for (; c + TN_VECTOR <= channels; c += TN_VECTOR)
        add_vector(from, pitch, rows, k, c, true, channels);
    if (c < channels) add_vector(from, pitch, rows, k, c, false, channels);
}

/* Merges the block's deviations into the part's moments (tn_moments_merged, over rows), and takes
 * the new mean as what the next block's deviations are from. The block's own mean is then never
 * further from it than the spread that this merge adds to m2: rounding stays small beside m2. */
static void merge_block(part k, double seen, double added, int channels) {
    const double share = added / (seen + added), cross = seen * share;
    for (int c = 0; c < channels; c++) {
        const double offset = (double)k.sum[c] / added;
        const double m2 = (double)k.squares[c] - offset * (double)k.sum[c];
        const double apart = (double)k.around[c] + offset - k.mean[c];
        k.mean[c] += apart * share;
        k.m2[c] += (m2 > 0 || m2 != m2 ? m2 : 0) + apart * apart * cross;
        k.around[c] = (float)k.mean[c];
    }
}

static void part_moments(const tn_tensor *x, tn_span span, part k) {
    const size_t padded = tn_row_padded(x->c), block = TN_NORM_BLOCK;
    memset(k.mean, 0, part_bytes(x->c));
    for (size_t p = span.begin; p < span.end; p += block) {
        const size_t end = p + block < span.end ? p + block : span.end;
        if (p == span.begin) { /* nothing is known yet: the first block is swept twice */
            for (size_t q = p; q < end; q++) add_plain(x, q, 1, k.around);
            for (int c = 0; c < x->c; c++) k.around[c] /= (float)(end - p);
        }
        memset(k.sum, 0, 2 * padded * sizeof(float));
        size_t q = p;
        for (; q + 4 <= end; q += 4) add_deviations(x, q, 4, k);
        for (; q < end; q++) add_deviations(x, q, 1, k);
        merge_block(k, (double)(p - span.begin), (double)(end - p), x->c);
    }
}

/* Fills r->save and moves the running statistics. Parts are merged in their order: the same bits
 * whenever the number of threads is the same. */
static tn_status find_statistics(tn_op_run *r, char *memory) {
    const tn_tensor *x = &r->in[0];
    const tn_norm_saved saved = tn_norm_saved_in(r->save, x->c);
    size_t count;
    TN_TRY(tn_norm_act_count(r, &count));
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++)
        part_moments(x, tn_share(count, t, r->threads), part_in(memory, t, x->c));
    for (int c = 0; c < x->c; c++) {
        tn_moments m = {0};
        for (int t = 0; t < r->threads; t++) {
            const part k = part_in(memory, t, x->c);
            const tn_span span = tn_share(count, t, r->threads);
            const tn_moments of_part = {(double)(span.end - span.begin), k.mean[c], k.m2[c]};
            m = tn_moments_merged(m, of_part);
        }
        if (count > 0)
            tn_norm_act_settle(r, c, m, &saved.mean[c], &saved.inv_std[c]);
        else
            tn_norm_act_running(r, c, &saved.mean[c], &saved.inv_std[c]);
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
    const size_t pixels = tn_pixels(&r->out), block = TN_NORM_BLOCK;
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

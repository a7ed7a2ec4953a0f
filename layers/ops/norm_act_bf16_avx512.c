/* norm_act of bf16: values of two bytes in memory, all arithmetic in fp32 and sums of blocks in
 * double. Forward with batch statistics is one pass that reads and one that reads and writes;
 * backward one that sums and one that writes, by the formula in norm_act_backward_avx2.c. */
#include "layers/ops/bf16_avx512.h"
#include "layers/ops/elements.h"
#include "layers/ops/norm_act_kernels.h"

#include <string.h>

enum { TOGETHER = 4 }; /* pixels that one load of a channel's constants serves */

/* A row of padded channels each: z = (x - mean) * factor + shift, and what backward adds to
 * factor*dz: tilt * (x - mean) + offset. */
typedef struct rows {
    float *mean, *factor, *shift, *tilt, *offset;
} rows;

/* One thread's sums: in double for all of its pixels, in float for the block in hand. Forward: of
 * deviations from `around`, plain and squared; backward: of dz and of dz * (x - mean). */
typedef struct part {
    double *sum, *product;
    float *around, *block_sum, *block_product;
} part;

static size_t rows_bytes(int channels) {
    return 5 * tn_halves_padded(channels) * sizeof(float);
}

static rows rows_in(float *memory, int channels) {
    const size_t n = tn_halves_padded(channels);
    return (rows){memory, memory + n, memory + 2 * n, memory + 3 * n, memory + 4 * n};
}

static size_t part_bytes(int channels) {
    return tn_halves_padded(channels) * (2 * sizeof(double) + 3 * sizeof(float));
}

static part part_in(char *memory, int index, int channels) {
    const size_t n = tn_halves_padded(channels);
    double *wide = (double *)(memory + (size_t)index * part_bytes(channels));
    float *narrow = (float *)(wide + 2 * n);
    return (part){wide, wide + n, narrow, narrow + n, narrow + 2 * n};
}

/* Pixels that are summed in float before double takes over. */
static size_t block_of(int channels) {
    const size_t pixels = 32768 / (sizeof(tn_bf16) * (size_t)channels);
    return pixels < 32 ? 32 : pixels > 256 ? 256 : pixels / TOGETHER * TOGETHER;
}

/* Mean, 1/deviation, scale and bias of channel c, as forward uses them. */
typedef struct channel {
    double mean, inv_std, scale, bias;
} channel;

static channel channel_of(const tn_op_run *r, bool batch, int c) {
    const tn_norm_act_attr *a = r->op->attr;
    channel k = {0, 1, 1, 0};
    if (batch) {
        k.mean = tn_norm_saved_in(r->save, r->out.c).mean[c];
        k.inv_std = tn_norm_saved_in(r->save, r->out.c).inv_std[c];
    } else if (a->batch_norm) {
        tn_norm_act_running(r, c, &k.mean, &k.inv_std);
    }
    if (a->batch_norm) k.scale = (double)r->param[TN_NORM_SCALE]->value[c];
    if (a->batch_norm || a->bias) k.bias = (double)r->param[TN_NORM_BIAS]->value[c];
    return k;
}

static void fill_rows(const tn_op_run *r, rows k) {
    const bool batch = tn_norm_uses_batch(r);
    memset(k.mean, 0, rows_bytes(r->out.c));
    for (int c = 0; c < r->out.c; c++) {
        const channel h = channel_of(r, batch, c);
        const double factor = h.scale * h.inv_std;
        k.mean[c] = (float)h.mean;
        k.factor[c] = (float)factor;
        k.shift[c] = (float)(h.bias - (h.mean - (double)k.mean[c]) * factor);
    }
}

/* ---- statistics ---- */

static void find_around(const tn_tensor *x, size_t from, size_t to, float *around) {
    for (size_t p = from; p < to; p++) {
        const tn_bf16 *pixel = tn_halves_pixel(x, p);
        for (int c = 0; c < x->c; c++) around[c] += tn_bf16_to_float(pixel[c]);
    }
    for (int c = 0; c < x->c; c++) around[c] /= (float)(to - from);
}

TN_INLINE_HALVES void add_deviations(const tn_tensor *x, size_t p, int pixels, part k) {
    const int channels = x->c;
    const size_t pitch = (size_t)x->pitch;
    const tn_bf16 *from = tn_halves_pixel(x, p);
    for (int c = 0; c < channels; c += TN_HALVES) {
        const __mmask16 mask = tn_halves_mask(c, channels);
        const __m512 around = _mm512_loadu_ps(k.around + c);
        __m512 sum = _mm512_loadu_ps(k.block_sum + c);
        __m512 squares = _mm512_loadu_ps(k.block_product + c);
#pragma GCC unroll 4
        for (int i = 0; i < pixels; i++) {
            const __m512 v = tn_halves_load(from + (size_t)i * pitch + c, mask == 0xFFFF, mask);
            const __m512 d = _mm512_sub_ps(v, around);
            sum = _mm512_add_ps(sum, d);
            squares = _mm512_fmadd_ps(d, d, squares);
        }
        _mm512_storeu_ps(k.block_sum + c, sum);
        _mm512_storeu_ps(k.block_product + c, squares);
    }
}

/* Merges the block's moments into the part's (tn_moments_merged, over a row), and takes the new
 * mean as what the next block's deviations are from. */
static void merge_block(part k, double seen, double added, int channels) {
    const double share = added / (seen + added), cross = seen * share, each = 1 / added;
    for (int c = 0; c < channels; c++) {
        const double offset = (double)k.block_sum[c] * each;
        const double m2 = (double)k.block_product[c] - offset * (double)k.block_sum[c];
        const double apart = (double)k.around[c] + offset - k.sum[c];
        k.sum[c] += apart * share;
        k.product[c] += (m2 > 0 || m2 != m2 ? m2 : 0) + apart * apart * cross;
        k.around[c] = (float)k.sum[c];
    }
}

static void part_moments(const tn_tensor *x, tn_halves_span span, part k) {
    const size_t padded = tn_halves_padded(x->c), block = block_of(x->c);
    memset(k.sum, 0, part_bytes(x->c));
    for (size_t p = span.begin; p < span.end; p += block) {
        const size_t end = p + block < span.end ? p + block : span.end;
        if (p == span.begin) find_around(x, p, end, k.around);
        memset(k.block_sum, 0, 2 * padded * sizeof(float));
        size_t q = p;
        for (; q + TOGETHER <= end; q += TOGETHER) add_deviations(x, q, TOGETHER, k);
        for (; q < end; q++) add_deviations(x, q, 1, k);
        merge_block(k, (double)(p - span.begin), (double)(end - p), x->c);
    }
}

/* Fills r->save and moves the running statistics. Parts are merged in their order. */
static tn_status find_statistics(tn_op_run *r, char *memory) {
    const tn_tensor *x = &r->in[0];
    const tn_norm_saved saved = tn_norm_saved_in(r->save, x->c);
    size_t count;
    TN_TRY(tn_norm_act_count(r, &count));
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++)
        part_moments(x, tn_halves_share(count, t, r->threads), part_in(memory, t, x->c));
    for (int c = 0; c < x->c; c++) {
        tn_moments m = {0};
        for (int t = 0; t < r->threads; t++) {
            const part k = part_in(memory, t, x->c);
            const tn_halves_span span = tn_halves_share(count, t, r->threads);
            const tn_moments own = {(double)(span.end - span.begin), k.sum[c], k.product[c]};
            m = tn_moments_merged(m, own);
        }
        if (count > 0)
            tn_norm_act_settle(r, c, m, &saved.mean[c], &saved.inv_std[c]);
        else
            tn_norm_act_running(r, c, &saved.mean[c], &saved.inv_std[c]);
    }
    if (count > 0) tn_norm_act_moved(r);
    return TN_OK;
}

/* ---- forward ---- */

/* What is below zero is multiplied by `leak`; relu in a form that keeps NaN and makes no other. */
TN_INLINE_HALVES __m512 activated(__m512 z, float leak) {
    const __m512 zero = _mm512_setzero_ps();
    if (leak == 1) return z;
    if (leak == 0) return _mm512_max_ps(zero, z);
    const __mmask16 above = _mm512_cmp_ps_mask(z, zero, _CMP_GT_OQ);
    return _mm512_mask_blend_ps(above, _mm512_mul_ps(z, _mm512_set1_ps(leak)), z);
}

TN_INLINE_HALVES __m512 z_of(rows k, int c, __m512 x) {
    const __m512 centred = _mm512_sub_ps(x, _mm512_loadu_ps(k.mean + c));
    return _mm512_fmadd_ps(centred, _mm512_loadu_ps(k.factor + c), _mm512_loadu_ps(k.shift + c));
}

TN_INLINE_HALVES void put_pixels(const tn_op_run *r, rows k, tn_halves_span span, float leak,
                                 bool skips) {
    const int channels = r->out.c;
    const bool streams = tn_halves_may_stream(&r->out);
    for (size_t p = span.begin; p < span.end; p++) {
        const tn_bf16 *x = tn_halves_pixel(&r->in[0], p);
        const tn_bf16 *skip = skips ? tn_halves_pixel(&r->in[1], p) : NULL;
        tn_bf16 *y = tn_halves_pixel(&r->out, p);
        for (int c = 0; c < channels; c += TN_HALVES) {
            const __mmask16 mask = tn_halves_mask(c, channels);
            const bool whole = mask == 0xFFFF;
            __m512 z = z_of(k, c, tn_halves_load(x + c, whole, mask));
            if (skips) z = _mm512_add_ps(z, tn_halves_load(skip + c, whole, mask));
            if (streams)
                tn_halves_stream(y + c, activated(z, leak));
            else
                tn_halves_store(y + c, activated(z, leak), whole, mask);
        }
    }
}

static void put_span(const tn_op_run *r, rows k, tn_halves_span span, float leak) {
    const bool skips = r->op->n_in > 1;
    if (leak == 0 && skips)
        put_pixels(r, k, span, 0, true);
    else if (leak == 0)
        put_pixels(r, k, span, 0, false);
    else if (leak == 1 && !skips)
        put_pixels(r, k, span, 1, false);
    else
        put_pixels(r, k, span, leak, skips);
}

static float leak_of(const tn_norm_act_attr *a) {
    return a->activation == TN_LINEAR ? 1 : tn_activation_slope(a->activation, -1, -1);
}

/* Piecewise linear activations, at most one skip; dtypes are all the same. */
static bool serves(const tn_op_run *r) {
    const tn_norm_act_attr *a = r->op->attr;
    const tn_activation f = a->activation;
    const bool linear =
        f == TN_LINEAR || f == TN_RELU || f == TN_RELIE || f == TN_LEAKY || f == TN_REVLEAKY;
    return linear && r->op->n_in <= 2 && tn_halves_alone(r) && tn_cpu_has_bf16();
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    if (!serves(r)) return TN_REFUSED;
    TN_TRY(tn_norm_act_prepare(r));
    k->scratch_bytes = rows_bytes(r->out.c) + (size_t)r->threads * part_bytes(r->out.c);
    return TN_OK;
}

static char *parts_after(rows k, int channels) {
    return (char *)k.mean + rows_bytes(channels);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    const rows own = rows_in(k->scratch, r->out.c);
    if (tn_norm_uses_batch(r)) TN_TRY(find_statistics(r, parts_after(own, r->out.c)));
    fill_rows(r, own);
    const float leak = leak_of(r->op->attr);
    const size_t pixels = tn_pixels(&r->out), block = block_of(r->out.c);
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        /* Backwards, for what the statistics read last is still in the cache. */
        const tn_halves_span span = tn_halves_share(pixels, t, r->threads);
        for (size_t end = span.end; end > span.begin;) {
            const size_t begin = end - span.begin > block ? end - block : span.begin;
            put_span(r, own, (tn_halves_span){begin, end}, leak);
            end = begin;
        }
        _mm_sfence();
    }
    return TN_OK;
}

/* ---- backward ---- */

/* dz's slope comes from the output's sign, or from z's, which is the same: one stream less. */
typedef struct job {
    const tn_op_run *r;
    rows own;
    float leak;
    bool from_z, reads_x;
} job;

TN_INLINE_HALVES __m512 dz_of(const job *j, __m512 delta, __m512 x, const tn_bf16 *y, int c,
                              float leak, bool from_z, bool whole, __mmask16 mask) {
    if (leak == 1) return delta;
    const __m512 sign = from_z ? z_of(j->own, c, x) : tn_halves_load(y + c, whole, mask);
    const __mmask16 above = _mm512_cmp_ps_mask(sign, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_mask_blend_ps(above, _mm512_mul_ps(delta, _mm512_set1_ps(leak)), delta);
}

TN_INLINE_HALVES void sum_pixels(const job *j, size_t p, int pixels, part k, float leak,
                                 bool from_z, bool reads_x) {
    const tn_op_run *r = j->r;
    const int channels = r->out.c;
    for (int c = 0; c < channels; c += TN_HALVES) {
        const __mmask16 mask = tn_halves_mask(c, channels);
        const bool whole = mask == 0xFFFF;
        __m512 sum = _mm512_loadu_ps(k.block_sum + c);
        __m512 product = _mm512_loadu_ps(k.block_product + c);
#pragma GCC unroll 4
        for (int i = 0; i < pixels; i++) {
            const size_t q = p + (size_t)i;
            const __m512 delta = tn_halves_load(tn_halves_pixel(&r->dout, q) + c, whole, mask);
            __m512 x = _mm512_setzero_ps();
            if (reads_x) x = tn_halves_load(tn_halves_pixel(&r->in[0], q) + c, whole, mask);
            const __m512 dz =
                dz_of(j, delta, x, tn_halves_pixel(&r->out, q), c, leak, from_z, whole, mask);
            sum = _mm512_add_ps(sum, dz);
            const __m512 centred = _mm512_sub_ps(x, _mm512_loadu_ps(j->own.mean + c));
            if (reads_x) product = _mm512_fmadd_ps(dz, centred, product);
        }
        _mm512_storeu_ps(k.block_sum + c, sum);
        _mm512_storeu_ps(k.block_product + c, product);
    }
}

TN_INLINE_HALVES void sum_fixed(const job *j, size_t p, size_t end, part k, float leak, bool from_z,
                                bool reads_x) {
    for (; p + TOGETHER <= end; p += TOGETHER) sum_pixels(j, p, TOGETHER, k, leak, from_z, reads_x);
    for (; p < end; p++) sum_pixels(j, p, 1, k, leak, from_z, reads_x);
}

static void sum_part(const job *j, tn_halves_span span, part k) {
    const int channels = j->r->out.c;
    const size_t padded = tn_halves_padded(channels), block = block_of(channels);
    memset(k.sum, 0, 2 * padded * sizeof(double));
    for (size_t p = span.begin; p < span.end; p += block) {
        const size_t end = p + block < span.end ? p + block : span.end;
        memset(k.block_sum, 0, 2 * padded * sizeof(float));
        if (j->leak == 0 && j->from_z)
            sum_fixed(j, p, end, k, 0, true, true);
        else if (j->leak == 0 && j->reads_x)
            sum_fixed(j, p, end, k, 0, false, true);
        else if (j->leak == 1 && j->reads_x)
            sum_fixed(j, p, end, k, 1, false, true);
        else
            sum_fixed(j, p, end, k, j->leak, j->from_z, j->reads_x);
        for (int c = 0; c < channels; c++) {
            k.sum[c] += (double)k.block_sum[c];
            k.product[c] += (double)k.block_product[c];
        }
    }
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
            dz += k.sum[c];
            dz_x += k.product[c];
        }
        if (r->wants_params && (a->batch_norm || a->bias))
            r->param[TN_NORM_BIAS]->grad[c] += (float)dz;
        if (!a->batch_norm) continue;
        const channel h = channel_of(r, batch, c);
        const double rest = h.mean - (double)j->own.mean[c];
        dz_x = (dz_x - rest * dz) * h.inv_std; /* now of xhat */
        if (r->wants_params) r->param[TN_NORM_SCALE]->grad[c] += (float)dz_x;
        if (!batch || count == 0) continue;
        const double factor = h.scale * h.inv_std, n = (double)count;
        const double tilt = -factor * h.inv_std * dz_x / n;
        j->own.tilt[c] = (float)tilt;
        j->own.offset[c] = (float)(-factor * dz / n - tilt * rest);
    }
}

TN_INLINE_HALVES void give(tn_bf16 *to, __m512 v, bool add, bool streams, bool whole,
                           __mmask16 mask) {
    if (add) v = _mm512_add_ps(v, tn_halves_load(to, whole, mask));
    if (streams)
        tn_halves_stream(to, v);
    else
        tn_halves_store(to, v, whole, mask);
}

TN_INLINE_HALVES void write_fixed(const job *j, tn_halves_span span, float leak, bool from_z,
                                  bool tilted) {
    const tn_op_run *r = j->r;
    const int channels = r->out.c;
    const bool first = r->din[0].data, second = r->op->n_in > 1 && r->din[1].data;
    const bool add0 = r->accumulate[0], add1 = second && r->accumulate[1];
    const bool streams = first && !add0 && tn_halves_may_stream(&r->din[0]);
    const rows k = j->own;
    for (size_t p = span.begin; p < span.end; p++) {
        const tn_bf16 *d = tn_halves_pixel(&r->dout, p), *y = tn_halves_pixel(&r->out, p);
        const tn_bf16 *in = tn_halves_pixel(&r->in[0], p);
        for (int c = 0; c < channels; c += TN_HALVES) {
            const __mmask16 mask = tn_halves_mask(c, channels);
            const bool whole = mask == 0xFFFF;
            __m512 x = _mm512_setzero_ps();
            if (tilted || from_z) x = tn_halves_load(in + c, whole, mask);
            const __m512 delta = tn_halves_load(d + c, whole, mask);
            const __m512 dz = dz_of(j, delta, x, y, c, leak, from_z, whole, mask);
            if (second) give(tn_halves_pixel(&r->din[1], p) + c, dz, add1, false, whole, mask);
            if (!first) continue;
            __m512 dx = _mm512_mul_ps(dz, _mm512_loadu_ps(k.factor + c));
            if (tilted) {
                const __m512 centred = _mm512_sub_ps(x, _mm512_loadu_ps(k.mean + c));
                dx = _mm512_add_ps(dx, _mm512_fmadd_ps(centred, _mm512_loadu_ps(k.tilt + c),
                                                       _mm512_loadu_ps(k.offset + c)));
            }
            give(tn_halves_pixel(&r->din[0], p) + c, dx, add0, streams, whole, mask);
        }
    }
}

static void write_part(const job *j, tn_halves_span span, bool tilted) {
    const size_t block = block_of(j->r->out.c);
    for (size_t end = span.end; end > span.begin;) { /* backwards: see forward */
        const size_t begin = end - span.begin > block ? end - block : span.begin;
        const tn_halves_span s = {begin, end};
        if (j->leak == 0 && j->from_z && tilted)
            write_fixed(j, s, 0, true, true);
        else if (j->leak == 0 && !j->from_z && tilted)
            write_fixed(j, s, 0, false, true);
        else if (j->leak == 1 && tilted)
            write_fixed(j, s, 1, false, true);
        else
            write_fixed(j, s, j->leak, j->from_z, tilted);
        end = begin;
    }
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    const tn_norm_act_attr *a = r->op->attr;
    job j = {.r = r, .own = rows_in(k->scratch, r->out.c), .leak = leak_of(a)};
    j.reads_x = a->batch_norm;
    j.from_z = a->batch_norm && r->op->n_in == 1 && j.leak != 1;
    fill_rows(r, j.own);
    char *memory = parts_after(j.own, r->out.c);
    const bool batch = tn_norm_uses_batch(r);
    const size_t pixels = tn_pixels(&r->out);
    const size_t count = (size_t)tn_valid_samples(r) * r->out.h * r->out.w;
    if (batch || (r->wants_params && r->op->n_param > 0)) {
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
        for (int t = 0; t < r->threads; t++)
            sum_part(&j, tn_halves_share(count, t, r->threads), part_in(memory, t, r->out.c));
        settle(&j, memory, count);
    }
    if (!r->din[0].data && (r->op->n_in < 2 || !r->din[1].data)) return TN_OK;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        const tn_halves_span rest = tn_halves_share(pixels - count, t, r->threads);
        write_part(&j, tn_halves_share(count, t, r->threads), batch);
        write_part(&j, (tn_halves_span){count + rest.begin, count + rest.end}, false);
        _mm_sfence();
    }
    return TN_OK;
}

const tn_kernel tn_norm_act_forward_bf16 = {"bf16", prepare, forward, NULL, TN_ON_CPU, true};
const tn_kernel tn_norm_act_backward_bf16 = {"bf16", prepare, backward, NULL, TN_ON_CPU, true};

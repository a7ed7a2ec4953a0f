/* Backward of norm_act in bf16: one pass that sums and one that writes, by the formula in
 * norm_act_backward.h. */
#include "layers/ops/norm_act_bf16.h"

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

const tn_kernel tn_norm_act_backward_bf16 = {"bf16", prepare, backward, NULL, TN_ON_CPU, true};

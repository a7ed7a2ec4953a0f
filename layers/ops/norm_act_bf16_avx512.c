/* Forward of norm_act in bf16: with batch statistics one pass that reads and one that reads and
 * writes. */
#include "layers/ops/norm_act_bf16.h"

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

const tn_kernel tn_norm_act_forward_bf16 = {"bf16", prepare, forward, NULL, TN_ON_CPU, true};

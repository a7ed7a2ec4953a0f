/* norm_act of bf16: values of two bytes in memory, all arithmetic in fp32 and sums of blocks in
 * double: what forward and backward share. Included by norm_act_*bf16_avx512.c alone. */
#ifndef TN_OPS_NORM_ACT_BF16_H
#define TN_OPS_NORM_ACT_BF16_H

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

static inline size_t rows_bytes(int channels) {
    return 5 * tn_halves_padded(channels) * sizeof(float);
}

static inline rows rows_in(float *memory, int channels) {
    const size_t n = tn_halves_padded(channels);
    return (rows){memory, memory + n, memory + 2 * n, memory + 3 * n, memory + 4 * n};
}

static inline size_t part_bytes(int channels) {
    return tn_halves_padded(channels) * (2 * sizeof(double) + 3 * sizeof(float));
}

static inline part part_in(char *memory, int index, int channels) {
    const size_t n = tn_halves_padded(channels);
    double *wide = (double *)(memory + (size_t)index * part_bytes(channels));
    float *narrow = (float *)(wide + 2 * n);
    return (part){wide, wide + n, narrow, narrow + n, narrow + 2 * n};
}

/* Pixels that are summed in float before double takes over. */
static inline size_t block_of(int channels) {
    const size_t pixels = 32768 / (sizeof(tn_bf16) * (size_t)channels);
    return pixels < 32 ? 32 : pixels > 256 ? 256 : pixels / TOGETHER * TOGETHER;
}

/* Mean, 1/deviation, scale and bias of channel c, as forward uses them. */
typedef struct channel {
    double mean, inv_std, scale, bias;
} channel;

static inline channel channel_of(const tn_op_run *r, bool batch, int c) {
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

static inline void fill_rows(const tn_op_run *r, rows k) {
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

TN_INLINE_HALVES __m512 z_of(rows k, int c, __m512 x) {
    const __m512 centred = _mm512_sub_ps(x, _mm512_loadu_ps(k.mean + c));
    return _mm512_fmadd_ps(centred, _mm512_loadu_ps(k.factor + c), _mm512_loadu_ps(k.shift + c));
}

static inline float leak_of(const tn_norm_act_attr *a) {
    return a->activation == TN_LINEAR ? 1 : tn_activation_slope(a->activation, -1, -1);
}

/* Piecewise linear activations, at most one skip; dtypes are all the same. */
static inline bool serves(const tn_op_run *r) {
    const tn_norm_act_attr *a = r->op->attr;
    const tn_activation f = a->activation;
    const bool linear =
        f == TN_LINEAR || f == TN_RELU || f == TN_RELIE || f == TN_LEAKY || f == TN_REVLEAKY;
    return linear && r->op->n_in <= 2 && tn_halves_alone(r) && tn_cpu_has_bf16();
}

static inline tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    if (!serves(r)) return TN_REFUSED;
    TN_TRY(tn_norm_act_prepare(r));
    k->scratch_bytes = rows_bytes(r->out.c) + (size_t)r->threads * part_bytes(r->out.c);
    return TN_OK;
}

static inline char *parts_after(rows k, int channels) {
    return (char *)k.mean + rows_bytes(channels);
}

#endif

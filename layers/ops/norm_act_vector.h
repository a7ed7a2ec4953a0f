/* What norm_act's vectorised passes share. Included by files that are compiled for AVX2 or AVX-512
 * alone, those without bf16 to the same bits. */
#ifndef TN_OPS_NORM_ACT_VECTOR_H
#define TN_OPS_NORM_ACT_VECTOR_H

#include "layers/ops/elements.h"
#include "layers/ops/norm_act_kernels.h"
#include "layers/ops/vector_rows.h"

/* z = (x - mean) * factor + shift, a row of padded channels each. What float leaves over of a mean
 * is in the shift. Forward and backward fill these alike, so that backward can tell z's sign to the
 * last bit without reading the output. */
typedef struct tn_norm_rows {
    float *mean, *factor, *shift;
} tn_norm_rows;

static inline tn_norm_rows tn_norm_rows_in(float *memory, int channels) {
    const size_t padded = tn_row_padded(channels);
    return (tn_norm_rows){memory, memory + padded, memory + 2 * padded};
}

static inline void tn_norm_rows_set(tn_norm_rows k, int c, double mean, double factor,
                                    double shift) {
    k.mean[c] = (float)mean;
    k.factor[c] = (float)factor;
    k.shift[c] = (float)(shift - (mean - (double)k.mean[c]) * factor);
}

/* Fills all channels: with batch norm by what is in r->save or by the running statistics. */
static inline void tn_norm_rows_fill(const tn_op_run *r, tn_norm_rows k) {
    const tn_norm_act_attr *a = r->op->attr;
    const bool batch = tn_norm_uses_batch(r);
    const int channels = r->out.c;
    for (int c = 0; c < channels; c++) {
        double mean = 0, factor = 1, shift = 0;
        if (batch) {
            mean = tn_norm_saved_in(r->save, channels).mean[c];
            factor = tn_norm_saved_in(r->save, channels).inv_std[c];
        } else if (a->batch_norm) {
            tn_norm_act_running(r, c, &mean, &factor);
        }
        if (a->batch_norm) factor *= (double)r->param[TN_NORM_SCALE]->value[c];
        if (a->batch_norm || a->bias) shift = (double)r->param[TN_NORM_BIAS]->value[c];
        tn_norm_rows_set(k, c, mean, factor, shift);
    }
    for (size_t c = (size_t)channels; c < tn_row_padded(channels); c++)
        k.mean[c] = k.factor[c] = k.shift[c] = 0;
}

TN_INLINE_ALWAYS tn_vector tn_norm_z(tn_norm_rows k, tn_vector x, int c) {
    const tn_vector centred = tn_vector_sub(x, tn_vector_load(k.mean + c));
    return tn_vector_fma(centred, tn_vector_load(k.factor + c), tn_vector_load(k.shift + c));
}

#endif

/* What norm_act's AVX2 passes share. */
#ifndef TN_OPS_NORM_ACT_AVX2_H
#define TN_OPS_NORM_ACT_AVX2_H

#include "layers/ops/avx2.h"
#include "layers/ops/elements.h"
#include "layers/ops/norm_act_kernels.h"

/* Activations by how they are vectorised: OTHER goes through the scalar function, row by row. */
typedef enum tn_norm_shape {
    TN_SHAPE_LINEAR,
    TN_SHAPE_RELU,
    TN_SHAPE_LEAKY,
    TN_SHAPE_OTHER,
} tn_norm_shape;

static inline tn_norm_shape tn_norm_shape_of(tn_activation a) {
    switch (a) {
    case TN_LINEAR:
        return TN_SHAPE_LINEAR;
    case TN_RELU:
        return TN_SHAPE_RELU;
    case TN_RELIE:
    case TN_LEAKY:
    case TN_REVLEAKY:
        return TN_SHAPE_LEAKY;
    default:
        return TN_SHAPE_OTHER;
    }
}

/* z = (x - mean) * factor + shift, a row of padded channels each. What float leaves over of a mean
 * is in the shift. Forward and backward fill these alike, so that backward can tell z's sign to the
 * last bit without reading the output. */
typedef struct tn_norm_rows {
    float *mean, *factor, *shift;
} tn_norm_rows;

static inline tn_norm_rows tn_norm_rows_in(float *memory, int channels) {
    const size_t padded = tn_padded(channels);
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
    for (size_t c = (size_t)channels; c < tn_padded(channels); c++)
        k.mean[c] = k.factor[c] = k.shift[c] = 0;
}

static inline __m256 tn_norm_z(tn_norm_rows k, __m256 x, int c) {
    const __m256 centred = _mm256_sub_ps(x, _mm256_load_ps(k.mean + c));
    return _mm256_fmadd_ps(centred, _mm256_load_ps(k.factor + c), _mm256_load_ps(k.shift + c));
}

/* Pixels that are summed in float before double takes over, and that stay in the nearest caches. */
static inline size_t tn_norm_block(int channels) {
    const size_t pixels = 16384 / (sizeof(float) * (size_t)channels);
    return pixels < 32 ? 32 : pixels > 256 ? 256 : pixels / 4 * 4;
}

#endif

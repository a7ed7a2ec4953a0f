/* The kernels of norm_act, for its tables; and what they share. */
#ifndef TN_OPS_NORM_ACT_KERNELS_H
#define TN_OPS_NORM_ACT_KERNELS_H

#include "layers/device/both.h"
#include "layers/ops/norm_act.h"

#include <math.h>

#ifdef __cplusplus
extern "C" {
#endif

/* BACKWARD_PARAMS has no table: the sums that bias and scale want are those that batch norm's input
 * gradient wants, so BACKWARD_DATA does both. */
extern const tn_kernel tn_norm_act_forward_ref;
extern const tn_kernel tn_norm_act_backward_ref;
#ifndef TN_REAL_DOUBLE
extern const tn_kernel tn_norm_act_forward_avx512;
extern const tn_kernel tn_norm_act_backward_avx512;
extern const tn_kernel tn_norm_act_forward_avx2;
extern const tn_kernel tn_norm_act_backward_avx2;
extern const tn_kernel tn_norm_act_forward_bf16;
extern const tn_kernel tn_norm_act_backward_bf16;
extern const tn_kernel tn_norm_act_forward_cuda;
extern const tn_kernel tn_norm_act_backward_cuda;
#endif

/* Places in r->param. */
enum { TN_NORM_BIAS, TN_NORM_SCALE, TN_NORM_MEAN, TN_NORM_VARIANCE };

/* What forward leaves in r->save with batch norm in TN_TRAIN: the mean and 1/sqrt(variance + eps)
 * that normalised each channel, in double, since a float mean of values far from zero is already
 * wrong by a good part of their deviation. */
typedef struct tn_norm_saved {
    double *mean, *inv_std; /* (c) each */
} tn_norm_saved;

static inline size_t tn_norm_save_bytes(int channels) {
    return 2 * sizeof(double) * (size_t)channels;
}

static inline tn_norm_saved tn_norm_saved_in(void *save, int channels) {
    return (tn_norm_saved){(double *)save, (double *)save + channels};
}

/* Activations by what their slope takes: of OTHER the scalar function knows it. */
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

/* Behind the statistics a forward kernel of the processor leaves signs: one bit a value, set where
 * the output is above zero; bit c % 8 of byte c / 8 of a pixel's row is channel c. Backward then
 * has no need to read the output again. Only where in[0] alone, which backward reads anyway, does
 * not tell the same; and a kernel on the GPU leaves none: r->save_bytes says. */
static inline size_t tn_norm_signs_pitch(int channels) {
    return ((size_t)channels + 15) / 16 * 2;
}

/* The signs of all pixels, or NULL where there are none. */
uint8_t *tn_norm_signs(const tn_op_run *r);

/* Count, mean and centred sum of squares of a set of values. */
typedef struct tn_moments {
    double count, mean, m2;
} tn_moments;

/* Moments of the union of two sets (Chan, Golub and LeVeque 1979, eq. 2.1). */
static inline tn_moments tn_moments_merged(tn_moments a, tn_moments b) {
    if (b.count == 0) return a;
    if (a.count == 0) return b;
    const double count = a.count + b.count, apart = b.mean - a.mean;
    return (tn_moments){
        .count = count,
        .mean = a.mean + apart * (b.count / count),
        .m2 = a.m2 + b.m2 + apart * apart * (a.count * b.count / count),
    };
}

TN_BOTH double tn_norm_inv_std(double variance) {
    return 1 / sqrt(variance + (double)TN_BATCH_NORM_EPS);
}

/* A running statistic, moved towards the mini-batch's. */
TN_BOTH tn_real tn_norm_running(tn_real running, double towards) {
    const double momentum = (double)TN_BATCH_NORM_MOMENTUM;
    return (tn_real)((1 - momentum) * (double)running + momentum * towards);
}

/* True when the mini-batch's own statistics normalise. */
static inline bool tn_norm_uses_batch(const tn_op_run *r) {
    const tn_norm_act_attr *a = (const tn_norm_act_attr *)r->op->attr;
    return a->batch_norm && r->mode == TN_TRAIN && r->wants_params;
}

/* Every kernel's prepare starts with this: refuses nothing, fails on one value a channel, and asks
 * for r->save. */
tn_status tn_norm_act_prepare(tn_op_run *r);

/* A forward kernel of the processor goes on with this: asks for room for the signs too, where
 * backward will want them. */
void tn_norm_act_prepare_signs(tn_op_run *r);

/* Values a channel that count in this mini-batch: valid samples times h*w. Fails on exactly one,
 * where the variance is unknown; with none (all padding) the running statistics serve. */
tn_status tn_norm_act_count(const tn_op_run *r, size_t *count);

/* Mean and inverse deviation of channel c by the running statistics. */
void tn_norm_act_running(const tn_op_run *r, int c, double *mean, double *inv_std);

/* Turns channel c's moments into what normalises it, and moves the running statistics. Whoever
 * calls this for all channels then calls tn_norm_act_moved once. */
void tn_norm_act_settle(tn_op_run *r, int c, tn_moments m, double *mean, double *inv_std);
void tn_norm_act_moved(tn_op_run *r);

#ifdef __cplusplus
}
#endif
#endif

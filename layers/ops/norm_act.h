/* What follows a convolution, in one pass: batch norm or bias, a skip connection, an activation.
 *
 *   z = scale * (in[0] - mean) / sqrt(variance + 1e-5) + bias     with batch_norm
 *   z = in[0] + bias                                              with a bias alone
 *   out = activation(z + in[1] + in[2] + ...)
 *
 * All shapes are equal. Parameters: none, [bias], or [bias, scale, mean, variance] (running ones).
 * TN_TRAIN normalises with the mini-batch's mean and biased variance (over its n_valid samples and
 * h*w, found by merging centred moments: padding changes nothing) and moves the running statistics
 * by momentum 0.1 towards mean and unbiased variance, once per forward; frozen parameters
 * (wants_params false) leave them alone, and the running ones normalise. Other modes use the
 * running ones. One value a channel in TRAIN is an error; a mini-batch of padding alone moves
 * nothing. Ioffe and Szegedy 2015, with torch's conventions. BACKWARD_DATA adds the parameters'
 * gradients too. */
#ifndef TN_OPS_NORM_ACT_H
#define TN_OPS_NORM_ACT_H

#include "layers/op.h"
#include "layers/ops/activation.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_BATCH_NORM_EPS      ((tn_real)1e-5)
#define TN_BATCH_NORM_MOMENTUM ((tn_real)0.1)

typedef struct tn_norm_act_attr {
    bool batch_norm;
    bool bias; /* without batch_norm: a bias is added */
    tn_activation activation;
} tn_norm_act_attr;

extern const tn_op_kind tn_op_norm_act;

#ifdef __cplusplus
}
#endif
#endif

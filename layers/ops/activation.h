/* Element-wise activations of Darknet and their derivatives.
 *
 * logistic 1/(1+e^-x); loggy 2/(1+e^-x)-1; relu; relu6 clamp to 0..6; relie x>0?x:.01x; leaky and
 * revleaky x>0?x:.1x; ramp x[x>0]+.1x; elu; selu; gelu (tanh form, Hendrycks and Gimpel 2016);
 * tanh; plse piecewise linear logistic; stair; hardtan clamp to +-1; lhtan clamp to 0..1 with slope
 * .001 outside; swish x*logistic(x); mish x*tanh(ln(1+e^x)); hard_mish. */
#ifndef TN_OPS_ACTIVATION_H
#define TN_OPS_ACTIVATION_H

#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_activation {
    TN_LINEAR,
    TN_LOGISTIC,
    TN_LOGGY,
    TN_RELU,
    TN_RELU6,
    TN_RELIE,
    TN_LEAKY,
    TN_REVLEAKY,
    TN_RAMP,
    TN_ELU,
    TN_SELU,
    TN_GELU,
    TN_TANH,
    TN_PLSE,
    TN_STAIR,
    TN_HARDTAN,
    TN_LHTAN,
    TN_SWISH,
    TN_MISH,
    TN_HARD_MISH,
    /* Across the channels of one pixel: an op of their own (channel_norm.h), never in norm_act. */
    TN_NORM_CHAN,
    TN_NORM_CHAN_SOFTMAX,
    TN_NORM_CHAN_SOFTMAX_MAXVAL,
} tn_activation;

/* Darknet's names in the enum's order, NULL-terminated: the choices of `activation=` keys. */
extern const char *const tn_activation_names[];

static inline bool tn_activation_is_channelwise(tn_activation a) {
    return a >= TN_NORM_CHAN;
}

/* True when the derivative can be told from the output alone; otherwise the input is needed. */
bool tn_activation_from_output(tn_activation a);

tn_real tn_activate(tn_activation a, tn_real x);

/* Derivative at input x with output y; for from-output activations x is not read. At kinks the
 * left-hand slope counts: relu's derivative at 0 is 0, as in torch. */
tn_real tn_activation_slope(tn_activation a, tn_real x, tn_real y);

#ifdef __cplusplus
}
#endif
#endif

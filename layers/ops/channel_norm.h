/* Activations across the channels of one pixel: relu(x)/(sum relu(x) + 1e-4), softmax over
 * channels, and softmax with the pixel's maximum taken off first. in[0], out: equal shapes. */
#ifndef TN_OPS_CHANNEL_NORM_H
#define TN_OPS_CHANNEL_NORM_H

#include "layers/op.h"
#include "layers/ops/activation.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_channel_norm_attr {
    tn_activation activation; /* one of the channelwise ones */
} tn_channel_norm_attr;

#define TN_CHANNEL_SUM_EPS 1e-4

extern const tn_op_kind tn_op_channel_norm;

#ifdef __cplusplus
}
#endif
#endif

/* The plain C kernels of the smaller ops, for their tables. */
#ifndef TN_OPS_REF_KERNELS_H
#define TN_OPS_REF_KERNELS_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_kernel tn_channel_norm_forward_ref;
extern const tn_kernel tn_channel_norm_backward_ref;
extern const tn_kernel tn_gather_forward_ref;
extern const tn_kernel tn_gather_backward_ref;
extern const tn_kernel tn_resample_forward_ref;
extern const tn_kernel tn_resample_backward_ref;
extern const tn_kernel tn_softmax_forward_ref;
extern const tn_kernel tn_softmax_backward_ref;
extern const tn_kernel tn_cost_forward_ref;
extern const tn_kernel tn_cost_backward_ref;
extern const tn_kernel tn_crop_forward_ref;
extern const tn_kernel tn_scale_channels_forward_ref;
extern const tn_kernel tn_scale_channels_backward_ref;

#ifdef __cplusplus
}
#endif
#endif

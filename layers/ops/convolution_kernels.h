/* The kernels of convolution, for its tables; and what they share. */
#ifndef TN_OPS_CONVOLUTION_KERNELS_H
#define TN_OPS_CONVOLUTION_KERNELS_H

#include "layers/ops/convolution.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_kernel tn_convolution_forward_ref;
extern const tn_kernel tn_convolution_backward_data_ref;
extern const tn_kernel tn_convolution_backward_params_ref;

#if TN_DNNL
extern const tn_kernel tn_convolution_forward_onednn;
extern const tn_kernel tn_convolution_backward_data_onednn;
extern const tn_kernel tn_convolution_backward_params_onednn;
#endif

#ifdef __cplusplus
}
#endif
#endif

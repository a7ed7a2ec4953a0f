/* The kernels of the fully connected layer, for its tables. */
#ifndef TN_OPS_INNER_PRODUCT_KERNELS_H
#define TN_OPS_INNER_PRODUCT_KERNELS_H

#include "layers/ops/inner_product.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_kernel tn_inner_product_forward_ref;
extern const tn_kernel tn_inner_product_backward_data_ref;
extern const tn_kernel tn_inner_product_backward_params_ref;

/* On the GPU. */
extern const tn_kernel tn_inner_product_forward_cuda;
extern const tn_kernel tn_inner_product_backward_data_cuda;
extern const tn_kernel tn_inner_product_backward_params_cuda;

#if TN_DNNL
extern const tn_kernel tn_inner_product_forward_onednn;
extern const tn_kernel tn_inner_product_backward_data_onednn;
extern const tn_kernel tn_inner_product_backward_params_onednn;
#endif

#ifdef __cplusplus
}
#endif
#endif

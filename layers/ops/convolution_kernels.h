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

#if defined(__x86_64__) && !defined(TN_REAL_DOUBLE)
#define TN_CONVOLUTION_AVX2 1
/* For grouped convolutions; _any takes every shape, after oneDNN has refused. */
extern const tn_kernel tn_convolution_forward_avx512, tn_convolution_backward_data_avx512;
extern const tn_kernel tn_convolution_forward_avx2, tn_convolution_forward_avx2_any;
extern const tn_kernel tn_convolution_backward_data_avx2, tn_convolution_backward_data_avx2_any;
extern const tn_kernel tn_convolution_backward_params_avx2, tn_convolution_backward_params_avx2_any;
extern const tn_kernel tn_convolution_backward_params_avx512;
/* Dense ones, and groups of whole vectors. */
extern const tn_kernel tn_convolution_forward_dense_avx2, tn_convolution_forward_dense_avx512;
extern const tn_kernel tn_convolution_backward_data_dense_avx2,
    tn_convolution_backward_data_dense_avx512;
extern const tn_kernel tn_convolution_backward_params_dense_avx2,
    tn_convolution_backward_params_dense_avx512;
/* Of bf16: four or eight channels a group. */
extern const tn_kernel tn_convolution_forward_narrow_bf16, tn_convolution_backward_data_narrow_bf16;
extern const tn_kernel tn_convolution_backward_params_narrow_bf16;
/* Of bf16, dense ones and groups of whole vectors; _any as above. */
extern const tn_kernel tn_convolution_forward_bf16_any;
extern const tn_kernel tn_convolution_backward_data_bf16, tn_convolution_backward_data_bf16_any;
extern const tn_kernel tn_convolution_backward_params_bf16, tn_convolution_backward_params_bf16_any;
#else
#define TN_CONVOLUTION_AVX2 0
#endif

/* On the GPU: dense, by cuDNN; grouped 3x3 and 5x5; of any shape. */
extern const tn_kernel tn_convolution_forward_cudnn;
extern const tn_kernel tn_convolution_backward_data_cudnn;
extern const tn_kernel tn_convolution_backward_params_cudnn;
extern const tn_kernel tn_convolution_forward_grouped_cuda;
extern const tn_kernel tn_convolution_backward_data_grouped_cuda;
extern const tn_kernel tn_convolution_backward_params_grouped_cuda;
extern const tn_kernel tn_convolution_forward_cuda;
extern const tn_kernel tn_convolution_backward_data_cuda;
extern const tn_kernel tn_convolution_backward_params_cuda;

#if TN_DNNL
extern const tn_kernel tn_convolution_forward_onednn;
extern const tn_kernel tn_convolution_backward_data_onednn;
extern const tn_kernel tn_convolution_backward_params_onednn;
/* In 8 bits, where r->quantisation allows it and it is the faster one. */
extern const tn_kernel tn_convolution_forward_int8;
#endif

#ifdef __cplusplus
}
#endif
#endif

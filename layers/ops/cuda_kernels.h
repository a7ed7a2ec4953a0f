/* The GPU's kernels of the smaller ops, for their tables; and what all that start them share. */
#ifndef TN_OPS_CUDA_KERNELS_H
#define TN_OPS_CUDA_KERNELS_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_kernel tn_scale_channels_forward_cuda;
extern const tn_kernel tn_scale_channels_backward_cuda;

/* Matrix products by cuBLAS, for convolution with 1x1 windows and for the fully connected layer. */
extern const tn_kernel tn_product_forward_cublas;
extern const tn_kernel tn_product_backward_data_cublas;
extern const tn_kernel tn_product_backward_params_cublas;

/* Blocks of `threads` threads that give `count` items one each; at most `most`, whose threads then
 * take several: kernels loop, i += gridDim.x * blockDim.x. */
static inline tn_gpu_extent tn_cuda_blocks(size_t count, unsigned threads, size_t most) {
    const size_t blocks = (count + threads - 1) / threads;
    return (tn_gpu_extent){(unsigned)(blocks < most ? blocks : most), 1, 1};
}

#ifdef __cplusplus
}
#endif
#endif

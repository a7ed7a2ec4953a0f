/* A block's edges on a GPU: NCHW outside, NHWC inside. */
#ifndef TN_NET_BLOCK_GPU_H
#define TN_NET_BLOCK_GPU_H

#include "layers/device/gpu.h"
#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_edge { TN_READ_NCHW, TN_WRITE_NCHW, TN_ADD_TO_NCHW } tn_edge;

/* Fails where there is no machine code of ours for this GPU's driver. */
tn_status tn_block_gpu_check(tn_gpu *gpu);

/* Between a view there and the host's (n,c,h,w), fp32, there too. */
tn_status tn_block_gpu_convert(tn_gpu *gpu, const tn_tensor *view, tn_real *nchw, tn_edge way);

#ifdef __cplusplus
}
#endif
#endif

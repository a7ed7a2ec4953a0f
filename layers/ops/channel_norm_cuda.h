/* What the kernels of channel_norm.cu take. */
#ifndef TN_OPS_CHANNEL_NORM_CUDA_H
#define TN_OPS_CHANNEL_NORM_CUDA_H

#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_CHANNEL_NORM_THREADS = 256 };

/* All of one shape. */
typedef struct tn_channel_norm_args {
    tn_tensor in, out, dout, din;
    bool add; /* to din */
} tn_channel_norm_args;

#ifdef __cplusplus
}
#endif
#endif

/* What the kernels of scale_channels.cu take. */
#ifndef TN_OPS_SCALE_CHANNELS_CUDA_H
#define TN_OPS_SCALE_CHANNELS_CUDA_H

#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Threads of a block; the channels' sums want them as 32 channels by 8 pixels. */
enum { TN_SCALE_CHANNELS_THREADS = 256 };

/* to = gate * from, or to += it. */
typedef struct tn_scale_product_args {
    tn_tensor gate; /* (n,1,1,c) by_channel, else (n,h,w,1) */
    tn_tensor from, to;
    bool by_channel, add;
} tn_scale_product_args;

/* dgate = the sum of map * dout over what the gate weighed, or dgate += it. */
typedef struct tn_scale_gate_args {
    tn_tensor map, dout, dgate;
    bool add;
} tn_scale_gate_args;

#ifdef __cplusplus
}
#endif
#endif

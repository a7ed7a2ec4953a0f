/* What the kernels of scale_channels.cu take. */
#ifndef TN_OPS_SCALE_CHANNELS_CUDA_H
#define TN_OPS_SCALE_CHANNELS_CUDA_H

#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_SCALE_CHANNELS_THREADS = 256 };

typedef struct tn_scale_channels_args {
    tn_tensor gate, map; /* in[0], in[1] */
    tn_tensor out, dout;
    tn_tensor dgate, dmap;
    bool by_channel; /* one gate a channel, else one a pixel */
    bool add_gate, add_map;
} tn_scale_channels_args;

#ifdef __cplusplus
}
#endif
#endif

/* What the kernel of resample.cu takes. */
#ifndef TN_OPS_RESAMPLE_CUDA_H
#define TN_OPS_RESAMPLE_CUDA_H

#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_RESAMPLE_THREADS = 256 };

/* Every element of `to` is written, or added to. */
typedef struct tn_resample_args {
    tn_tensor from, to;
    float factor;
    bool add;
} tn_resample_args;

#ifdef __cplusplus
}
#endif
#endif

/* What the kernel of crop.cu takes. */
#ifndef TN_OPS_CROP_CUDA_H
#define TN_OPS_CROP_CUDA_H

#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_CROP_THREADS = 256 };

typedef struct tn_crop_args {
    tn_tensor in, out;
    bool draws; /* from the four that follow; else the window lies in the middle */
    uint64_t seed, step;
    int layer, first_sample;
    bool flip, adjust;
} tn_crop_args;

#ifdef __cplusplus
}
#endif
#endif

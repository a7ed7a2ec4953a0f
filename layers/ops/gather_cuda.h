/* What the kernels of gather.cu take. */
#ifndef TN_OPS_GATHER_CUDA_H
#define TN_OPS_GATHER_CUDA_H

#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_GATHER_THREADS = 256 };

/* Channel `first` + i of `to` takes channel i of `from`; its other channels become 0. With `add`
 * it is added, and the others stay. */
typedef struct tn_gather_args {
    tn_tensor from, to;
    int first;
    bool add;
} tn_gather_args;

#ifdef __cplusplus
}
#endif
#endif

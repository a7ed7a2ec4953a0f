/* What the kernels of pool.cu take. */
#ifndef TN_OPS_POOL_CUDA_H
#define TN_OPS_POOL_CUDA_H

#include "layers/ops/pool_windows.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_POOL_THREADS = 256 };

typedef struct tn_pool_args {
    tn_pool_attr attr;
    tn_tensor in, out; /* forward: in[0] and out; backward: din[0] and dout */
    void *places;      /* of maxima, as pool_kernels.h says; NULL: not wanted */
    bool small;        /* one byte each, else four */
    bool add;          /* backward: to what is there */
} tn_pool_args;

#ifdef __cplusplus
}
#endif
#endif

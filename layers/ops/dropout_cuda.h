/* What the kernel of dropout.cu takes. */
#ifndef TN_OPS_DROPOUT_CUDA_H
#define TN_OPS_DROPOUT_CUDA_H

#include "layers/ops/dropout_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Neighbouring pixels of one channel that a thread takes: a block of random words is four. */
enum { TN_DROPOUT_RUN = 4, TN_DROPOUT_THREADS = 256 };

typedef struct tn_dropout_args {
    tn_tensor from, to;       /* forward: values; backward: gradients */
    tn_dropout_stream stream; /* of the mini-batch's sample 0 */
    bool drops;               /* else: copies */
    float scale;              /* of survivors */
    bool add;
} tn_dropout_args;

#ifdef __cplusplus
}
#endif
#endif

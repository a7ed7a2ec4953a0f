/* What the kernels of convolution.cu take, and what starts them: convolutions of any shape, for
 * convolution and for the fully connected layer, which is one whose window is the image. */
#ifndef TN_OPS_CONVOLUTION_CUDA_H
#define TN_OPS_CONVOLUTION_CUDA_H

#include "layers/ops/convolution.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Threads of a block; output or input channels that a thread keeps sums of. */
enum { TN_CONVOLUTION_THREADS = 256, TN_CONVOLUTION_SUMS = 4 };

typedef struct tn_convolution_args {
    tn_convolution_attr attr;
    tn_tensor in, out;     /* forward: out is written; backward: out is dout */
    tn_tensor din;         /* backward data */
    const float *weights;  /* (filters, channels, kh, kw), channels of a group */
    float *gradient;       /* of weights: added to */
    float *parts;          /* backward weights: (splits, kh, kw, channels, all filters) */
    int channels, filters; /* of a group */
    int splits;            /* of the batch's pixels, summed each on its own, then in order */
    bool accumulate;
} tn_convolution_args;

/* As a kernel's functions of those names, for an op that is a convolution `attr` (of which the
 * kernels keep a copy). Views may be of any mix of fp32 and bf16. */
tn_status tn_cuda_convolution_prepare(tn_op_run *r, tn_kernel_run *k,
                                      const tn_convolution_attr *attr, tn_pass pass);
tn_status tn_cuda_convolution_forward(tn_op_run *r, const tn_convolution_attr *attr);
tn_status tn_cuda_convolution_backward_data(tn_op_run *r, const tn_convolution_attr *attr);
tn_status tn_cuda_convolution_backward_params(tn_op_run *r, tn_kernel_run *k,
                                              const tn_convolution_attr *attr);

/* Into how many parts `pixels` are split whose products `threads_each` threads sum up: as many as
 * keep the GPU busy, within 64 MiB of partial sums. Each part has `least` pixels or more. */
int tn_cuda_convolution_splits(const tn_gpu *gpu, size_t pixels, size_t threads_each, size_t least,
                               size_t weights);
/* Adds parts, (splits, kh, kw, channels, all filters) at `parts`, to the gradient. */
tn_status tn_cuda_convolution_add_parts(tn_op_run *r, const tn_convolution_attr *attr, float *parts,
                                        int splits);

#ifdef __cplusplus
}
#endif
#endif

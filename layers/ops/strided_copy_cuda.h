/* Copies on the GPU that change order and dtype: what stands between our views and weights and the
 * matrices and filters that cuBLAS and cuDNN read. */
#ifndef TN_OPS_STRIDED_COPY_CUDA_H
#define TN_OPS_STRIDED_COPY_CUDA_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_STRIDED_COPY_THREADS = 256 };

/* An array of three axes in the GPU's memory, fp32 or bf16; distances in elements. */
typedef struct tn_strided {
    void *data;
    tn_dtype dtype;
    size_t step[3];
} tn_strided;

typedef struct tn_strided_copy_args {
    tn_strided from, to;
    size_t extent[3]; /* the last axis best lies side by side in `to` */
    bool add;         /* to what is there */
} tn_strided_copy_args;

/* Whether there is machine code for it: for prepare. */
bool tn_cuda_copies(const tn_gpu *gpu);
tn_status tn_cuda_strided_copy(const tn_op_run *r, const tn_strided_copy_args *copy);
/* The same outside of any op; `what` (may be NULL) is for messages. */
tn_status tn_cuda_strided_copy_on(tn_gpu *gpu, const tn_strided_copy_args *copy, const char *what);

/* Filters (k, c, taps), fp32, as (k, taps, c) of `to_dtype` at `to`. */
tn_status tn_cuda_pack_filters(const tn_op_run *r, const tn_param *weights, size_t k, size_t c,
                               size_t taps, void *to, tn_dtype to_dtype);
/* The other way round, added to the weights' gradient. */
tn_status tn_cuda_add_filters(const tn_op_run *r, tn_param *weights, size_t k, size_t c,
                              size_t taps, void *from, tn_dtype from_dtype);
/* A view's images as rows in c,h,w order, without gaps; and back. */
tn_status tn_cuda_pack_images(const tn_op_run *r, const tn_tensor *view, void *to,
                              tn_dtype to_dtype);
tn_status tn_cuda_unpack_images(const tn_op_run *r, void *from, tn_dtype from_dtype,
                                const tn_tensor *view, bool add);

#ifdef __cplusplus
}
#endif
#endif

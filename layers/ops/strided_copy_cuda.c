#include "layers/ops/strided_copy_cuda.h"

#include "layers/ops/cuda_kernels.h"

TN_GPU_SOURCE(strided_copy);

enum { THREADS = TN_STRIDED_COPY_THREADS, MOST_BLOCKS = 1 << 16 };

bool tn_cuda_copies(const tn_gpu *gpu) {
    return tn_gpu_has(gpu, &strided_copy_source);
}

tn_status tn_cuda_strided_copy_on(tn_gpu *gpu, const tn_strided_copy_args *copy, const char *what) {
    tn_strided_copy_args args = *copy;
    const size_t count = args.extent[0] * args.extent[1] * args.extent[2];
    return tn_gpu_launch(gpu, &strided_copy_source, "tn_strided_copy",
                         tn_cuda_blocks(count, THREADS, MOST_BLOCKS), (tn_gpu_extent){THREADS}, 0,
                         TN_GPU_ARGS(&args), what);
}

tn_status tn_cuda_strided_copy(const tn_op_run *r, const tn_strided_copy_args *copy) {
    return tn_cuda_strided_copy_on(r->gpu, copy, r->op->name);
}

tn_status tn_cuda_pack_filters(const tn_op_run *r, const tn_param *weights, size_t k, size_t c,
                               size_t taps, void *to, tn_dtype to_dtype) {
    return tn_cuda_strided_copy(r, &(tn_strided_copy_args){
                                       .from = {weights->value, TN_REAL, {c * taps, 1, taps}},
                                       .to = {to, to_dtype, {c * taps, c, 1}},
                                       .extent = {k, taps, c},
                                   });
}

tn_status tn_cuda_add_filters(const tn_op_run *r, tn_param *weights, size_t k, size_t c,
                              size_t taps, void *from, tn_dtype from_dtype) {
    return tn_cuda_strided_copy(r, &(tn_strided_copy_args){
                                       .from = {from, from_dtype, {c * taps, 1, c}},
                                       .to = {weights->grad, TN_REAL, {c * taps, taps, 1}},
                                       .extent = {k, c, taps},
                                       .add = true,
                                   });
}

tn_status tn_cuda_pack_images(const tn_op_run *r, const tn_tensor *view, void *to,
                              tn_dtype to_dtype) {
    const size_t c = (size_t)view->c, area = (size_t)view->h * (size_t)view->w;
    const size_t pitch = (size_t)view->pitch;
    return tn_cuda_strided_copy(r, &(tn_strided_copy_args){
                                       .from = {view->data, view->dtype, {area * pitch, 1, pitch}},
                                       .to = {to, to_dtype, {c * area, area, 1}},
                                       .extent = {(size_t)view->n, c, area},
                                   });
}

tn_status tn_cuda_unpack_images(const tn_op_run *r, void *from, tn_dtype from_dtype,
                                const tn_tensor *view, bool add) {
    const size_t c = (size_t)view->c, area = (size_t)view->h * (size_t)view->w;
    const size_t pitch = (size_t)view->pitch;
    return tn_cuda_strided_copy(r, &(tn_strided_copy_args){
                                       .from = {from, from_dtype, {c * area, 1, area}},
                                       .to = {view->data, view->dtype, {area * pitch, pitch, 1}},
                                       .extent = {(size_t)view->n, area, c},
                                       .add = add,
                                   });
}

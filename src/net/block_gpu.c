#include "src/net/block_gpu.h"

#include "layers/ops/strided_copy_cuda.h"

tn_status tn_block_gpu_check(tn_gpu *gpu) {
    if (tn_cuda_copies(gpu)) return TN_OK;
    return tn_fail("no CUDA kernels of ours: the program was built without nvcc (GPU=1)");
}

tn_status tn_block_gpu_convert(tn_gpu *gpu, const tn_tensor *view, tn_real *nchw, tn_edge way) {
    const size_t c = (size_t)view->c, area = (size_t)view->h * (size_t)view->w;
    const size_t pitch = (size_t)view->pitch;
    const tn_strided ours[] = {{view->data, view->dtype, {area * pitch, pitch, 1}},
                               {view->data, view->dtype, {area * pitch, 1, pitch}}};
    const tn_strided theirs[] = {{nchw, TN_REAL, {c * area, 1, area}},
                                 {nchw, TN_REAL, {c * area, area, 1}}};
    /* the last axis lies side by side in what is written */
    if (way == TN_READ_NCHW)
        return tn_cuda_strided_copy_on(
            gpu,
            &(tn_strided_copy_args){
                .from = theirs[0], .to = ours[0], .extent = {(size_t)view->n, area, c}},
            "a host's activations");
    return tn_cuda_strided_copy_on(gpu,
                                   &(tn_strided_copy_args){.from = ours[1],
                                                           .to = theirs[1],
                                                           .extent = {(size_t)view->n, c, area},
                                                           .add = way == TN_ADD_TO_NCHW},
                                   "activations for a host");
}

#include "layers/ops/resample_cuda.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/resample.h"

TN_GPU_SOURCE(resample);

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_cuda_serves(r, &resample_source);
}

static tn_status bring(tn_op_run *r, tn_tensor from, tn_tensor to, bool add) {
    const tn_resample_attr *a = r->op->attr;
    tn_resample_args args = {from, to, (float)a->factor, add};
    const tn_cuda_grid tiles = tn_cuda_tiles(&to, TN_RESAMPLE_THREADS);
    return tn_gpu_launch(r->gpu, &resample_source, "tn_resample_bring", tiles.grid, tiles.block, 0,
                         TN_GPU_ARGS(&args), r->op->name);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return bring(r, r->in[0], r->out, false);
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return r->din[0].data ? bring(r, r->dout, r->din[0], r->accumulate[0]) : TN_OK;
}

const tn_kernel tn_resample_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};
const tn_kernel tn_resample_backward_cuda = {"cuda", prepare, backward, NULL, TN_ON_GPU};

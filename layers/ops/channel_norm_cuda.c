#include "layers/ops/channel_norm_cuda.h"

#include "layers/ops/channel_norm.h"
#include "layers/ops/cuda_kernels.h"

TN_GPU_SOURCE(channel_norm);

enum { THREADS = TN_CHANNEL_NORM_THREADS };

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_cuda_serves(r, &channel_norm_source);
}

static tn_status launch(tn_op_run *r, const char *share, const char *softmax) {
    const tn_channel_norm_attr *a = r->op->attr;
    tn_channel_norm_args args = {r->in[0], r->out, r->dout, r->din[0], r->accumulate[0]};
    return tn_gpu_launch(r->gpu, &channel_norm_source,
                         a->activation == TN_NORM_CHAN ? share : softmax,
                         tn_cuda_blocks(32 * tn_pixels(&r->out), THREADS, TN_CUDA_MOST_BLOCKS),
                         (tn_gpu_extent){THREADS}, 0, TN_GPU_ARGS(&args), r->op->name);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return launch(r, "tn_channel_norm_share", "tn_channel_norm_softmax");
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    if (!r->din[0].data) return TN_OK;
    return launch(r, "tn_channel_norm_share_gradient", "tn_channel_norm_softmax_gradient");
}

const tn_kernel tn_channel_norm_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};
const tn_kernel tn_channel_norm_backward_cuda = {"cuda", prepare, backward, NULL, TN_ON_GPU};

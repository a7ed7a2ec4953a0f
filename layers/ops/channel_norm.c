#include "layers/ops/channel_norm.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/ref_kernels.h"

static unsigned keeps(const tn_op *op) {
    const tn_channel_norm_attr *a = op->attr;
    return a->activation == TN_NORM_CHAN ? TN_KEEPS_IN(0) : TN_KEEPS_OUT;
}

static const tn_kernel *const forward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_channel_norm_forward_cuda,
#endif
    &tn_channel_norm_forward_ref,
    NULL,
};
static const tn_kernel *const backward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_channel_norm_backward_cuda,
#endif
    &tn_channel_norm_backward_ref,
    NULL,
};

const tn_op_kind tn_op_channel_norm = {
    .name = "channel_norm",
    .kernels = {[TN_FORWARD] = forward, [TN_BACKWARD_DATA] = backward},
    .keeps = keeps,
};

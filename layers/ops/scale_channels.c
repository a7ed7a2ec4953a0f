#include "layers/ops/scale_channels.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/ref_kernels.h"

static unsigned keeps(const tn_op *op) {
    (void)op;
    return TN_KEEPS_IN(0) | TN_KEEPS_IN(1);
}

static const tn_kernel *const forward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_scale_channels_forward_cuda,
#endif
    &tn_scale_channels_forward_ref,
    NULL,
};
static const tn_kernel *const backward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_scale_channels_backward_cuda,
#endif
    &tn_scale_channels_backward_ref,
    NULL,
};

const tn_op_kind tn_op_scale_channels = {
    .name = "scale_channels",
    .kernels = {[TN_FORWARD] = forward, [TN_BACKWARD_DATA] = backward},
    .keeps = keeps,
};

#include "layers/ops/resample.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/ref_kernels.h"

static unsigned keeps(const tn_op *op) {
    (void)op;
    return 0;
}

static const tn_kernel *const forward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_resample_forward_cuda,
#endif
    &tn_resample_forward_ref,
    NULL,
};
static const tn_kernel *const backward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_resample_backward_cuda,
#endif
    &tn_resample_backward_ref,
    NULL,
};

const tn_op_kind tn_op_resample = {
    .name = "resample",
    .kernels = {[TN_FORWARD] = forward, [TN_BACKWARD_DATA] = backward},
    .keeps = keeps,
};

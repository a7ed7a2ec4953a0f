#include "layers/ops/crop.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/ref_kernels.h"

static unsigned keeps(const tn_op *op) {
    (void)op;
    return 0;
}

static const tn_kernel *const forward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_crop_forward_cuda,
#endif
    &tn_crop_forward_ref,
    NULL,
};

const tn_op_kind tn_op_crop = {
    .name = "crop",
    .kernels = {[TN_FORWARD] = forward},
    .keeps = keeps,
};

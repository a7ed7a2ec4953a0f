#include "layers/ops/convolution_weights.h"

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    return a->groups == 1 ? TN_REFUSED : prepare_any(r, k);
}

const tn_kernel tn_convolution_backward_params_avx512 = {"avx512", prepare, backward_params,
                                                         release};

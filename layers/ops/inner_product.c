#include "layers/ops/inner_product_kernels.h"

static unsigned keeps(const tn_op *op) {
    (void)op;
    return TN_KEEPS_IN(0);
}

static double multiply_adds(const tn_op *op, const tn_tensor *in, const tn_tensor *out) {
    (void)op;
    return (double)in->h * in->w * in->c * out->c;
}

static const tn_kernel *const forward[] = {
#if TN_DNNL
    &tn_inner_product_forward_onednn,
#endif
    &tn_inner_product_forward_ref,
    NULL,
};

static const tn_kernel *const backward_data[] = {
#if TN_DNNL
    &tn_inner_product_backward_data_onednn,
#endif
    &tn_inner_product_backward_data_ref,
    NULL,
};

static const tn_kernel *const backward_params[] = {
#if TN_DNNL
    &tn_inner_product_backward_params_onednn,
#endif
    &tn_inner_product_backward_params_ref,
    NULL,
};

const tn_op_kind tn_op_inner_product = {
    .name = "inner_product",
    .kernels = {forward, backward_data, backward_params},
    .keeps = keeps,
    .multiply_adds = multiply_adds,
};

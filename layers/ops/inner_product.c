#include "layers/ops/cuda_kernels.h"
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
#ifndef TN_REAL_DOUBLE
    &tn_product_forward_cublas,       &tn_inner_product_forward_cuda,
#endif
#if TN_DNNL
    &tn_inner_product_forward_onednn,
#endif
    &tn_inner_product_forward_ref,    NULL,
};

static const tn_kernel *const backward_data[] = {
#ifndef TN_REAL_DOUBLE
    &tn_product_backward_data_cublas,       &tn_inner_product_backward_data_cuda,
#endif
#if TN_DNNL
    &tn_inner_product_backward_data_onednn,
#endif
    &tn_inner_product_backward_data_ref,    NULL,
};

static const tn_kernel *const backward_params[] = {
#ifndef TN_REAL_DOUBLE
    &tn_product_backward_params_cublas,       &tn_inner_product_backward_params_cuda,
#endif
#if TN_DNNL
    &tn_inner_product_backward_params_onednn,
#endif
    &tn_inner_product_backward_params_ref,    NULL,
};

const tn_op_kind tn_op_inner_product = {
    .name = "inner_product",
    .kernels = {forward, backward_data, backward_params},
    .keeps = keeps,
    .multiply_adds = multiply_adds,
};

#include "layers/ops/convolution_kernels.h"
#include "layers/ops/cuda_kernels.h"

static unsigned keeps(const tn_op *op) {
    (void)op;
    return TN_KEEPS_IN(0);
}

static double multiply_adds(const tn_op *op, const tn_tensor *in, const tn_tensor *out) {
    const tn_convolution_attr *a = op->attr;
    const int per_group = in->c / a->groups;
    const double taps = (double)a->kh * a->kw * per_group;
    return taps * out->h * out->w * out->c;
}

static const tn_kernel *const forward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_product_forward_cublas,
#if TN_CUDNN
    &tn_convolution_forward_cudnn,
#endif
    &tn_convolution_forward_grouped_cuda, &tn_convolution_forward_cuda,
#endif
#if TN_DNNL
    &tn_convolution_forward_int8,
#endif
#if TN_CONVOLUTION_AVX2
    &tn_convolution_forward_narrow_bf16,  &tn_convolution_forward_avx512,
    &tn_convolution_forward_dense_avx512, &tn_convolution_forward_dense_avx2,
    &tn_convolution_forward_avx2,
#endif
#if TN_DNNL
    &tn_convolution_forward_onednn,
#endif
#if TN_CONVOLUTION_AVX2
    &tn_convolution_forward_bf16_any,     &tn_convolution_forward_avx2_any,
#endif
    &tn_convolution_forward_ref,          NULL,
};

static const tn_kernel *const backward_data[] = {
#ifndef TN_REAL_DOUBLE
    &tn_product_backward_data_cublas,
#if TN_CUDNN
    &tn_convolution_backward_data_cudnn,
#endif
    &tn_convolution_backward_data_grouped_cuda, &tn_convolution_backward_data_cuda,
#endif
#if TN_CONVOLUTION_AVX2
    &tn_convolution_backward_data_narrow_bf16,  &tn_convolution_backward_data_bf16,
    &tn_convolution_backward_data_avx512,       &tn_convolution_backward_data_dense_avx512,
    &tn_convolution_backward_data_dense_avx2,   &tn_convolution_backward_data_avx2,
#endif
#if TN_DNNL
    &tn_convolution_backward_data_onednn,
#endif
#if TN_CONVOLUTION_AVX2
    &tn_convolution_backward_data_bf16_any,     &tn_convolution_backward_data_avx2_any,
#endif
    &tn_convolution_backward_data_ref,          NULL,
};

static const tn_kernel *const backward_params[] = {
#ifndef TN_REAL_DOUBLE
    &tn_product_backward_params_cublas,
#if TN_CUDNN
    &tn_convolution_backward_params_cudnn,
#endif
    &tn_convolution_backward_params_grouped_cuda, &tn_convolution_backward_params_cuda,
#endif
#if TN_CONVOLUTION_AVX2
    &tn_convolution_backward_params_narrow_bf16,  &tn_convolution_backward_params_bf16,
    &tn_convolution_backward_params_dense_avx512, &tn_convolution_backward_params_dense_avx2,
    &tn_convolution_backward_params_avx512,       &tn_convolution_backward_params_avx2,
#endif
#if TN_DNNL
    &tn_convolution_backward_params_onednn,
#endif
#if TN_CONVOLUTION_AVX2
    &tn_convolution_backward_params_bf16_any,     &tn_convolution_backward_params_avx2_any,
#endif
    &tn_convolution_backward_params_ref,          NULL,
};

const tn_op_kind tn_op_convolution = {
    .name = "convolution",
    .kernels = {forward, backward_data, backward_params},
    .keeps = keeps,
    .multiply_adds = multiply_adds,
};

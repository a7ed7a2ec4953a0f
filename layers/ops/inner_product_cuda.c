/* The fully connected layer on the GPU as a convolution whose window is the whole image: weights
 * (outputs, c*h*w) and (filters, c, kh, kw) lie alike. For where cuBLAS is not there. */
#include "layers/ops/convolution_cuda.h"
#include "layers/ops/inner_product_kernels.h"

static tn_convolution_attr window(const tn_op_run *r) {
    return (tn_convolution_attr){.kh = r->in[0].h,
                                 .kw = r->in[0].w,
                                 .stride_y = 1,
                                 .stride_x = 1,
                                 .dilation = 1,
                                 .groups = 1};
}

static tn_status prepare_sums(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr attr = window(r);
    return tn_cuda_convolution_prepare(r, k, &attr, TN_FORWARD);
}

static tn_status prepare_params(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr attr = window(r);
    return tn_cuda_convolution_prepare(r, k, &attr, TN_BACKWARD_PARAMS);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr attr = window(r);
    (void)k;
    return tn_cuda_convolution_forward(r, &attr);
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr attr = window(r);
    (void)k;
    return tn_cuda_convolution_backward_data(r, &attr);
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr attr = window(r);
    return tn_cuda_convolution_backward_params(r, k, &attr);
}

const tn_kernel tn_inner_product_forward_cuda = {"cuda", prepare_sums, forward, NULL, TN_ON_GPU};
const tn_kernel tn_inner_product_backward_data_cuda = {"cuda", prepare_sums, backward_data, NULL,
                                                       TN_ON_GPU};
const tn_kernel tn_inner_product_backward_params_cuda = {"cuda", prepare_params, backward_params,
                                                         NULL, TN_ON_GPU};

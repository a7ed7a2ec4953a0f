/* Fully connected layer by oneDNN. */
#include "layers/ops/inner_product_kernels.h"
#include "layers/ops/weighted_onednn.h"

static tn_status prepare(tn_op_run *r, tn_kernel_run *k, tn_pass pass) {
    const tn_tensor *in = &r->in[0];
    const dnnl_dims_t dims = {r->out.c, in->c, in->h, in->w}, outputs = {r->out.n, r->out.c};
    tn_weighted_shapes s;
    TN_TRY(tn_weighted_onednn_activations(r, &s));
    dnnl_memory_desc_init_by_tag(&s.dst, 2, outputs, tn_weighted_onednn_type(&r->out), dnnl_nc);
    tn_weighted_onednn_weights(r, 4, dims, dnnl_oihw, &s);
    dnnl_inner_product_desc_t forward, backward;
    dnnl_status_t status = dnnl_inner_product_forward_desc_init(
        &forward, r->mode == TN_INFER ? dnnl_forward_inference : dnnl_forward_training, &s.src,
        &s.weights, NULL, &s.dst);
    if (status == dnnl_success && pass == TN_BACKWARD_DATA)
        status =
            dnnl_inner_product_backward_data_desc_init(&backward, &s.diff_src, &s.weights, &s.dst);
    if (status == dnnl_success && pass == TN_BACKWARD_PARAMS)
        status = dnnl_inner_product_backward_weights_desc_init(&backward, &s.src, &s.diff_weights,
                                                               NULL, &s.dst);
    if (status != dnnl_success) return TN_REFUSED;
    return tn_weighted_onednn_prepare(r, k, pass, pass == TN_FORWARD ? &forward : &backward,
                                      &forward, &s, NULL);
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, TN_FORWARD);
}

static tn_status prepare_backward_data(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, TN_BACKWARD_DATA);
}

static tn_status prepare_backward_params(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, TN_BACKWARD_PARAMS);
}

const tn_kernel tn_inner_product_forward_onednn = {
    "onednn", prepare_forward, tn_weighted_onednn_forward, tn_weighted_onednn_release, TN_ON_CPU,
    true};
const tn_kernel tn_inner_product_backward_data_onednn = {"onednn",
                                                         prepare_backward_data,
                                                         tn_weighted_onednn_backward_data,
                                                         tn_weighted_onednn_release,
                                                         TN_ON_CPU,
                                                         true};
const tn_kernel tn_inner_product_backward_params_onednn = {"onednn",
                                                           prepare_backward_params,
                                                           tn_weighted_onednn_backward_params,
                                                           tn_weighted_onednn_release,
                                                           TN_ON_CPU,
                                                           true};

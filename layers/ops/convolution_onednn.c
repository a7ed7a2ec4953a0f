/* Convolution by oneDNN: what the dense ones run on. */
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/weighted_onednn.h"

static tn_status describe_shapes(const tn_op_run *r, tn_weighted_shapes *shapes) {
    const tn_convolution_attr *a = r->op->attr;
    const int channels = r->in[0].c, filters = r->out.c, g = a->groups;
    const dnnl_dims_t dense = {filters, channels, a->kh, a->kw};
    const dnnl_dims_t grouped = {g, filters / g, channels / g, a->kh, a->kw};
    if (g > 1)
        tn_weighted_onednn_weights(r, 5, grouped, dnnl_goihw, shapes);
    else
        tn_weighted_onednn_weights(r, 4, dense, dnnl_oihw, shapes);
    return tn_weighted_onednn_activations(r, shapes);
}

/* epilogue: NULL, or what forward shall do besides. */
static tn_status prepare_pass(tn_op_run *r, tn_kernel_run *k, tn_pass pass, tn_epilogue *epilogue) {
    const tn_convolution_attr *a = r->op->attr;
    const dnnl_dims_t stride = {a->stride_y, a->stride_x}, pad = {a->pad_y, a->pad_x};
    const dnnl_dims_t holes = {a->dilation - 1, a->dilation - 1};
    tn_weighted_shapes s;
    TN_TRY(describe_shapes(r, &s));
    const dnnl_dims_t channels = {r->out.c};
    dnnl_memory_desc_init_by_tag(&s.shift, 1, channels, dnnl_f32, dnnl_x);
    dnnl_convolution_desc_t forward, backward;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &forward, r->mode == TN_INFER ? dnnl_forward_inference : dnnl_forward_training,
        dnnl_convolution_direct, &s.src, &s.weights, epilogue ? &s.shift : NULL, &s.dst, stride,
        holes, pad, pad);
    if (status == dnnl_success && pass == TN_BACKWARD_DATA)
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &backward, dnnl_convolution_direct, &s.diff_src, &s.weights, &s.dst, stride, holes, pad,
            pad);
    if (status == dnnl_success && pass == TN_BACKWARD_PARAMS)
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &backward, dnnl_convolution_direct, &s.src, &s.diff_weights, NULL, &s.dst, stride,
            holes, pad, pad);
    /* The library has no words for some shapes that are sound, like padding beyond the kernel. */
    if (status != dnnl_success) return TN_REFUSED;
    return tn_weighted_onednn_prepare(r, k, pass, pass == TN_FORWARD ? &forward : &backward,
                                      &forward, &s, epilogue);
}

/* A 1x1 kernel with different strides in bf16: the library's answer is wrong (seen in 2.6.3). */
static bool answers_wrong(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    return r->in[0].dtype == TN_BF16 && a->kh * a->kw == 1 && a->stride_y != a->stride_x;
}

/* With what follows, or, where the library cannot, without. */
static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    if (answers_wrong(r)) return TN_REFUSED;
    tn_epilogue e;
    TN_TRY(tn_epilogue_take(&e, r, k, true));
    if (e.norm) {
        const tn_status status = prepare_pass(r, k, TN_FORWARD, &e);
        if (!k->state) tn_epilogue_free(&e); /* it went no further than here */
        if (status != TN_REFUSED) return status;
        tn_weighted_onednn_release(r, k);
        k->takes_tail = k->in_place = false;
    }
    return prepare_pass(r, k, TN_FORWARD, NULL);
}

/* bf16 that is to be added to goes to fp32 first: oneDNN 2.6 gives some of those wrong (1x1, 5
 * channels: 1.55 for 1.04). Our own kernel serves. */
static tn_status prepare_backward_data(tn_op_run *r, tn_kernel_run *k) {
    const bool widened = r->out.dtype == TN_BF16 && r->accumulate[0];
    if (answers_wrong(r) || widened) return TN_REFUSED;
    return prepare_pass(r, k, TN_BACKWARD_DATA, NULL);
}

/* Of bf16 in groups that do not fill its blocks of channels, the library multiplies what lies
 * beyond a group, or beyond the memory, by zero: a NaN there is one in the result. */
static bool reads_beyond(const tn_op_run *r) {
    enum { BLOCK = 16 };
    const tn_convolution_attr *a = r->op->attr;
    if (r->in[0].dtype != TN_BF16 || a->groups == 1) return false;
    return r->in[0].c / a->groups % BLOCK != 0 || r->out.c / a->groups % BLOCK != 0;
}

static tn_status prepare_backward_params(tn_op_run *r, tn_kernel_run *k) {
    if (reads_beyond(r) || answers_wrong(r)) return TN_REFUSED;
    return prepare_pass(r, k, TN_BACKWARD_PARAMS, NULL);
}

const tn_kernel tn_convolution_forward_onednn = {
    "onednn", prepare_forward, tn_weighted_onednn_forward, tn_weighted_onednn_release, TN_ON_CPU,
    true};
const tn_kernel tn_convolution_backward_data_onednn = {"onednn",
                                                       prepare_backward_data,
                                                       tn_weighted_onednn_backward_data,
                                                       tn_weighted_onednn_release,
                                                       TN_ON_CPU,
                                                       true};
const tn_kernel tn_convolution_backward_params_onednn = {"onednn",
                                                         prepare_backward_params,
                                                         tn_weighted_onednn_backward_params,
                                                         tn_weighted_onednn_release,
                                                         TN_ON_CPU,
                                                         true};

/* oneDNN (v2 C API) for ops with one input, one output and weights: convolution, inner product.
 *
 * Activations stay NHWC. Weights are used in whatever format the library prefers: the master copy
 * is packed again only after its version has changed. Primitives and memory objects are made in
 * prepare; nothing allocates in run (the scratchpad is the caller's). */
#ifndef TN_OPS_WEIGHTED_ONEDNN_H
#define TN_OPS_WEIGHTED_ONEDNN_H

#include "layers/op.h"
#include "layers/ops/epilogue.h"

#include <dnnl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The shapes of one op: activations in nhwc, weights in any format and in the file's order. */
typedef struct tn_weighted_shapes {
    dnnl_memory_desc_t src, weights, dst, master;
    dnnl_memory_desc_t diff_src, diff_weights; /* as the backward passes make them */
    dnnl_memory_desc_t shift;                  /* with an epilogue: one float an output channel */
} tn_weighted_shapes;

/* Prepares `pass` for the operation `desc` (dnnl_convolution_desc_t, ...); backward passes need the
 * forward one too. epilogue: NULL, or what forward shall do besides, with `desc` made for a bias;
 * it is moved here whatever comes of it. TN_REFUSED when the library has no implementation or only
 * its reference. */
tn_status tn_weighted_onednn_prepare(tn_op_run *r, tn_kernel_run *k, tn_pass pass,
                                     const_dnnl_op_desc_t desc, const_dnnl_op_desc_t forward,
                                     const tn_weighted_shapes *shapes, tn_epilogue *epilogue);
tn_status tn_weighted_onednn_forward(tn_op_run *r, tn_kernel_run *k);
tn_status tn_weighted_onednn_backward_data(tn_op_run *r, tn_kernel_run *k);
tn_status tn_weighted_onednn_backward_params(tn_op_run *r, tn_kernel_run *k);
void tn_weighted_onednn_release(tn_op_run *r, tn_kernel_run *k);

dnnl_data_type_t tn_weighted_onednn_type(const tn_tensor *t);

/* Weights in any format, and in the file's, which is `order`. With activations of bf16 they are
 * rounded to it; their gradients are fp32. */
void tn_weighted_onednn_weights(const tn_op_run *r, int n_dims, const dnnl_dims_t dims,
                                dnnl_format_tag_t order, tn_weighted_shapes *shapes);

/* Dense activations of r in nhwc; TN_REFUSED when a pixel's channels are not
 * next to each other. */
tn_status tn_weighted_onednn_activations(const tn_op_run *r, tn_weighted_shapes *shapes);

#ifdef __cplusplus
}
#endif
#endif

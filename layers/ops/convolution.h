/* Convolution (cross-correlation, zero padding), dense, grouped and depthwise.
 *
 *   out[n,y,x,k] = sum over i,r,s of
 *       in[n, y*stride_y - pad_y + r*dilation, x*stride_x - pad_x + s*dilation, i] *
 * weights[k,i,r,s], i over the in_c/groups channels of k's group.
 *
 * in[0]: (n,h,w,in_c); out: (n,oh,ow,filters); param[0]: weights (filters, in_c/groups, kh, kw).
 * Bias, batch norm, skip and activation are norm_act's, which follows. */
#ifndef TN_OPS_CONVOLUTION_H
#define TN_OPS_CONVOLUTION_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_convolution_attr {
    int kh, kw, stride_y, stride_x, pad_y, pad_x, dilation, groups;
} tn_convolution_attr;

extern const tn_op_kind tn_op_convolution;

/* Output extent along one axis: floor((in + 2 pad - dilation (k-1) - 1) / stride) + 1; 0: k does
 * not fit. */
static inline int tn_convolution_extent(int in, int k, int stride, int pad, int dilation) {
    const int room = in + 2 * pad - dilation * (k - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

#ifdef __cplusplus
}
#endif
#endif

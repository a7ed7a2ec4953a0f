/* Fully connected layer: out[n,0,0,k] = sum over j of in[n,j] * weights[k,j].
 *
 * j runs over the image in Darknet's c,h,w order, so files need no permutation; the kernels see to
 * NHWC. in[0]: (n,h,w,c); out: (n,1,1,outputs); param[0]: weights (outputs, c*h*w). Bias, batch
 * norm and activation are norm_act's. */
#ifndef TN_OPS_INNER_PRODUCT_H
#define TN_OPS_INNER_PRODUCT_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_op_kind tn_op_inner_product;

#ifdef __cplusplus
}
#endif
#endif

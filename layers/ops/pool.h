/* Pooling over windows: maximum, mean of the valid cells, and adaptive mean (global when out is
 * 1x1).
 *
 * Windows of max and local mean start at y*stride_y - before_y; cells outside do not count. The
 * first maximum in row order takes the gradient; NaN counts as the largest. A window without a cell
 * is an error. Adaptive: window i of n over extent e is [floor(i*e/n), ceil((i+1)*e/n)), as
 * torch's. in[0]: (n,h,w,c); out: (n,oh,ow,c). */
#ifndef TN_OPS_POOL_H
#define TN_OPS_POOL_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_pool_type { TN_POOL_MAX, TN_POOL_AVERAGE, TN_POOL_ADAPTIVE } tn_pool_type;

typedef struct tn_pool_attr {
    tn_pool_type type;
    int size_y, size_x, stride_y, stride_x;
    int before_y, before_x; /* padding above and left; below and right follow from the shapes */
} tn_pool_attr;

extern const tn_op_kind tn_op_pool;

#ifdef __cplusplus
}
#endif
#endif

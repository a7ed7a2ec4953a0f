/* Brings a skip connection to another shape as pjreddie's [shortcut] does. With
 * step = max(1, in.w / out.w) and spread = max(1, out.w / in.w) (h alike),
 *   out[y*spread, x*spread, c] = factor * in[y*step, x*step, c]   over the overlapping part,
 * zero elsewhere (cells between, channels beyond in.c). */
#ifndef TN_OPS_RESAMPLE_H
#define TN_OPS_RESAMPLE_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_resample_attr {
    double factor;
} tn_resample_attr;

extern const tn_op_kind tn_op_resample;

/* Place in the other side that position `at` takes its value from; -1: none. Position i of the
 * overlap lies at i * stride on either side. */
TN_BOTH int tn_resample_source(int at, int extent, int other) {
    const int stride = extent > other ? extent / other : 1;
    const int back = other > extent ? other / extent : 1;
    const int overlap = extent < other ? extent : other;
    return at % stride || at / stride >= overlap ? -1 : at / stride * back;
}

#ifdef __cplusplus
}
#endif
#endif

/* Dropout (inverted): in TN_TRAIN zero with `probability`, else times 1/(1-probability); else a
 * copy.
 *
 * Whether an element is dropped depends on (seed, step, layer, sample within the whole batch,
 * element in c,h,w order) alone, through Philox4x32-10: no stored mask, the same on every device
 * and under any split of the batch. */
#ifndef TN_OPS_DROPOUT_H
#define TN_OPS_DROPOUT_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_dropout_attr {
    double probability;
} tn_dropout_attr;

extern const tn_op_kind tn_op_dropout;

/* True when the element survives. `sample` counts within the whole batch (step->first_sample + n),
 * `element` = (c*h + y)*w + x. */
bool tn_dropout_keeps(const tn_step *step, int layer, int sample, uint32_t element,
                      double probability);

#ifdef __cplusplus
}
#endif
#endif

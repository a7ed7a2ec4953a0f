/* Channels of several inputs side by side ([route]), whole or one slice of each.
 *
 * Input i gives channels [first[i], first[i] + count[i]); out.c is the sum of the counts; h and w
 * are equal. Backward returns each slice's gradient; without `accumulate` the rest of din is
 * zeroed. */
#ifndef TN_OPS_GATHER_H
#define TN_OPS_GATHER_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_gather_attr {
    const int *first, *count; /* n_in each, in the plan's arena */
} tn_gather_attr;

extern const tn_op_kind tn_op_gather;

#ifdef __cplusplus
}
#endif
#endif

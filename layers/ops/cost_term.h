/* One element's part of [cost]: the same formulas for the processor and the GPU. */
#ifndef TN_OPS_COST_TERM_H
#define TN_OPS_COST_TERM_H

#include "layers/device/both.h"
#include "layers/ops/loss.h"

#include <math.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Darknet's mark for "no target here". */
#define TN_COST_NO_TARGET ((tn_real)-1234)

typedef struct tn_cost_term {
    double loss, slope;
} tn_cost_term;

/* Loss of one element with respect to its target, and the loss's derivative by the element: see
 * loss.h. */
TN_BOTH tn_cost_term tn_cost_term_of(tn_cost_type type, tn_real value, tn_real target) {
    const double d = (double)value - (double)target;
    tn_cost_term t = {d * d / 2, d};
    switch (type) {
    case TN_COST_MASKED:
        if (target == TN_COST_NO_TARGET) t.loss = t.slope = 0;
        break;
    case TN_COST_SMOOTH:
        if (fabs(d) <= 1) break;
        t.loss = fabs(d) - 0.5;
        t.slope = d > 0 ? 1 : d < 0 ? -1 : d;
        break;
    case TN_COST_L1:
        t.loss = fabs(d);
        t.slope = d > 0 ? 1 : d < 0 ? -1 : d;
        break;
    case TN_COST_SSE:
        break;
    }
    return t;
}

#ifdef __cplusplus
}
#endif
#endif

/* Darknet's [cost], in plain C: a loss beside the data, which passes unchanged. */
#include "layers/ops/elements.h"
#include "layers/ops/loss.h"
#include "layers/ops/ref_kernels.h"

#include <math.h>
#include <string.h>

#define MASKED ((tn_real)-1234) /* Darknet's mark for "no target here" */

typedef struct term {
    double loss, slope;
} term;

/* Loss of one element with respect to its target, and the loss's derivative by the element. */
static term term_of(tn_cost_type type, tn_real value, tn_real target) {
    const double d = (double)value - (double)target;
    switch (type) {
    case TN_COST_MASKED:
        if (target == MASKED) return (term){0, 0};
        break;
    case TN_COST_SMOOTH:
        if (fabs(d) > 1) return (term){fabs(d) - 0.5, d > 0 ? 1 : -1};
        break;
    case TN_COST_L1:
        return (term){fabs(d), d > 0 ? 1 : d < 0 ? -1 : d};
    case TN_COST_SSE:
        break;
    }
    return (term){d * d / 2, d};
}

static const tn_real *targets(const tn_op_run *r, int n) {
    if (!r->step || !r->step->truth || n >= tn_valid_samples(r)) return NULL;
    return r->step->truth + n * tn_image_elements(&r->out);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_cost_attr *a = r->op->attr;
    const size_t pixels = tn_pixels(&r->out), count = tn_image_elements(&r->out);
    for (size_t p = 0; p < pixels; p++) {
        const tn_real *from = tn_pixel(&r->in[0], p);
        tn_real *to = tn_pixel(&r->out, p);
        if (to != from) memcpy(to, from, (size_t)r->out.c * sizeof *to);
    }
    double loss = 0;
    for (int n = 0; n < r->out.n; n++) {
        const tn_real *truth = targets(r, n);
        for (size_t i = 0; truth && i < count; i++)
            loss += term_of(a->type, *tn_chw(&r->out, n, i), truth[i]).loss;
    }
    r->loss = a->scale * loss;
    return TN_OK;
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_cost_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    const size_t count = tn_image_elements(&r->out);
    for (int n = 0; n < r->out.n; n++) {
        const tn_real *truth = targets(r, n);
        for (size_t i = 0; i < count; i++) {
            double delta = r->dout.data ? (double)*tn_chw(&r->dout, n, i) : 0;
            if (truth) {
                const term t = term_of(a->type, *tn_chw(&r->out, n, i), truth[i]);
                delta += a->scale * r->step->grad_scale * t.slope;
            }
            tn_put(tn_chw(&r->din[0], n, i), (tn_real)delta, r->accumulate[0]);
        }
    }
    return TN_OK;
}

const tn_kernel tn_cost_forward_ref = {"ref", NULL, forward, NULL};
const tn_kernel tn_cost_backward_ref = {"ref", NULL, backward, NULL};

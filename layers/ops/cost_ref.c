/* Darknet's [cost], in plain C: a loss beside the data, which passes unchanged. */
#include "layers/ops/cost_term.h"
#include "layers/ops/elements.h"
#include "layers/ops/loss.h"
#include "layers/ops/ref_kernels.h"

#include <string.h>

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
            loss += tn_cost_term_of(a->type, *tn_chw(&r->out, n, i), truth[i]).loss;
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
                const tn_cost_term t = tn_cost_term_of(a->type, *tn_chw(&r->out, n, i), truth[i]);
                delta += a->scale * r->step->grad_scale * t.slope;
            }
            tn_put(tn_chw(&r->din[0], n, i), (tn_real)delta, r->accumulate[0]);
        }
    }
    return TN_OK;
}

const tn_kernel tn_cost_forward_ref = {"ref", NULL, forward, NULL};
const tn_kernel tn_cost_backward_ref = {"ref", NULL, backward, NULL};

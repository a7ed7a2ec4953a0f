/* Softmax and cross-entropy, in plain C and double: nets have few classes, so there is nothing to
 * be gained and digits to be lost. */
#include "layers/ops/elements.h"
#include "layers/ops/loss.h"
#include "layers/ops/ref_kernels.h"

#include <math.h>

/* One group of one sample: elements [first, first + count) of image n in c,h,w order. */
typedef struct run {
    int n;
    size_t first, count;
} run;

static double logit(const tn_op_run *r, run g, size_t i) {
    const tn_softmax_attr *a = r->op->attr;
    return (double)*tn_chw(&r->in[0], g.n, g.first + i) / a->temperature;
}

/* The largest logit, and the log of the sum of e^(logit - largest). They are taken off one after
 * the other: in their sum the second would drown beside a huge first. */
typedef struct normaliser {
    double top, log_sum;
} normaliser;

static normaliser normaliser_of(const tn_op_run *r, run g) {
    double top = logit(r, g, 0), sum = 0;
    for (size_t i = 1; i < g.count; i++) top = fmax(top, logit(r, g, i));
    for (size_t i = 0; i < g.count; i++) sum += exp(logit(r, g, i) - top);
    return (normaliser){top, log(sum)};
}

/* Targets of the group, NULL when there is no loss for this sample. */
static const tn_real *targets(const tn_op_run *r, run g) {
    const tn_softmax_attr *a = r->op->attr;
    if (!r->step || !r->step->truth || a->loss_weight == 0 || g.n >= tn_valid_samples(r))
        return NULL;
    return r->step->truth + g.n * tn_image_elements(&r->out) + g.first;
}

/* Writes the group's probabilities; returns its cross-entropy. */
static double forward_group(tn_op_run *r, run g) {
    const normaliser whole = normaliser_of(r, g);
    const tn_real *truth = targets(r, g);
    double loss = 0;
    for (size_t i = 0; i < g.count; i++) {
        const double log_p = logit(r, g, i) - whole.top - whole.log_sum;
        *tn_chw(&r->out, g.n, g.first + i) = (tn_real)exp(log_p);
        if (truth && truth[i] != 0) loss -= (double)truth[i] * log_p; /* 0 log 0 is 0 */
    }
    return loss;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_softmax_attr *a = r->op->attr;
    if (a->groups < 1 || tn_image_elements(&r->out) % (size_t)a->groups != 0) {
        return tn_fail("%s: %zu outputs do not divide into %d groups", r->op->name,
                       tn_image_elements(&r->out), a->groups);
    }
    return TN_OK;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_softmax_attr *a = r->op->attr;
    const size_t count = tn_image_elements(&r->out) / (size_t)a->groups;
    double loss = 0;
    for (int n = 0; n < r->out.n; n++)
        for (int g = 0; g < a->groups; g++)
            loss += forward_group(r, (run){n, (size_t)g * count, count});
    r->loss = a->loss_weight * loss;
    return TN_OK;
}

static void backward_group(tn_op_run *r, run g) {
    const tn_softmax_attr *a = r->op->attr;
    const tn_real *truth = targets(r, g);
    const double weight = truth ? a->loss_weight * r->step->grad_scale : 0;
    double sum_truth = 0, dot = 0;
    for (size_t i = 0; i < g.count; i++) {
        if (truth) sum_truth += (double)truth[i];
        if (r->dout.data)
            dot += (double)*tn_chw(&r->dout, g.n, g.first + i) *
                   (double)*tn_chw(&r->out, g.n, g.first + i);
    }
    for (size_t i = 0; i < g.count; i++) {
        const double p = (double)*tn_chw(&r->out, g.n, g.first + i);
        double dz = truth ? weight * (p * sum_truth - (double)truth[i]) : 0;
        if (r->dout.data) dz += p * ((double)*tn_chw(&r->dout, g.n, g.first + i) - dot);
        tn_put(tn_chw(&r->din[0], g.n, g.first + i), (tn_real)(dz / a->temperature),
               r->accumulate[0]);
    }
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_softmax_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    const size_t count = tn_image_elements(&r->out) / (size_t)a->groups;
    for (int n = 0; n < r->out.n; n++)
        for (int g = 0; g < a->groups; g++) backward_group(r, (run){n, (size_t)g * count, count});
    return TN_OK;
}

const tn_kernel tn_softmax_forward_ref = {"ref", prepare, forward, NULL};
const tn_kernel tn_softmax_backward_ref = {"ref", prepare, backward, NULL};

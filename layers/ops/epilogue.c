#include "layers/ops/epilogue.h"

#include "layers/ops/norm_act_kernels.h"

#include <stdlib.h>

#ifndef TN_REAL_DOUBLE

static bool fits(const tn_op_run *norm) {
    const tn_norm_act_attr *a = norm->op->attr;
    const tn_activation f = a->activation;
    return norm->op->n_in <= 2 &&
           (f == TN_LINEAR || f == TN_RELU || f == TN_RELIE || f == TN_LEAKY || f == TN_REVLEAKY);
}

tn_status tn_epilogue_take(tn_epilogue *e, const tn_op_run *r, tn_kernel_run *k, bool in_place) {
    *e = (tn_epilogue){0};
    const tn_op_run *norm = r->tail;
    if (!norm || norm->op->kind != &tn_op_norm_act || !fits(norm)) return TN_OK;
    const bool skips = norm->op->n_in == 2;
    if (in_place && skips && !r->tail_in_place) return TN_OK;
    const tn_norm_act_attr *a = norm->op->attr;
    e->factor = malloc(2 * (size_t)norm->out.c * sizeof *e->factor);
    if (!e->factor) return tn_fail("%s: out of memory", r->op->name);
    e->shift = e->factor + norm->out.c;
    e->norm = norm;
    e->skips = skips;
    e->leak = a->activation == TN_LINEAR ? 1 : tn_activation_slope(a->activation, -1, -1);
    k->takes_tail = true;
    k->in_place = in_place && skips;
    return TN_OK;
}

/* Versions only grow, so a sum of them tells of any change. */
static uint64_t version(const tn_op_run *norm) {
    uint64_t sum = 0;
    for (int i = 0; i < norm->op->n_param; i++) sum += norm->param[i]->version;
    return sum;
}

bool tn_epilogue_fill(tn_epilogue *e) {
    const tn_op_run *norm = e->norm;
    if (!norm || (e->filled && e->version == version(norm))) return false;
    const tn_norm_act_attr *a = norm->op->attr;
    for (int c = 0; c < norm->out.c; c++) {
        double mean = 0, factor = 1, shift = 0;
        if (a->batch_norm) {
            tn_norm_act_running(norm, c, &mean, &factor);
            factor *= (double)norm->param[TN_NORM_SCALE]->value[c];
        }
        if (a->batch_norm || a->bias) shift = (double)norm->param[TN_NORM_BIAS]->value[c];
        e->factor[c] = (float)factor;
        e->shift[c] = (float)(shift - mean * factor);
    }
    e->version = version(norm);
    e->filled = true;
    return true;
}

void tn_epilogue_free(tn_epilogue *e) {
    free(e->factor);
    *e = (tn_epilogue){0};
}

#endif

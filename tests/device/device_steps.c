/* Training steps there, each from the processor's state, so that differences do not build up. */
#include "tests/device/device_nets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the processor makes of a step's beginning from the GPU's gradients. */
typedef struct expected {
    tn_param *param; /* values are its own, gradients those of `there`'s net */
    tn_optimizer *optimizer;
    tn_real *values;
} expected;

static void open_expected(expected *e, const device_training *there) {
    const tn_optimizer *o = tn_replicas_optimizer(there->replicas);
    const int n = there->net->plan.n_params;
    size_t count = 0, at = 0;
    for (int i = 0; i < n; i++) count += there->net->param[i].spec->count;
    e->param = calloc((size_t)n + 1, sizeof *e->param);
    e->values = malloc(count * sizeof *e->values);
    if (!e->param || !e->values) device_must(tn_fail("out of memory"));
    for (int i = 0; i < n; i++) {
        e->param[i] = there->net->param[i];
        e->param[i].value = e->values + at;
        at += e->param[i].spec->count;
    }
    device_must(tn_optimizer_create(&o->options, e->param, n, &e->optimizer));
}

static void close_expected(expected *e) {
    tn_optimizer_free(e->optimizer);
    free(e->param);
    free(e->values);
}

static void copy_optimizer(tn_optimizer *to, const tn_optimizer *from) {
    memcpy(to->pages, from->pages, from->bytes);
    to->updates = from->updates;
}

static void copy_values(tn_param *to, const tn_net *from) {
    for (int i = 0; i < from->plan.n_params; i++)
        memcpy(to[i].value, from->param[i].value, to[i].spec->count * sizeof *to[i].value);
}

static void restart(expected *e, const device_training *here, device_training *there) {
    const tn_optimizer *from = tn_replicas_optimizer(here->replicas);
    copy_values(there->net->param, here->net);
    copy_values(e->param, here->net);
    copy_optimizer(tn_replicas_optimizer(there->replicas), from);
    copy_optimizer(e->optimizer, from);
    device_written(there);
}

/* Over a tensor's own gradient, or over what is usual for tensors of its kind: some gradients are
 * nothing but rounding (a scale's, where batch norm follows without an activation's corner between:
 * it undoes any scale). */
static void compare_gradients(const tn_net *here, const tn_net *there) {
    enum { KINDS = TN_PARAM_WEIGHTS + 1 };
    double size[KINDS] = {0}, count[KINDS] = {0};
    device_norms *own = calloc((size_t)here->plan.n_params + 1, sizeof *own);
    if (!own) device_must(tn_fail("out of memory"));
    for (int i = 0; i < here->plan.n_params; i++) {
        const tn_param *p = &here->param[i];
        if (!p->grad) continue;
        device_add(&own[i], p->grad, there->param[i].grad, p->spec->count);
        size[p->spec->kind] += own[i].size;
        count[p->spec->kind] += (double)p->spec->count;
    }
    for (int i = 0; i < here->plan.n_params; i++) {
        const tn_param_spec *spec = here->param[i].spec;
        if (!here->param[i].grad) continue;
        const double usual = sqrt(size[spec->kind] * (double)spec->count / count[spec->kind]);
        device_record(DEVICE_GRADIENTS, device_ratio(&own[i], usual), spec->name);
    }
    free(own);
}

/* All that learns, in here's values minus there's: the sum of squares. */
static double squares_apart(const tn_net *here, const tn_net *there) {
    device_norms all = {0};
    for (int i = 0; i < here->plan.n_params; i++) {
        const tn_param *p = &here->param[i];
        if (p->grad) device_add(&all, p->value, there->param[i].value, p->spec->count);
    }
    return all.apart;
}

static void compare_moments(const tn_optimizer *here, const tn_optimizer *there) {
    device_norms first = {0}, second = {0};
    device_add(&first, here->first, there->first, here->count);
    device_add(&second, here->second, there->second, here->count);
    device_record(DEVICE_MOMENTS, device_ratio(&first, 0), "first");
    device_record(DEVICE_MOMENTS, device_ratio(&second, 0), "second");
}

/* Variances lie behind their means. */
static double deviation(const tn_net *net, int mean) {
    double sum = 0;
    if (mean + 1 < net->plan.n_params && net->param[mean + 1].spec->kind == TN_PARAM_VARIANCE)
        for (size_t k = 0; k < net->param[mean + 1].spec->count; k++)
            sum += (double)net->param[mean + 1].value[k];
    return sqrt(sum);
}

static void compare_statistics(const tn_net *here, const tn_net *there) {
    for (int i = 0; i < here->plan.n_params; i++) {
        const tn_param *p = &here->param[i];
        if (p->grad) continue;
        device_norms own = {0};
        device_add(&own, p->value, there->param[i].value, p->spec->count);
        const double least = p->spec->kind == TN_PARAM_MEAN ? deviation(here, i) : 0;
        device_record(DEVICE_STATISTICS, device_ratio(&own, least), p->spec->name);
    }
}

/* Largest difference, relative to the element; what is smaller than any weight counts as it is. */
static double furthest(const tn_real *a, const tn_real *b, size_t n) {
    double most = 0;
    bool finite = true;
#pragma omp parallel for schedule(static) reduction(max : most) reduction(&& : finite)
    for (size_t i = 0; i < n; i++) {
        const double x = (double)a[i], apart = fabs(x - (double)b[i]) / fmax(fabs(x), 1e-20);
        finite = finite && isfinite(apart);
        if (apart > most) most = apart;
    }
    return finite ? most : INFINITY;
}

/* The GPU's update of its own gradients against the processor's of the same. */
static void compare_update(const expected *e, const device_training *there) {
    const tn_optimizer *o = tn_replicas_optimizer(there->replicas);
    for (int i = 0; i < there->net->plan.n_params; i++) {
        const tn_param *p = &e->param[i];
        if (!p->grad) continue;
        device_record(DEVICE_UPDATE, furthest(p->value, there->net->param[i].value, p->spec->count),
                      p->spec->name);
    }
    device_record(DEVICE_UPDATE, furthest(e->optimizer->first, o->first, o->count), "first moment");
    device_record(DEVICE_UPDATE, furthest(e->optimizer->second, o->second, o->count),
                  "second moment");
}

/* Both, and what is expected there. */
static void update_all(expected *e, device_training *here, device_training *there) {
    device_update(here);
    const double moved = squares_apart(here->net, there->net); /* where the step began */
    tn_optimizer_update(e->optimizer, e->param, device_rate);
    device_update(there);
    const device_norms norms = {squares_apart(here->net, there->net), moved};
    device_record(DEVICE_WEIGHTS, device_ratio(&norms, 0), "");
}

void device_try_steps(const device_trial *trial, device_training *here, device_training *there) {
    expected e;
    open_expected(&e, there);
    for (int s = 0; s < trial->steps; s++) {
        char where[32];
        snprintf(where, sizeof where, "step %d", s + 1);
        restart(&e, here, there);
        device_pass(here, trial, s);
        device_pass(there, trial, s);
        device_record(DEVICE_LOSS, fabs(here->loss - there->loss) / fmax(1, fabs(here->loss)),
                      where);
        device_must(tn_mirror_gradients_out(tn_replicas_mirror(there->replicas)));
        compare_gradients(here->net, there->net);
        update_all(&e, here, there);
        compare_moments(tn_replicas_optimizer(here->replicas),
                        tn_replicas_optimizer(there->replicas));
        compare_statistics(here->net, there->net);
        compare_update(&e, there);
    }
    close_expected(&e);
}

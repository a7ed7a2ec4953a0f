/* A graft in a host that computes on a GPU: its parameters there, and their updates. */
#include "src/plugin/graft_parts.h"

#include <stdlib.h>

/* Of one layer, made when first needed. */
typedef struct tn_graft_updater {
    tn_mirror *mirror;
    tn_optimizer_gpu *optimizer;
} tn_graft_updater;

tn_status tn_graft_gpu_prepare(tn_graft *g, int n) {
    if (!g->options.gpu) return TN_OK;
    g->there = calloc((size_t)n + 1, sizeof *g->there);
    g->updater = calloc((size_t)g->n_layers + 1, sizeof *g->updater);
    return g->there && g->updater ? TN_OK : tn_fail("out of memory");
}

void tn_graft_gpu_free(tn_graft *g) {
    for (int i = 0; g->updater && i < g->n_layers; i++) {
        tn_optimizer_gpu_free(g->updater[i].optimizer);
        tn_mirror_free(g->updater[i].mirror);
    }
    free(g->updater);
    free(g->there);
}

tn_status tn_graft_gpu_bind(tn_param *there, const tn_param *p, const tn_host_layer *l, int i) {
    if (!there) return TN_OK;
    const tn_host_there *t = &l->there;
    float *const value[] = {[TN_PARAM_BIAS] = t->bias,
                            [TN_PARAM_SCALE] = t->scale,
                            [TN_PARAM_MEAN] = t->mean,
                            [TN_PARAM_VARIANCE] = t->variance,
                            [TN_PARAM_WEIGHTS] = t->weights};
    float *const grad[] = {[TN_PARAM_BIAS] = t->bias_grad,
                           [TN_PARAM_SCALE] = t->scale_grad,
                           [TN_PARAM_MEAN] = NULL,
                           [TN_PARAM_VARIANCE] = NULL,
                           [TN_PARAM_WEIGHTS] = t->weight_grad};
    const tn_param_kind kind = p->spec->kind;
    if (!value[kind] || (p->grad && !grad[kind]))
        return tn_fail("layer %d of the host has no memory for %s on its GPU", i, p->spec->name);
    *there = (tn_param){
        .spec = p->spec, .value = value[kind], .grad = p->grad ? grad[kind] : NULL, .version = 1};
    return TN_OK;
}

static tn_status make(tn_graft *g, int i) {
    tn_graft_updater *u = &g->updater[i];
    const int first = g->param_of[i], n = g->param_of[i + 1] - first;
    TN_TRY(tn_mirror_create_over(g->options.gpu, &g->there[first], n, &u->mirror));
    return tn_optimizer_gpu_create(g->optimizer[i], u->mirror, &u->optimizer);
}

tn_status tn_graft_gpu_update(tn_graft *g, int i, double rate, int batch) {
    tn_graft_updater *u = &g->updater[i];
    if (!u->optimizer) TN_TRY(make(g, i));
    /* ours are means of what falls, the host's sums of what rises */
    TN_TRY(tn_optimizer_gpu_scale(u->optimizer, -1.0f / (float)batch));
    return tn_optimizer_gpu_update(&u->optimizer, 1, rate);
}

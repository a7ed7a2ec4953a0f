#include "src/plugin/graft_parts.h"
#include "src/plugin/mends.h"

#include <stdlib.h>
#include <string.h>

tn_status tn_graft_bind(tn_param *p, const tn_host_layer *l, int i, bool start) {
    float *value = NULL, *grad = NULL;
    size_t count = l->n_biases;
    switch (p->spec->kind) {
    case TN_PARAM_BIAS:
        value = l->bias, grad = l->bias_grad;
        break;
    case TN_PARAM_SCALE:
        value = l->scale, grad = l->scale_grad;
        break;
    case TN_PARAM_MEAN:
        value = l->mean;
        break;
    case TN_PARAM_VARIANCE:
        value = l->variance;
        break;
    case TN_PARAM_WEIGHTS:
        value = l->weights, grad = l->weight_grad, count = l->n_weights;
        break;
    }
    if (count != p->spec->count)
        return tn_fail("layer %d of the host has %zu values of %s, expected %zu", i, count,
                       p->spec->name, p->spec->count);
    if (!value) return tn_fail("layer %d of the host has no memory for %s", i, p->spec->name);
    if (start) memcpy(value, p->value, count * sizeof *value);
    p->value = value;
    p->grad = grad;
    return TN_OK;
}

/* Both count parameters in .weights order; each unit of ours begins with its biases. */
static tn_status bind_all(tn_graft *g, const tn_host_layer *layer) {
    tn_net *net = g->net;
    int at = 0;
    if (tn_mend_on(TN_MEND_START)) tn_net_init(net, g->options.seed);
    for (int i = 0; i < g->n_layers; i++) {
        g->param_of[i] = at;
        g->connected[i] = layer[i].is_connected;
        if (!layer[i].has_params) continue;
        if (at == net->plan.n_params) return tn_fail("layer %d of the host is one too many", i);
        do {
            TN_TRY(tn_graft_bind(&net->param[at], &layer[i], i, tn_mend_on(TN_MEND_START)));
            tn_param *there = g->there ? &g->there[at] : NULL;
            TN_TRY(tn_graft_gpu_bind(there, &net->param[at], &layer[i], i));
        } while (++at < net->plan.n_params && net->plan.param[at].kind != TN_PARAM_BIAS);
    }
    g->param_of[g->n_layers] = at;
    if (at == net->plan.n_params) return TN_OK;
    return tn_fail("the host's net lacks %s", net->plan.param[at].name);
}

static void bind_segments(tn_graft *g) {
    for (int i = 0; i < g->n_segments; i++) {
        const tn_graft_segment *s = &g->segment[i];
        const int first = g->net->plan.layer[s->section].first_param;
        const tn_param *from = (g->there ? g->there : g->net->param) + first;
        for (int p = 0; p < tn_block_params(s->block); p++)
            tn_block_bind(s->block, p, from[p].value, from[p].grad);
    }
}

tn_status tn_graft_attach(tn_graft *g, const tn_host_layer *layer, int n) {
    tn_memory_file_close(&g->file);
    const int last = tn_graft_sections(g) - 1;
    int written = 0;
    for (int i = 0; i <= last; i++)
        if (g->span[i].last >= written) written = g->span[i].last + 1;
    if (n != written) return tn_fail("the host made %d layers of %d sections", n, written);
    g->n_layers = n;
    g->segment_of = calloc((size_t)n + 1, sizeof *g->segment_of);
    g->param_of = calloc((size_t)n + 1, sizeof *g->param_of);
    g->connected = calloc((size_t)n + 1, sizeof *g->connected);
    g->optimizer = calloc((size_t)n + 1, sizeof(tn_optimizer *));
    if (!g->segment_of || !g->param_of || !g->connected || !g->optimizer)
        return tn_fail("out of memory");
    for (int i = 0; i < n; i++) g->segment_of[i] = -1;
    if (!g->net) return tn_graft_attach_foreign(g, layer);
    TN_TRY(tn_graft_gpu_prepare(g, g->net->plan.n_params));
    TN_TRY(bind_all(g, layer));
    TN_TRY(tn_graft_make_segments(g));
    bind_segments(g);
    tn_pages_free(g->net->pages, g->net->page_bytes); /* all values live in the host now */
    g->net->pages = NULL;
    return TN_OK;
}

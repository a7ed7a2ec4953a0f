/* A foreign cfg: each of our sections, and [convolutional], is a block of its own. */
#include "src/plugin/foreign.h"
#include "src/plugin/graft_parts.h"
#include "src/plugin/mends.h"

#include <string.h>

enum { MOST_PARAMS = 5 }; /* of a layer: as many as there are kinds */

static tn_status bind_block(const tn_graft *g, tn_graft_segment *s, const tn_host_layer *layer) {
    int at = 0;
    for (int i = s->span.first; i <= s->span.last; i++) {
        if (!layer[i].has_params) continue;
        if (at == tn_block_params(s->block))
            return tn_fail("layer %d of the host is one too many", i);
        do {
            tn_param p = {.spec = tn_block_param_spec(s->block, at)};
            TN_TRY(tn_graft_bind(&p, &layer[i], i, false));
            tn_param there = p;
            if (g->there) TN_TRY(tn_graft_gpu_bind(&there, &p, &layer[i], i));
            tn_block_bind(s->block, at, there.value, there.grad);
            const bool fresh = p.spec->kind == TN_PARAM_VARIANCE && tn_mend_on(TN_MEND_START);
            for (size_t j = 0; fresh && j < p.spec->count; j++) p.value[j] = 1;
        } while (++at < tn_block_params(s->block) &&
                 tn_block_param_spec(s->block, at)->kind != TN_PARAM_BIAS);
    }
    return at == tn_block_params(s->block) ? TN_OK : tn_fail("the host's block is incomplete");
}

static bool has_frozen(const tn_host_layer *layer, tn_expand_span span) {
    for (int i = span.first; i <= span.last; i++)
        if (layer[i].frozen) return true;
    return false;
}

/* A block of ours in place of section i, where it can be one. */
static tn_status take_section(tn_graft *g, const tn_host_layer *layer, int i) {
    const tn_section *section = &g->cfg.section[i + 1];
    const tn_layer_type *type = tn_layer_find(section->name);
    const bool stock = type && strcmp(type->name, "convolutional") == 0;
    if (!stock && !tn_foreign_is_ours(type)) return TN_OK;
    if (!tn_mend_on(stock ? TN_MEND_KERNELS : TN_MEND_BLOCKS)) return TN_OK;
    if (has_frozen(layer, g->span[i])) return TN_OK; /* without gradients: its expansion's */
    tn_graft_segment *s = &g->segment[g->n_segments];
    *s = (tn_graft_segment){.section = i, .n_sections = 1, .span = g->span[i]};
    const tn_host_layer *first = &layer[s->span.first];
    const tn_status status =
        tn_block_create(section, (tn_shape){first->h, first->w, first->c}, 0, NULL, &s->block);
    if (status != TN_OK && stock) return TN_OK; /* with keys that only the host knows: its own */
    TN_TRY(status);
    if (g->options.gpu) TN_TRY(tn_block_use_gpu(s->block, g->options.gpu));
    for (int l = s->span.first; l <= s->span.last; l++) g->segment_of[l] = g->n_segments;
    g->n_segments++;
    return bind_block(g, s, layer);
}

/* ---- the table of parameters, which updates need ---- */

static tn_status add(tn_graft *g, tn_param_spec *spec, tn_param_kind kind, const tn_host_layer *l,
                     int i, float *value, float *grad) {
    static const char *const names[] = {"biases", "scales", "rolling_mean", "rolling_variance",
                                        "weights"};
    const bool weights = kind == TN_PARAM_WEIGHTS;
    spec[g->n_params] = (tn_param_spec){.name = names[kind],
                                        .kind = kind,
                                        .count = weights ? l->n_weights : l->n_biases,
                                        .rate = l->rate};
    g->param[g->n_params] =
        (tn_param){.spec = &spec[g->n_params], .value = value, .grad = grad, .version = 1};
    tn_param *there = g->there ? &g->there[g->n_params] : NULL;
    return tn_graft_gpu_bind(there, &g->param[g->n_params++], l, i);
}

static bool is_listed(const tn_graft *g, const float *value) {
    for (int p = 0; p < g->n_params; p++)
        if (g->param[p].value == value) return true;
    return false;
}

static tn_status list_params(tn_graft *g, const tn_host_layer *layer) {
    const size_t most = (size_t)g->n_layers * MOST_PARAMS;
    tn_param_spec *spec = tn_arena_alloc(&g->arena, most * sizeof *spec);
    g->param = tn_arena_alloc(&g->arena, most * sizeof *g->param);
    if (!spec || !g->param) return TN_FAIL;
    for (int i = 0; i < g->n_layers; i++) {
        const tn_host_layer *l = &layer[i];
        g->param_of[i] = g->n_params;
        g->connected[i] = l->is_connected;
        /* layers may share weights; the first updates them */
        if (!l->has_params || l->frozen || !l->bias || is_listed(g, l->bias)) continue;
        TN_TRY(add(g, spec, TN_PARAM_BIAS, l, i, l->bias, l->bias_grad));
        if (l->scale) TN_TRY(add(g, spec, TN_PARAM_SCALE, l, i, l->scale, l->scale_grad));
        if (l->n_weights) TN_TRY(add(g, spec, TN_PARAM_WEIGHTS, l, i, l->weights, l->weight_grad));
    }
    g->param_of[g->n_layers] = g->n_params;
    return TN_OK;
}

static const tn_section *section_of(const tn_graft *g, int layer) {
    int s = 0;
    while (s < tn_graft_sections(g) - 1 && g->span[s].last < layer) s++;
    return &g->cfg.section[s + 1];
}

/* Half a net by Adam and half by SGD is nobody's wish. */
static tn_status check_adam(const tn_graft *g, const tn_host_layer *layer) {
    for (int i = 0; g->keys.adam && tn_mend_on(TN_MEND_ADAM) && i < g->n_layers; i++)
        if (layer[i].updates_itself)
            return tn_section_fail(section_of(g, i),
                                   "adam=1, but the host updates this section's weights in a way "
                                   "of its own, by SGD: set adam=0 (or -without adam)");
    return TN_OK;
}

tn_status tn_graft_attach_foreign(tn_graft *g, const tn_host_layer *layer) {
    TN_TRY(check_adam(g, layer));
    TN_TRY(tn_graft_gpu_prepare(g, g->n_layers * MOST_PARAMS));
    TN_TRY(list_params(g, layer));
    for (int i = 0; i < tn_graft_sections(g); i++) TN_TRY(take_section(g, layer, i));
    return TN_OK;
}

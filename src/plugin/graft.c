#include "src/net/graph.h"
#include "src/plugin/foreign.h"
#include "src/plugin/graft_parts.h"
#include "src/plugin/mends.h"

#include <stdlib.h>
#include <string.h>

static tn_graft *registered;

static void warn_line(void *user, const char *text) {
    (void)user;
    /* said by cfg expand, mended here */
    if (!strstr(text, "policy=cosine")) fprintf(stderr, "warning: %s\n", text);
}
static const tn_warner warner = {warn_line, NULL};

/* ---- the cfg for the host ---- */

int tn_graft_sections(const tn_graft *g) {
    return g->net ? g->net->plan.n_layers : g->cfg.n_sections - 1;
}

static tn_status plan_schedule(tn_graft *g) {
    g->scheduled = g->net && g->options.images && tn_mend_on(TN_MEND_SCHEDULE);
    if (!g->scheduled) return TN_OK;
    const tn_net_keys *k = &g->keys;
    return tn_schedule_init(&g->schedule, k, g->options.images, (uint64_t)k->batch,
                            g->options.seed);
}

/* Readers take the first of equal keys: what the plugin says of [net] comes first. */
static tn_status write_text(tn_graft *g, const char *text) {
    FILE *to = g->file.to;
    static const char head[] = "[net]\n";
    const char *net = strstr(text, head);
    if (!net) return tn_fail("no [net] was written for the host");
    net += sizeof head - 1;
    fwrite(text, 1, (size_t)(net - text), to);
    if (g->scheduled && g->schedule.total)
        fprintf(to, "max_batches=%llu\n", (unsigned long long)g->schedule.total);
    fputs(net, to);
    return tn_memory_file_finish(&g->file);
}

static tn_status write_cfg(tn_graft *g) {
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) return tn_fail("out of memory for the host's cfg");
    tn_status status = g->net ? tn_expand_cfg_spans(g->net, !tn_mend_on(TN_MEND_STRIDED_1X1),
                                                    &warner, memory, g->span)
                              : tn_foreign_write(&g->cfg, &warner, memory, g->span);
    if (fclose(memory) != 0 && status == TN_OK) status = tn_fail("out of memory for a cfg");
    if (status == TN_OK) status = tn_memory_file_open(&g->file, "darknet-plugin.cfg");
    if (status == TN_OK) status = write_text(g, text);
    free(text);
    return status;
}

static tn_status check_shortcuts(const tn_graft *g) {
    const tn_plan *plan = &g->net->plan;
    for (int l = 0; l < plan->n_layers; l++) {
        const tn_plan_layer *layer = &plan->layer[l];
        if (strcmp(layer->type->name, "shortcut") != 0) continue;
        int named[TN_GRAPH_MOST];
        const int n = tn_graph_references(plan, l, named);
        const tn_shape in = tn_plan_shape(plan, layer->in);
        for (int i = 0; i < n; i++) {
            const tn_shape other = tn_plan_shape(plan, plan->layer[named[i]].out);
            if (other.h != in.h || other.w != in.w)
                return tn_section_fail(layer->section,
                                       "adds a map of %dx%d to one of %dx%d, which this host "
                                       "cannot ([route] and a [maxpool] of size=1 before it can)",
                                       other.w, other.h, in.w, in.h);
        }
    }
    return TN_OK;
}

static tn_status create(tn_graft *g, const char *cfg) {
    const tn_graft_options *o = &g->options;
    if (o->foreign) {
        TN_TRY(tn_cfg_load(cfg, &g->cfg));
        TN_TRY(tn_foreign_net_keys(&g->cfg, &g->arena, &g->keys));
    } else {
        TN_TRY(tn_net_load(cfg, o->overrides, o->n_overrides, &warner, &g->net));
        if (o->equal_shortcuts) TN_TRY(check_shortcuts(g));
        g->keys = g->net->keys;
        g->param = g->net->param;
        g->n_params = g->net->plan.n_params;
    }
    const size_t n = (size_t)tn_graft_sections(g);
    g->span = calloc(n + 1, sizeof *g->span);
    g->segment = calloc(n + 1, sizeof *g->segment);
    if (!g->span || !g->segment) return tn_fail("out of memory");
    TN_TRY(plan_schedule(g));
    return write_cfg(g);
}

tn_status tn_graft_create(const char *cfg, const tn_graft_options *options, tn_graft **out) {
    *out = NULL;
    tn_graft *g = calloc(1, sizeof *g);
    if (!g) return tn_fail("out of memory");
    g->options = *options;
    const tn_status status = create(g, cfg);
    if (status != TN_OK) {
        tn_graft_free(g);
        return status;
    }
    *out = g;
    return TN_OK;
}

void tn_graft_register(tn_graft *g, const void *layers, const uint64_t *seen) {
    g->layers = layers;
    g->seen = seen;
    g->next = registered;
    registered = g;
}

tn_graft *tn_graft_find(const void *layers) {
    tn_graft *g = registered;
    while (g && g->layers != layers) g = g->next;
    return g;
}

tn_graft *tn_graft_find_bias(const float *bias, int *out) {
    for (tn_graft *g = registered; g; g = g->next) {
        for (int i = 0; i < g->n_layers; i++) {
            if (g->param_of[i] == g->param_of[i + 1]) continue;
            if (g->param[g->param_of[i]].value != bias) continue;
            *out = i;
            return g;
        }
    }
    return NULL;
}

static void unregister(const tn_graft *g) {
    for (tn_graft **at = &registered; *at; at = &(*at)->next) {
        if (*at != g) continue;
        *at = g->next;
        return;
    }
}

void tn_graft_free(tn_graft *g) {
    if (!g) return;
    unregister(g);
    tn_memory_file_close(&g->file);
    tn_graft_gpu_free(g);
    for (int i = 0; i < g->n_segments; i++) tn_block_free(g->segment[i].block);
    for (int i = 0; g->optimizer && i < g->n_layers; i++) tn_optimizer_free(g->optimizer[i]);
    tn_net_free(g->net);
    tn_cfg_free(&g->cfg);
    tn_arena_free(&g->arena);
    free(g->span);
    free(g->segment);
    free(g->segment_of);
    free(g->param_of);
    free(g->connected);
    free(g->optimizer);
    free(g);
}

const char *tn_graft_cfg(const tn_graft *g) {
    return g->file.path;
}

tn_net *tn_graft_net(const tn_graft *g) {
    return g->net;
}

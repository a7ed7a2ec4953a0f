#include "src/net/graph.h"
#include "src/plugin/graft_parts.h"
#include "src/plugin/mends.h"

#include <string.h>

static bool is_named(const tn_graft *g, int section, const char *name) {
    return strcmp(g->net->plan.layer[section].type->name, name) == 0;
}

/* What has a stand-in in the host is ours whatever the switches say. */
static bool is_ours(const tn_graft *g, int section) {
    if (g->span[section].last < g->span[section].first) return false;
    if (is_named(g, section, "local_avgpool") ||
        (is_named(g, section, "avgpool") &&
         tn_plan_shape(&g->net->plan, g->net->plan.layer[section].out).w > 1))
        return true;
    if (is_named(g, section, "convolutional")) return tn_mend_on(TN_MEND_KERNELS);
    return tn_mend_on(TN_MEND_BLOCKS) && (is_named(g, section, "grouped_convolutional") ||
                                          is_named(g, section, "expansion_residual"));
}

/* The sections from the first on that can run as one: none has a loss, and of them later sections
 * read the last one only. */
static int joinable(const tn_graft *g) {
    const tn_plan *plan = &g->net->plan;
    if (!tn_mend_on(TN_MEND_JOINED) || !tn_mend_on(TN_MEND_KERNELS) || !tn_mend_on(TN_MEND_BLOCKS))
        return 0;
    int n = 0;
    while (n < plan->n_layers && !is_named(g, n, "softmax") && !is_named(g, n, "cost")) n++;
    int lowest = plan->n_layers; /* that sections from n on read */
    for (int l = plan->n_layers - 1; l >= 0; l--) {
        if (l < n && lowest >= l) return l + 1;
        int named[TN_GRAPH_MOST];
        const int m = tn_graph_references(plan, l, named);
        for (int i = 0; i < m; i++)
            if (named[i] < lowest) lowest = named[i];
    }
    return 0;
}

static tn_status add_segment(tn_graft *g, int section, int n) {
    const tn_plan *plan = &g->net->plan;
    tn_graft_segment *s = &g->segment[g->n_segments++];
    *s = (tn_graft_segment){.section = section,
                            .n_sections = n,
                            .span = {g->span[section].first, g->span[section + n - 1].last}};
    /* an input that got a number of its own stays the host's: the block reads what it writes */
    for (int i = s->span.first; i <= s->span.last; i++) g->segment_of[i] = g->n_segments - 1;
    TN_TRY(tn_block_create_many(g->net->cfg.section + 1 + section, n,
                                tn_plan_shape(plan, plan->layer[section].in), s->span.first > 0, 0,
                                NULL, &s->block));
    return g->options.gpu ? tn_block_use_gpu(s->block, g->options.gpu) : TN_OK;
}

static bool in_words(const char *words, const char *word) {
    const size_t n = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += n)
        if (at > words && at[-1] == ' ' && at[n] == ' ') return true;
    return false;
}

/* Hosts take an activation that they do not know for ReLU, or answer 0. */
static tn_status check_activation(const tn_graft *g, int section) {
    const tn_section *s = g->net->plan.layer[section].section;
    const tn_option *o = tn_section_find(s, "activation");
    const tn_expand_span span = g->span[section];
    if (!o || !g->options.activations || span.last < span.first) return TN_OK;
    if (g->segment_of[span.last] >= 0 || in_words(g->options.activations, o->value)) return TN_OK;
    const bool convolves = is_named(g, section, "convolutional") ||
                           is_named(g, section, "grouped_convolutional") ||
                           is_named(g, section, "expansion_residual");
    if (convolves && in_words(g->options.convolution_activations, o->value)) return TN_OK;
    return tn_section_fail(s, "activation=%s: the host, which computes this section here, cannot",
                           o->value);
}

tn_status tn_graft_make_segments(tn_graft *g) {
    const int n = g->net->plan.n_layers;
    int at = joinable(g);
    for (int i = at; i < n; i++) {
        const tn_section *s = g->net->plan.layer[i].section;
        const tn_option *o = tn_section_find(s, "stopbackward");
        if (o && strcmp(o->value, "0") != 0)
            return tn_section_fail(s, "stopbackward: a host knows it only where the net runs as "
                                      "one block, and this section is not in it");
    }
    if (at > 0) TN_TRY(add_segment(g, 0, at));
    for (; at < n; at++)
        if (is_ours(g, at)) TN_TRY(add_segment(g, at, 1));
    for (int i = 0; i < n; i++) TN_TRY(check_activation(g, i));
    return TN_OK;
}

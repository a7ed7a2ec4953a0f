#include "src/plugin/graft.h"

#include "src/net/block.h"
#include "src/net/expand.h"
#include "src/net/graph.h"
#include "src/net/optimizer.h"
#include "src/net/schedule.h"
#include "src/plugin/foreign.h"
#include "src/plugin/memory_file.h"
#include "src/plugin/mends.h"

#include <stdlib.h>
#include <string.h>

/* A run of sections that one block computes, and the host's layers they became. */
typedef struct segment {
    int section, n_sections;
    tn_expand_span span;
    tn_block *block;
    uint64_t generation; /* of the parameters it has packed */
} segment;

struct tn_graft {
    tn_graft *next; /* registered earlier */
    const void *layers;
    const uint64_t *seen;
    tn_net *net;
    tn_cfg cfg;          /* foreign: there is no net of ours */
    tn_memory_file file; /* the cfg for the host */
    bool scheduled;
    tn_graft_options options;
    tn_schedule schedule;
    tn_expand_span *span; /* of each section */
    segment *segment;
    int n_segments, n_layers;
    int *segment_of; /* host layer -> segment; -1: the host's */
    int *param_of;   /* host layer -> its first parameter, and one past the last layer's */
    bool *connected;
    tn_optimizer **optimizer; /* of each host layer, made when first needed */
};

static tn_graft *registered;

/* Parameters of any net may have changed; blocks pack anew when theirs is another. */
static uint64_t generation = 1;

void tn_graft_touch_all(void) {
    generation++;
}

static void warn_line(void *user, const char *text) {
    (void)user;
    /* said by cfg expand, mended here */
    if (!strstr(text, "policy=cosine")) fprintf(stderr, "warning: %s\n", text);
}
static const tn_warner warner = {warn_line, NULL};

/* ---- the cfg for the host ---- */

static int sections(const tn_graft *g) {
    return g->net ? g->net->plan.n_layers : g->cfg.n_sections - 1;
}

static tn_status plan_schedule(tn_graft *g) {
    g->scheduled = g->net && g->options.images && tn_mend_on(TN_MEND_SCHEDULE);
    if (!g->scheduled) return TN_OK;
    const tn_net_keys *k = &g->net->keys;
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

/* ---- which layers are ours ---- */

static bool is_named(const tn_graft *g, int section, const char *name) {
    return strcmp(g->net->plan.layer[section].type->name, name) == 0;
}

static bool is_ours(const tn_graft *g, int section) {
    if (g->span[section].last < g->span[section].first) return false;
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
    segment *s = &g->segment[g->n_segments++];
    *s = (segment){.section = section,
                   .n_sections = n,
                   .span = {g->span[section].first, g->span[section + n - 1].last}};
    /* an input that got a number of its own stays the host's: the block reads what it writes */
    for (int i = s->span.first; i <= s->span.last; i++) g->segment_of[i] = g->n_segments - 1;
    return tn_block_create_many(g->net->cfg.section + 1 + section, n,
                                tn_plan_shape(plan, plan->layer[section].in), s->span.first > 0, 0,
                                NULL, &s->block);
}

static tn_status make_segments(tn_graft *g) {
    const int n = g->net->plan.n_layers;
    int at = joinable(g);
    if (at > 0) TN_TRY(add_segment(g, 0, at));
    for (; at < n; at++)
        if (is_ours(g, at)) TN_TRY(add_segment(g, at, 1));
    return TN_OK;
}

static tn_status create(tn_graft *g, const char *cfg) {
    const tn_graft_options *o = &g->options;
    if (o->foreign)
        TN_TRY(tn_cfg_load(cfg, &g->cfg));
    else
        TN_TRY(tn_net_load(cfg, o->overrides, o->n_overrides, &warner, &g->net));
    const size_t n = (size_t)sections(g);
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
            if (g->net->param[g->param_of[i]].value != bias) continue;
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
    for (int i = 0; i < g->n_segments; i++) tn_block_free(g->segment[i].block);
    for (int i = 0; g->optimizer && i < g->n_layers; i++) tn_optimizer_free(g->optimizer[i]);
    tn_net_free(g->net);
    tn_cfg_free(&g->cfg);
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

/* ---- the host's memory ---- */

static tn_status bind(tn_param *p, const tn_host_layer *l, int i, bool start) {
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
        do TN_TRY(bind(&net->param[at], &layer[i], i, tn_mend_on(TN_MEND_START)));
        while (++at < net->plan.n_params && net->plan.param[at].kind != TN_PARAM_BIAS);
    }
    g->param_of[g->n_layers] = at;
    if (at == net->plan.n_params) return TN_OK;
    return tn_fail("the host's net lacks %s", net->plan.param[at].name);
}

static void bind_segments(tn_graft *g) {
    for (int i = 0; i < g->n_segments; i++) {
        segment *s = &g->segment[i];
        const tn_param *from = &g->net->param[g->net->plan.layer[s->section].first_param];
        for (int p = 0; p < tn_block_params(s->block); p++)
            tn_block_bind(s->block, p, from[p].value, from[p].grad);
    }
}

/* ---- a foreign cfg: each of our sections, and [convolutional], is a block of its own ---- */

static tn_status bind_foreign(segment *s, const tn_host_layer *layer) {
    int at = 0;
    for (int i = s->span.first; i <= s->span.last; i++) {
        if (!layer[i].has_params) continue;
        if (at == tn_block_params(s->block))
            return tn_fail("layer %d of the host is one too many", i);
        do {
            tn_param p = {.spec = tn_block_param_spec(s->block, at)};
            TN_TRY(bind(&p, &layer[i], i, false));
            tn_block_bind(s->block, at, p.value, p.grad);
            const bool fresh = p.spec->kind == TN_PARAM_VARIANCE && tn_mend_on(TN_MEND_START);
            for (size_t j = 0; fresh && j < p.spec->count; j++) p.value[j] = 1;
        } while (++at < tn_block_params(s->block) &&
                 tn_block_param_spec(s->block, at)->kind != TN_PARAM_BIAS);
    }
    return at == tn_block_params(s->block) ? TN_OK : tn_fail("the host's block is incomplete");
}

static tn_status attach_foreign(tn_graft *g, const tn_host_layer *layer) {
    for (int i = 0; i < sections(g); i++) {
        const tn_section *section = &g->cfg.section[i + 1];
        const tn_layer_type *type = tn_layer_find(section->name);
        const bool stock = type && strcmp(type->name, "convolutional") == 0;
        if (!stock && !tn_foreign_is_ours(type)) continue;
        if (!tn_mend_on(stock ? TN_MEND_KERNELS : TN_MEND_BLOCKS)) continue;
        segment *s = &g->segment[g->n_segments];
        *s = (segment){.section = i, .n_sections = 1, .span = g->span[i]};
        const tn_host_layer *first = &layer[s->span.first];
        const tn_status status =
            tn_block_create(section, (tn_shape){first->h, first->w, first->c}, 0, NULL, &s->block);
        if (status != TN_OK && stock) continue; /* with keys that only the host knows: its own */
        TN_TRY(status);
        for (int l = s->span.first; l <= s->span.last; l++) g->segment_of[l] = g->n_segments;
        g->n_segments++;
        TN_TRY(bind_foreign(s, layer));
    }
    return TN_OK;
}

tn_status tn_graft_attach(tn_graft *g, const tn_host_layer *layer, int n) {
    tn_memory_file_close(&g->file);
    const int last = sections(g) - 1;
    int written = 0;
    for (int i = 0; i <= last; i++)
        if (g->span[i].last >= written) written = g->span[i].last + 1;
    if (n != written) return tn_fail("the host made %d layers of %d sections", n, written);
    g->n_layers = n;
    g->segment_of = calloc((size_t)n, sizeof *g->segment_of);
    g->param_of = calloc((size_t)n + 1, sizeof *g->param_of);
    g->connected = calloc((size_t)n, sizeof *g->connected);
    g->optimizer = calloc((size_t)n, sizeof *g->optimizer);
    if (!g->segment_of || !g->param_of || !g->connected || !g->optimizer)
        return tn_fail("out of memory");
    for (int i = 0; i < n; i++) g->segment_of[i] = -1;
    if (!g->net) return attach_foreign(g, layer);
    TN_TRY(bind_all(g, layer));
    TN_TRY(make_segments(g));
    bind_segments(g);
    tn_pages_free(g->net->pages, g->net->page_bytes); /* all values live in the host now */
    g->net->pages = NULL;
    return TN_OK;
}

/* ---- while the host runs ---- */

static const segment *segment_of(const tn_graft *g, int i) {
    return g->segment_of[i] < 0 ? NULL : &g->segment[g->segment_of[i]];
}

tn_graft_role tn_graft_role_of(const tn_graft *g, int i) {
    const segment *s = segment_of(g, i);
    if (!s) return TN_ROLE_HOST;
    return s->span.first == i ? TN_ROLE_FIRST : TN_ROLE_INSIDE;
}

int tn_graft_first(const tn_graft *g, int i) {
    return segment_of(g, i)->span.first;
}

int tn_graft_last(const tn_graft *g, int i) {
    return segment_of(g, i)->span.last;
}

tn_status tn_graft_forward(tn_graft *g, int i, bool train, int n, const float *x, float *y) {
    segment *s = &g->segment[g->segment_of[i]];
    if (s->generation != generation) tn_block_touch(s->block);
    s->generation = generation;
    return tn_block_forward(s->block, train ? TN_TRAIN : TN_INFER, n, g->options.seed, generation,
                            x, y);
}

tn_status tn_graft_backward(tn_graft *g, int i, const float *dy, float *dx) {
    return tn_block_backward(g->segment[g->segment_of[i]].block, dy, dx);
}

double tn_graft_rate(const tn_graft *g, int batch, double rate) {
    if (!g->scheduled || g->net->keys.policy != TN_POLICY_COSINE) return rate;
    return tn_schedule_rate(&g->schedule, *g->seen / (uint64_t)batch);
}

static tn_status make_optimizer(tn_graft *g, int i, const tn_param *param, int n) {
    const tn_net_keys *k = &g->net->keys;
    const bool adam = tn_mend_on(TN_MEND_ADAM) && k->adam;
    const tn_optimizer_options options = {.kind = !adam      ? TN_SGD
                                                  : k->adamw ? TN_ADAMW
                                                             : TN_ADAM,
                                          .momentum = k->momentum,
                                          .decay = k->decay,
                                          .b1 = k->b1,
                                          .b2 = k->b2,
                                          .eps = k->eps};
    return tn_optimizer_create(&options, param, n, &g->optimizer[i]);
}

bool tn_graft_update(tn_graft *g, int i, double rate, int batch) {
    generation++;
    tn_param *param = &g->net->param[g->param_of[i]];
    const int n = g->param_of[i + 1] - g->param_of[i];
    const bool adam = tn_mend_on(TN_MEND_ADAM) && g->net->keys.adam;
    const bool mended =
        g->options.connected_stays && tn_mend_on(TN_MEND_CONNECTED_UPDATE) && g->connected[i];
    if (n == 0 || (!adam && !mended)) return false;
    if (!g->optimizer[i] && make_optimizer(g, i, param, n) != TN_OK) {
        fprintf(stderr, "darknet-plugin: %s\n", tn_error());
        exit(1);
    }
    /* ours are means of what falls, the host's sums of what rises */
    for (int p = 0; p < n; p++) {
        if (!param[p].grad) continue;
        for (size_t j = 0; j < param[p].spec->count; j++) param[p].grad[j] /= (float)-batch;
    }
    tn_optimizer_update(g->optimizer[i], param, rate);
    return true;
}

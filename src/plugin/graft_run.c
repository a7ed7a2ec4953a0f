#include "src/plugin/die.h"
#include "src/plugin/graft_parts.h"
#include "src/plugin/mends.h"

#include <stdlib.h>
#include <string.h>

/* Parameters of any net may have changed; blocks pack anew when theirs is another. */
static uint64_t generation = 1;

void tn_graft_touch_all(void) {
    generation++;
}

static const tn_graft_segment *segment_of(const tn_graft *g, int i) {
    return g->segment_of[i] < 0 ? NULL : &g->segment[g->segment_of[i]];
}

tn_graft_role tn_graft_role_of(const tn_graft *g, int i) {
    const tn_graft_segment *s = segment_of(g, i);
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
    tn_graft_segment *s = &g->segment[g->segment_of[i]];
    if (s->generation != generation) tn_block_touch(s->block);
    s->generation = generation;
    return tn_block_forward(s->block, train ? TN_TRAIN : TN_INFER, n, g->options.seed, generation,
                            x, y);
}

tn_status tn_graft_backward(tn_graft *g, int i, const float *dy, float *dx) {
    return tn_block_backward(g->segment[g->segment_of[i]].block, dy, dx);
}

double tn_graft_loss_weight(const tn_graft *g, int i, int *losses) {
    double weight = 1;
    *losses = 0;
    for (int s = 0; g->net && s < tn_graft_sections(g); s++) {
        const tn_plan_layer *l = &g->net->plan.layer[s];
        if (strcmp(l->type->name, "softmax") != 0) continue;
        const tn_option *o = tn_section_find(l->section, "loss_weight");
        if (g->span[s].first == i && o) weight = atof(o->value);
        ++*losses;
    }
    return weight;
}

double tn_graft_rate(const tn_graft *g, int batch, double rate) {
    if (!g->scheduled) return rate;
    return tn_schedule_rate(&g->schedule, *g->seen / (uint64_t)batch);
}

static tn_status make_optimizer(tn_graft *g, int i, const tn_param *param, int n) {
    const tn_net_keys *k = &g->keys;
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

/* stopbackward, learning_rate= of a layer: not in the cfg that the host has read. */
static bool has_own_rate(const tn_param *param, int n) {
    for (int p = 0; p < n; p++)
        if (param[p].spec->frozen || param[p].spec->rate != 1) return true;
    return false;
}

bool tn_graft_update(tn_graft *g, int i, double rate, int batch) {
    generation++;
    tn_param *param = &g->param[g->param_of[i]];
    const int n = g->param_of[i + 1] - g->param_of[i];
    const bool adam = tn_mend_on(TN_MEND_ADAM) && g->keys.adam;
    const bool mended =
        g->options.connected_stays && tn_mend_on(TN_MEND_CONNECTED_UPDATE) && g->connected[i];
    if (n == 0 || (!adam && !mended && !has_own_rate(param, n))) return false;
    if (!g->optimizer[i]) tn_die_unless(make_optimizer(g, i, param, n));
    if (g->there) {
        tn_die_unless(tn_graft_gpu_update(g, i, rate, batch));
        return true;
    }
    /* ours are means of what falls, the host's sums of what rises */
    for (int p = 0; p < n; p++) {
        if (!param[p].grad) continue;
        for (size_t j = 0; j < param[p].spec->count; j++) param[p].grad[j] /= (float)-batch;
    }
    tn_optimizer_update(g->optimizer[i], param, rate);
    return true;
}

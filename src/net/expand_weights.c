/* The weights of an expanded net: batch norm folded into weights and biases. */
#include "src/net/expand.h"

#include "layers/ops/norm_act.h"
#include "src/net/graph.h"
#include "src/net/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The parameters of one convolution, [connected] or [batchnorm]: places in the net's array, -1 for
 * those it does not have. */
typedef struct unit {
    int place[TN_PARAM_WEIGHTS + 1];
} unit;

typedef struct folding {
    const tn_net *net;
    tn_arena arena;
    tn_param *param; /* what is written */
    int n;
} folding;

/* Reads the unit that starts at parameter `first` of a layer that ends before `end`; each starts
 * with its biases. Returns where the next one starts. */
static int read_unit(const tn_plan *plan, int first, int end, unit *u) {
    for (int k = 0; k <= TN_PARAM_WEIGHTS; k++) u->place[k] = -1;
    int i = first;
    do u->place[plan->param[i].kind] = i;
    while (++i < end && plan->param[i].kind != TN_PARAM_BIAS);
    return i;
}

static const tn_real *value(const folding *f, const unit *u, tn_param_kind kind) {
    return u->place[kind] < 0 ? NULL : f->net->param[u->place[kind]].value;
}

/* A parameter of the folded net: its spec is borrowed or made, its values are its own. */
static tn_real *add(folding *f, const tn_param_spec *spec) {
    tn_real *v = tn_arena_alloc(&f->arena, spec->count * sizeof *v);
    f->param[f->n++] = (tn_param){.spec = spec, .value = v};
    return v;
}

/* z = scale*(x - mean)/sqrt(variance + eps) + bias, with x = w*input, is factor*w*input + shift. */
static tn_status fold_unit(folding *f, const unit *u) {
    const tn_param *param = f->net->param;
    const tn_param_spec *bias_spec = param[u->place[TN_PARAM_BIAS]].spec;
    const tn_real *bias = value(f, u, TN_PARAM_BIAS), *scale = value(f, u, TN_PARAM_SCALE);
    const tn_real *mean = value(f, u, TN_PARAM_MEAN), *variance = value(f, u, TN_PARAM_VARIANCE);
    const tn_real *weights = value(f, u, TN_PARAM_WEIGHTS);
    const tn_param_spec *weight_spec =
        weights ? param[u->place[TN_PARAM_WEIGHTS]].spec : param[u->place[TN_PARAM_SCALE]].spec;
    tn_real *new_bias = add(f, bias_spec), *new_weights = add(f, weight_spec);
    if (!new_bias || !new_weights) return TN_FAIL;
    const size_t outputs = bias_spec->count, each = weight_spec->count / outputs;
    for (size_t o = 0; o < outputs; o++) {
        double factor = 1, shift = bias[o];
        if (scale) {
            factor = (double)scale[o] / sqrt((double)variance[o] + (double)TN_BATCH_NORM_EPS);
            shift -= factor * (double)mean[o];
        }
        new_bias[o] = (tn_real)shift;
        for (size_t i = o * each; i < (o + 1) * each; i++)
            new_weights[i] = (tn_real)(factor * (weights ? (double)weights[i] : 1.0));
    }
    return TN_OK;
}

static tn_status fold_all(folding *f, const char *path) {
    const tn_plan *plan = &f->net->plan;
    bool *live = tn_arena_alloc(&f->arena, (size_t)plan->n_layers * sizeof *live);
    f->param = tn_arena_alloc(&f->arena, (size_t)plan->n_params * sizeof *f->param);
    if (!live || !f->param) return TN_FAIL;
    tn_graph_live(plan, live);
    for (int l = 0; l < plan->n_layers; l++) {
        const int end = plan->layer[l].first_param + plan->layer[l].n_params;
        for (int i = plan->layer[l].first_param; live[l] && i < end;) {
            unit u;
            i = read_unit(plan, i, end, &u);
            TN_TRY(fold_unit(f, &u));
        }
    }
    return tn_weights_save(f->param, f->n, f->net->seen, path);
}

tn_status tn_expand_weights(const tn_net *net, bool fold, const char *path) {
    if (!fold) return tn_weights_save(net->param, net->plan.n_params, net->seen, path);
    folding f = {.net = net};
    const tn_status status = fold_all(&f, path);
    tn_arena_free(&f.arena);
    return status;
}

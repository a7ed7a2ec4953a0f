#include "src/net/net.h"

#include "layers/device/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static tn_status plan_net(tn_net *net, const tn_warner *warner) {
    const tn_section *section = &net->cfg.section[0];
    const tn_key_table table = {tn_net_key_table, &net->keys};
    TN_TRY(tn_keys_read(section, &table, 1, &net->cfg.arena, warner));
    tn_net_keys *k = &net->keys;
    tn_shape input = {k->height, k->width, k->channels};
    if (k->height == 0 && k->width == 0 && k->inputs > 0) input = (tn_shape){1, 1, k->inputs};
    if (input.h < 1 || input.w < 1) {
        return tn_section_fail(section, "width=%d height=%d: expected both (or inputs)", k->width,
                               k->height);
    }
    if (k->batch % k->subdivisions != 0) {
        return tn_section_fail(section, "batch=%d is not a multiple of subdivisions=%d", k->batch,
                               k->subdivisions);
    }
    if (k->cutmix) k->mixup = 2;
    if (k->adamw) k->adam = true;
    return tn_plan_build(&net->plan, input, section + 1, net->cfg.n_sections - 1, false, warner);
}

/* Values of all parameters, then gradients of those that learn, in one block. */
static tn_status take_memory(tn_net *net) {
    const size_t n = (size_t)net->plan.n_params;
    net->param = calloc(n ? n : 1, sizeof *net->param);
    if (!net->param) return tn_fail("out of memory");
    size_t reals = 0;
    for (size_t i = 0; i < n; i++) {
        const tn_param_spec *spec = &net->plan.param[i];
        reals += ((spec->count + 15) & ~(size_t)15) * (tn_param_learns(spec) ? 2 : 1);
    }
    net->page_bytes = reals * sizeof(tn_real);
    net->pages = tn_pages_alloc(net->page_bytes);
    if (!net->pages) return tn_fail_in("parameters");
    tn_real *next = net->pages;
    for (size_t i = 0; i < n; i++) {
        tn_param *p = &net->param[i];
        *p = (tn_param){.spec = &net->plan.param[i], .version = 1};
        const size_t room = (p->spec->count + 15) & ~(size_t)15;
        p->value = next;
        next += room;
        if (!tn_param_learns(p->spec)) continue;
        p->grad = next;
        next += room;
    }
    return TN_OK;
}

tn_status tn_net_create(tn_cfg *cfg, const tn_warner *warner, tn_net **out) {
    *out = NULL;
    tn_net *net = calloc(1, sizeof *net);
    if (!net) {
        tn_cfg_free(cfg);
        return tn_fail("out of memory");
    }
    net->cfg = *cfg;
    *cfg = (tn_cfg){0};
    tn_status status = plan_net(net, warner);
    if (status == TN_OK) status = take_memory(net);
    if (status != TN_OK) {
        tn_net_free(net);
        return status;
    }
    *out = net;
    return TN_OK;
}

tn_status tn_net_load(const char *path, const char *const *overrides, int n_overrides,
                      const tn_warner *warner, tn_net **out) {
    *out = NULL;
    tn_cfg cfg;
    TN_TRY(tn_cfg_load(path, &cfg));
    for (int i = 0; i < n_overrides; i++) {
        const tn_status status = tn_cfg_override(&cfg, overrides[i]);
        if (status == TN_OK) continue;
        tn_cfg_free(&cfg);
        return status;
    }
    return tn_net_create(&cfg, warner, out);
}

void tn_net_free(tn_net *net) {
    if (!net) return;
    tn_pages_free(net->pages, net->page_bytes);
    free(net->param);
    tn_plan_free(&net->plan);
    tn_cfg_free(&net->cfg);
    free(net);
}

static void init_weights(tn_param *p, int index, uint64_t seed) {
    tn_rng rng = tn_rng_stream(seed, TN_RNG_INIT, (uint32_t)index, 0, 0);
    const double deviation = sqrt(2.0 / (p->spec->fan_in > 0 ? p->spec->fan_in : 1));
    for (size_t i = 0; i < p->spec->count; i++) {
        p->value[i] = (tn_real)(deviation * (double)tn_rng_normal(&rng));
    }
}

void tn_net_init(tn_net *net, uint64_t seed) {
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < net->plan.n_params; i++) {
        tn_param *p = &net->param[i];
        const tn_param_kind kind = p->spec->kind;
        const bool one = kind == TN_PARAM_SCALE || kind == TN_PARAM_VARIANCE;
        if (kind == TN_PARAM_WEIGHTS)
            init_weights(p, i, seed);
        else
            for (size_t j = 0; j < p->spec->count; j++) p->value[j] = one ? 1 : 0;
        if (p->grad) memset(p->grad, 0, p->spec->count * sizeof *p->grad);
        p->version++;
    }
    net->seen = 0;
}

int tn_net_outputs(const tn_net *net) {
    return (int)tn_shape_count(tn_plan_shape(&net->plan, net->plan.output));
}

size_t tn_net_parameters(const tn_net *net) {
    size_t sum = 0;
    for (int i = 0; i < net->plan.n_params; i++) {
        if (tn_param_learns(&net->plan.param[i])) sum += net->plan.param[i].count;
    }
    return sum;
}

double tn_net_multiply_adds(const tn_net *net) {
    const tn_plan *plan = &net->plan;
    bool *live = calloc((size_t)plan->n_tensors, sizeof *live);
    if (!live) return 0;
    live[plan->output] = true;
    double sum = 0;
    for (int i = plan->n_ops - 1; i >= 0; i--) {
        const tn_op *op = &plan->op[i];
        if (!live[op->out]) continue;
        for (int j = 0; j < op->n_in; j++) live[op->in[j]] = true;
        sum += tn_plan_op_multiply_adds(plan, op);
    }
    free(live);
    return sum;
}

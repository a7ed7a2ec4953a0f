/* make_weights CFG OUT.weights SEED: seeded weights with which a net is neither dead nor saturated.
 *
 * Programs differ in batch norm's epsilon and in rounding, so nets are compared where neither
 * decides: every running variance lies in 0.5..2, activations are of order 1 however deep the net,
 * and logits are moderate. For that, one mini-batch of noise goes through the net as in training,
 * its statistics become the running ones, and each filter is scaled so that its variance is what
 * was drawn for it: batch norm's output does not change by that. */
#include "layers/device/cpu.h"
#include "layers/device/rng.h"
#include "src/net/net.h"
#include "src/net/run.h"
#include "src/net/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 4 };

static tn_rng stream(uint64_t seed, int place, uint32_t use) {
    return tn_rng_stream(seed, TN_RNG_INIT, (uint32_t)place, use, 1);
}

static void fill(tn_param *p, tn_rng *rng, float low, float high) {
    for (size_t i = 0; i < p->spec->count; i++) p->value[i] = tn_rng_uniform(rng, low, high);
    p->version++;
}

static void draw(tn_net *net, uint64_t seed) {
    tn_net_init(net, seed);
    for (int i = 0; i < net->plan.n_params; i++) {
        tn_param *p = &net->param[i];
        tn_rng rng = stream(seed, i, 0);
        if (p->spec->kind == TN_PARAM_BIAS) fill(p, &rng, -0.2f, 0.2f);
        if (p->spec->kind == TN_PARAM_SCALE) fill(p, &rng, 0.7f, 1.3f);
        if (!tn_param_learns(p->spec)) fill(p, &rng, 0, 0);
    }
}

/* One forward as in training. Running statistics start at 0 and move a tenth of the way. */
static tn_status measure(tn_net *net, uint64_t seed) {
    tn_run *run;
    const tn_run_options options = {.mode = TN_TRAIN, .batch = BATCH, .output = -1};
    TN_TRY(tn_run_create(&net->plan, net->param, &options, &run));
    tn_tensor in = tn_run_input(run);
    tn_rng rng = stream(seed, 0, 1);
    for (size_t i = 0; i < tn_elements(&in); i++) tn_data(&in)[i] = tn_rng_uniform(&rng, 0, 1);
    const tn_step step = {.seed = seed, .n_valid = BATCH, .grad_scale = 1.0 / BATCH};
    const tn_status status = tn_run_forward(run, &step);
    tn_run_free(run);
    return status;
}

/* The weights whose outputs a variance belongs to: behind it in [convolutional], three places in
 * front of it in [connected], nowhere in [batchnorm]. */
static tn_param *weights_of(tn_net *net, int variance) {
    const int places[2] = {variance + 1, variance - 3};
    for (int i = 0; i < 2; i++) {
        if (places[i] < 0 || places[i] >= net->plan.n_params) continue;
        tn_param *p = &net->param[places[i]];
        const tn_param_spec *v = net->param[variance].spec;
        if (p->spec->kind == TN_PARAM_WEIGHTS && p->spec->layer == v->layer &&
            (size_t)p->spec->dim[0] == v->count)
            return p;
    }
    return NULL;
}

static void scale_filters(tn_net *net, int variance, tn_rng *rng) {
    enum { INVERSE_MOMENTUM = 10 };
    tn_param *v = &net->param[variance], *mean = &net->param[variance - 1];
    tn_param *w = weights_of(net, variance);
    const size_t row = w ? w->spec->count / v->spec->count : 0;
    for (size_t f = 0; f < v->spec->count; f++) {
        const double measured = INVERSE_MOMENTUM * (double)v->value[f];
        const double wanted = tn_rng_uniform(rng, 0.5f, 2);
        const double s = w && measured > 0 ? sqrt(wanted / measured) : 1;
        for (size_t i = 0; i < row; i++) w->value[f * row + i] *= (tn_real)s;
        mean->value[f] *= (tn_real)(INVERSE_MOMENTUM * s);
        v->value[f] = (tn_real)(w && measured > 0 ? wanted : fmax(measured, 0.5));
    }
}

static tn_status make(tn_net *net, const char *path, uint64_t seed) {
    draw(net, seed);
    TN_TRY(measure(net, seed));
    for (int i = 0; i < net->plan.n_params; i++) {
        tn_rng rng = stream(seed, i, 2);
        if (net->plan.param[i].kind == TN_PARAM_VARIANCE) scale_filters(net, i, &rng);
    }
    return tn_weights_save(net->param, net->plan.n_params, 0, path);
}

int main(int argc, char **argv) {
    tn_net *net;
    if (argc != 4) {
        fprintf(stderr, "usage: make_weights CFG OUT.weights SEED\n");
        return 1;
    }
    tn_cpu_use_threads(0);
    const char *overrides[] = {"batch=4", "subdivisions=1"};
    tn_status status = tn_net_load(argv[1], overrides, 2, NULL, &net);
    if (status == TN_OK) {
        status = make(net, argv[2], strtoull(argv[3], NULL, 10));
        tn_net_free(net);
    }
    if (status != TN_OK) fprintf(stderr, "make_weights: %s\n", tn_error());
    return status != TN_OK;
}

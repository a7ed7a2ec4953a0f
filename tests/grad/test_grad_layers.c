/* Gradients of layers and of whole blocks against central differences, in double.
 *
 * Each case is a small net in cfg words, run in training mode. Without a loss of its own, its
 * output is weighed with random numbers; what backward says of every parameter and of the input is
 * compared with differences, element by element. */
#include "src/net/cfg.h"
#include "src/net/run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 3, ELEMENTS = 24, H = 6, W = 8, C = 8 };
static const double shift = 1e-6, bound = 1e-5;

typedef struct probe {
    tn_cfg cfg;
    tn_plan plan;
    tn_param *param;
    tn_run *run;
    tn_step step;
    double *weight; /* of each output element; NULL: the net ends in a loss */
    double *truth;
    uint64_t random;
} probe;

static double next(probe *p) {
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(p->random >> 40) * 0x1p-24 * 2 - 1;
}

static double *randoms(probe *p, size_t n) {
    double *v = malloc((n ? n : 1) * sizeof *v);
    for (size_t i = 0; v && i < n; i++) v[i] = next(p);
    return v;
}

static void must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

static void set_up(probe *p, const char *text, bool loss) {
    *p = (probe){.random = 42};
    must(tn_cfg_parse(text, strlen(text), "case", &p->cfg));
    must(tn_plan_build(&p->plan, (tn_shape){H, W, C}, p->cfg.section + 1, p->cfg.n_sections - 1,
                       true, NULL));
    p->param = calloc((size_t)p->plan.n_params + 1, sizeof *p->param);
    for (int i = 0; i < p->plan.n_params; i++) {
        const tn_param_spec *spec = &p->plan.param[i];
        p->param[i] = (tn_param){.spec = spec, .version = 1};
        p->param[i].value = randoms(p, spec->count);
        p->param[i].grad = calloc(spec->count, sizeof(double));
        for (size_t j = 0; j < spec->count; j++) {
            double *v = &p->param[i].value[j];
            if (spec->kind == TN_PARAM_SCALE || spec->kind == TN_PARAM_VARIANCE) *v = 1 + 0.5 * *v;
        }
    }
    const tn_run_options options = {
        .mode = TN_TRAIN, .batch = BATCH, .threads = 1, .output = -1, .output_gradient = !loss};
    must(tn_run_create(&p->plan, p->param, &options, &p->run));
    const tn_tensor in = tn_run_input(p->run), out = tn_run_output(p->run);
    for (size_t i = 0; i < tn_elements(&in); i++) tn_data(&in)[i] = next(p);
    const size_t n = tn_elements(&out);
    p->step = (tn_step){.seed = 3, .n_valid = BATCH, .grad_scale = 1.0 / BATCH};
    if (loss) {
        p->truth = calloc(n, sizeof *p->truth);
        for (size_t i = 0; i < n; i++) p->truth[i] = 0.5 + 0.5 * next(p);
        p->step.truth = p->truth;
    } else {
        p->weight = randoms(p, n);
    }
}

static void tear_down(probe *p) {
    tn_run_free(p->run);
    for (int i = 0; i < p->plan.n_params; i++) {
        free(p->param[i].value);
        free(p->param[i].grad);
    }
    free(p->param);
    free(p->weight);
    free(p->truth);
    tn_plan_free(&p->plan);
    tn_cfg_free(&p->cfg);
}

static double value(probe *p) {
    must(tn_run_forward(p->run, &p->step));
    if (!p->weight) return tn_run_loss(p->run) * p->step.grad_scale;
    const tn_tensor out = tn_run_output(p->run);
    double sum = 0;
    for (size_t i = 0; i < tn_elements(&out); i++) sum += p->weight[i] * tn_data(&out)[i];
    return sum;
}

static void touch(probe *p) {
    for (int i = 0; i < p->plan.n_params; i++) p->param[i].version++;
}

/* Compares `grad` with differences at up to ELEMENTS places of v. Returns the worst difference
 * relative to the tensor's largest gradient. */
static double worst_difference(probe *p, double *v, const double *grad, size_t n) {
    double largest = 1e-3, worst = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(grad[i]));
    const size_t stride = n > ELEMENTS ? n / ELEMENTS : 1;
    for (size_t i = 0; i < n; i += stride) {
        const double kept = v[i];
        v[i] = kept + shift;
        touch(p);
        const double up = value(p);
        v[i] = kept - shift;
        touch(p);
        const double down = value(p);
        v[i] = kept;
        touch(p);
        worst = fmax(worst, fabs((up - down) / (2 * shift) - grad[i]) / largest);
    }
    return worst;
}

typedef struct layer_case {
    const char *name, *text;
    bool loss;
} layer_case;

static void test_case(void **state) {
    const layer_case *c = *state;
    probe p;
    set_up(&p, c->text, c->loss);
    value(&p);
    if (p.weight) {
        const tn_tensor d = tn_run_gradient(p.run, p.plan.output);
        memcpy(d.data, p.weight, tn_elements(&d) * sizeof(double));
    }
    must(tn_run_backward(p.run));
    const tn_tensor in = tn_run_input(p.run), din = tn_run_gradient(p.run, p.plan.input);
    const size_t n = tn_elements(&in);
    double *input_grad = malloc(n * sizeof *input_grad);
    memcpy(input_grad, din.data, n * sizeof *input_grad);
    const double off = worst_difference(&p, tn_data(&in), input_grad, n);
    if (!(off <= bound)) fail_msg("%s: gradient of the input is off by %.2e", c->name, off);
    for (int i = 0; i < p.plan.n_params; i++) {
        const tn_param_spec *spec = &p.plan.param[i];
        if (!tn_param_learns(spec)) continue;
        const double d = worst_difference(&p, p.param[i].value, p.param[i].grad, spec->count);
        if (!(d <= bound)) fail_msg("%s: gradient of %s is off by %.2e", c->name, spec->name, d);
    }
    free(input_grad);
    tear_down(&p);
}

#define NET "[net]\nwidth=8\nheight=6\nchannels=8\n"

static const layer_case cases[] = {
    {"convolutional",
     NET "[convolutional]\nfilters=5\nsize=3\nstride=2\npad=1\nactivation=leaky\n"},
    {"convolutional_bn",
     NET "[convolutional]\nfilters=6\nsize=3\npad=1\nbatch_normalize=1\nactivation=mish\n"},
    {"convolutional_groups",
     NET "[convolutional]\nfilters=4\nsize=1\ngroups=2\nactivation=swish\n"},
    {"grouped_5x5",
     NET "[grouped_convolutional]\nfilters=8\ngroups=4\nsize=5\npad=1\nactivation=elu\n"},
    {"grouped_5x5_stride2", NET "[grouped_conv]\nfilters=16\ngroups=2\nsize=5\nstride=2\npad=1\n"
                                "batch_normalize=1\nactivation=logistic\n"},
    {"depthwise", NET
     "[grouped_convolutional]\nfilters=8\ngroups=8\nsize=3\npad=1\ndilation=2\nactivation=tanh\n"},
    {"residual_identity", NET "[expansion_residual]\nfilters=2\ngroups=2\n"},
    {"residual_projection",
     NET "[expansion_residual]\nfilters=4\ngroups=2\nstride=2\nactivation=leaky\n"},
    {"residual_twice",
     NET "[residual_x4]\nfilters=2\ngroups=1\nsize=3\n[expansion_residual]\nfilters=2\ngroups=2\n"},
    {"residual_no_bn",
     NET "[expansion_residual]\nfilters=4\ngroups=4\nexpansion=3\nbatch_normalize=0\n"},
    {"connected", NET "[connected]\noutput=5\nactivation=selu\n[connected]\noutput=3\nbatch_"
                      "normalize=1\nactivation=linear\n"},
    {"maxpool", NET "[maxpool]\nsize=3\nstride=2\n[maxpool]\nsize=2\nstride=1\n"},
    {"avgpools", NET "[local_avgpool]\nsize=3\nstride=2\n[avgpool]\n"},
    {"avgpool_adaptive", NET "[avgpool]\noutput=4\n"},
    {"dropout",
     NET "[convolutional]\nfilters=4\nsize=1\nactivation=linear\n[dropout]\nprobability=.4\n"},
    {"shortcut", NET
     "[convolutional]\nfilters=8\nsize=3\npad=1\nactivation=linear\n[convolutional]\nfilters=8\n"
     "size=1\nactivation=tanh\n[shortcut]\nfrom=-2\nactivation=leaky\n"},
    {"shortcut_strided", NET
     "[convolutional]\nfilters=4\nsize=1\nactivation=linear\n[convolutional]\nfilters=6\nsize=3\n"
     "stride=2\npad=1\nactivation=linear\n[shortcut]\nfrom=-2\nactivation=linear\n"},
    {"route", NET
     "[convolutional]\nfilters=4\nsize=1\nactivation=linear\n[convolutional]\nfilters=6\nsize=1\n"
     "activation=tanh\n[route]\nlayers=-1,-2\n[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
     "[convolutional]\nfilters=3\nsize=3\nactivation=linear\n"},
    {"batchnorm_activation", NET "[batchnorm]\n[activation]\nactivation=gelu\n"},
    {"scale_channels",
     NET "[convolutional]\nfilters=8\nsize=1\nactivation=linear\n[avgpool]\n[convolutional]"
         "\nfilters=8\n"
         "size=1\nactivation=logistic\n[scale_channels]\nfrom=-3\nactivation=linear\n"},
    {"channel_norm",
     NET "[convolutional]\nfilters=8\nsize=1\nactivation=normalize_channels_softmax\n"},
    {"softmax_loss",
     NET "[avgpool]\n[convolutional]\nfilters=4\nsize=1\nactivation=linear\n[softmax]\n", true},
    {"softmax_groups", NET "[avgpool]\n[softmax]\ngroups=2\ntemperature=2\n", true},
    {"softmax_cost_counts_once", NET "[avgpool]\n[softmax]\n[cost]\ntype=sse\n", true},
    {"cost_sse", NET "[avgpool]\n[connected]\noutput=4\nactivation=linear\n[cost]\ntype=sse\n",
     true},
    {"cost_smooth", NET "[connected]\noutput=4\nactivation=linear\n[cost]\ntype=smooth\n", true},
};

int main(void) {
    struct CMUnitTest tests[sizeof cases / sizeof *cases];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tests[i] =
            (struct CMUnitTest){cases[i].name, test_case, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

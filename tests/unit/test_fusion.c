/* What replicas do in one go - a batch norm with the addition behind it, a convolution with the
 * batch norm, skip and activation behind it - against the same nets in plain C with every tensor
 * kept, where nothing can be left out. */
#include "layers/device/rng.h"
#include "src/net/net.h"
#include "src/net/run.h"
#include "tests/support/random_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 3 };

/* keeps_all: plain C, and every tensor stays. */
static tn_run *run_of(tn_net *net, tn_mode mode, bool keeps_all, const char *kernels) {
    int *all = malloc((size_t)net->plan.n_tensors * sizeof *all);
    assert_non_null(all);
    for (int i = 0; i < net->plan.n_tensors; i++) all[i] = i;
    const tn_run_options options = {.mode = mode,
                                    .batch = BATCH,
                                    .threads = 2,
                                    .kernels = keeps_all ? "ref" : kernels,
                                    .keep = all,
                                    .n_keep = keeps_all ? net->plan.n_tensors : 0,
                                    .output = -1,
                                    .output_gradient = mode == TN_TRAIN};
    tn_run *run;
    tn_works(tn_run_create(&net->plan, net->param, &options, &run));
    free(all);
    const tn_tensor in = tn_run_input(run);
    tn_rng rng = tn_rng_stream(1, TN_RNG_INIT, 8, 0, 0);
    for (size_t i = 0; i < tn_elements(&in); i++) tn_data(&in)[i] = tn_rng_uniform(&rng, -1, 1);
    return run;
}

static const tn_step step = {.seed = 3, .n_valid = BATCH, .grad_scale = 1.0 / BATCH};

static void compare(const char *what, const float *a, const float *b, size_t n, double bound) {
    double largest = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)a[i]));
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    }
    if (!(worst <= bound * largest))
        fail_msg("%s: apart by %g, largest value %g", what, worst, largest);
}

static int tails_taken(const tn_run *run) {
    int n = 0;
    for (int i = 0; i < tn_run_ops(run); i++) n += tn_run_op(run, i)->pass[TN_FORWARD].takes_tail;
    return n;
}

#define NET(w, h, c)                                                                               \
    "[net]\nwidth=" #w "\nheight=" #h "\nchannels=" #c "\nbatch=1\nsubdivisions=1\n"
#define CONV(filters, size, stride, groups, bn, act)                                               \
    "[convolutional]\nbatch_normalize=" #bn "\nfilters=" #filters "\nsize=" #size                  \
    "\nstride=" #stride "\npad=1\ngroups=" #groups "\nactivation=" #act "\n"
#define ADD(from, act) "[shortcut]\nfrom=" #from "\nactivation=" #act "\n"
#define ROUTE(from)    "[route]\nlayers=" #from "\n"

typedef struct fused_case {
    const char *name, *cfg;
    int tails; /* that the default kernels take with oneDNN, at least */
} fused_case;

static const fused_case cases[] = {
    {"1x1, relu", NET(9, 7, 24) CONV(40, 1, 1, 1, 1, relu), 1},
    {"1x1 of few channels, leaky", NET(9, 7, 5) CONV(7, 1, 1, 1, 1, leaky), 0},
    {"3x3, bias, linear", NET(9, 7, 16) CONV(33, 3, 1, 1, 0, linear), 1},
    {"3x3 strided, relie", NET(11, 8, 16) CONV(16, 3, 2, 1, 1, relie), 1},
    {"stem", NET(32, 32, 3) CONV(16, 7, 2, 1, 1, relu), 1},
    {"other activation", NET(9, 7, 16) CONV(24, 3, 1, 1, 1, mish), 0},
    {"wide groups", NET(9, 7, 64) CONV(64, 5, 1, 4, 1, relu), 0},
    {"narrow groups", NET(9, 7, 32) CONV(32, 5, 1, 8, 1, relu), 0},
    {"deep product", NET(3, 3, 1040) CONV(24, 3, 1, 1, 1, relu), 1},
    {"identity block",
     NET(8, 8, 32) CONV(32, 1, 1, 1, 1, relu) CONV(32, 3, 1, 1, 1, linear) ADD(-2, relu), 1},
    {"block of pixels",
     NET(8, 8, 32) CONV(48, 1, 1, 1, 1, relu) CONV(16, 1, 1, 1, 1, relu)
         CONV(48, 1, 1, 1, 1, linear) ADD(-3, leaky) CONV(8, 1, 1, 1, 1, relu),
     3},
    {"a skip that lives on",
     NET(8, 8, 32) CONV(48, 1, 1, 1, 1, relu) CONV(16, 1, 1, 1, 1, relu)
         CONV(48, 1, 1, 1, 1, linear) ADD(-3, relu) ROUTE(-1) ADD(-5, linear),
     1},
    {"the output before its batch norm is read twice",
     NET(8, 8, 16) CONV(16, 3, 1, 1, 1, linear) CONV(16, 3, 1, 1, 1, linear) ADD(-2, relu)
         ADD(-2, relu),
     0},
    {"projection",
     NET(8, 8, 16) CONV(16, 3, 1, 1, 1, relu) CONV(24, 3, 2, 1, 1, linear) ROUTE(-2)
         CONV(24, 1, 2, 1, 1, linear) ADD(-3, relu) CONV(24, 3, 1, 1, 1, relu),
     1},
    {"two skips",
     NET(8, 8, 16) CONV(16, 3, 1, 1, 1, relu) CONV(16, 3, 1, 1, 1, relu)
         CONV(16, 3, 1, 1, 1, linear) "[shortcut]\nfrom=-2,-3\nactivation=relu\n",
     1},
    {"expansion_residual",
     NET(10, 10, 16) "[expansion_residual]\nfilters=16\nexpansion=4\ngroups=4\n"
                     "[expansion_residual]\nfilters=16\nexpansion=4\ngroups=4\n"
                     "[expansion_residual]\nfilters=16\nexpansion=4\ngroups=4\nstride=2\n",
     3},
};

static void test_inference(void **state) {
    (void)state;
    static const char *const kernels[] = {NULL, "avx2", "onednn"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_net *net = tn_random_net(cases[i].cfg, 11 + i);
        tn_run *plain = run_of(net, TN_INFER, true, NULL);
        assert_int_equal(tails_taken(plain), 0);
        tn_works(tn_run_forward(plain, &step));
        const tn_tensor expected = tn_run_output(plain);
        for (int k = 0; k < 3; k++) {
            tn_run *run = run_of(net, TN_INFER, false, kernels[k]);
            if (TN_DNNL && k == 0 && tails_taken(run) < cases[i].tails)
                fail_msg("%s: %d tails taken, expected %d at least", cases[i].name,
                         tails_taken(run), cases[i].tails);
            for (int again = 0; again < 2; again++) { /* nothing must build up */
                tn_works(tn_run_forward(run, &step));
                const tn_tensor got = tn_run_output(run);
                compare(cases[i].name, tn_data(&expected), tn_data(&got), tn_elements(&got), 2e-5);
            }
            tn_run_free(run);
        }
        tn_run_free(plain);
        tn_net_free(net);
    }
}

/* Packed weights and folded statistics follow the parameters. */
static void test_parameters_change(void **state) {
    (void)state;
    static const char *const kernels[] = {"avx2", "onednn"};
    for (int k = 0; k < 2; k++) {
        tn_net *net = tn_random_net(cases[9].cfg, 5);
        tn_run *plain = run_of(net, TN_INFER, true, NULL);
        tn_run *run = run_of(net, TN_INFER, false, kernels[k]);
        tn_works(tn_run_forward(run, &step));
        for (int i = 0; i < net->plan.n_params; i++) {
            for (size_t j = 0; j < net->param[i].spec->count; j++) net->param[i].value[j] *= 1.5F;
            net->param[i].version++;
            tn_works(tn_run_forward(run, &step));
            tn_works(tn_run_forward(plain, &step));
            const tn_tensor a = tn_run_output(plain), b = tn_run_output(run);
            compare(net->param[i].spec->name, tn_data(&a), tn_data(&b), tn_elements(&a), 2e-5);
        }
        tn_run_free(run);
        tn_run_free(plain);
        tn_net_free(net);
    }
}

/* A broken net must not answer as if it were sound: no relu turns NaN into 0. */
static void test_nan_stays(void **state) {
    (void)state;
    static const char *const kernels[] = {NULL, "avx2", "onednn", "ref"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 4; k++) {
            tn_net *net = tn_random_net(cases[i].cfg, 3);
            for (int p = 0; p < net->plan.n_params; p++) {
                if (net->param[p].spec->kind != TN_PARAM_BIAS) continue;
                net->param[p].value[0] = NAN;
                net->param[p].version++;
            }
            tn_run *run = run_of(net, TN_INFER, false, kernels[k]);
            tn_works(tn_run_forward(run, &step));
            const tn_tensor out = tn_run_output(run);
            if (tn_data(&out)[0] == tn_data(&out)[0])
                fail_msg("%s: NaN became %g", cases[i].name, (double)tn_data(&out)[0]);
            tn_run_free(run);
            tn_net_free(net);
        }
}

/* Gradients with and without the merged additions, by the same kernels. */
static void test_training(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_net *net[2];
        tn_run *run[2];
        for (int k = 0; k < 2; k++) {
            net[k] = tn_random_net(cases[i].cfg, 11 + i);
            run[k] = run_of(net[k], TN_TRAIN, k == 0, "ref");
            tn_works(tn_run_forward(run[k], &step));
            const tn_tensor g = tn_run_gradient(run[k], net[k]->plan.output);
            tn_rng rng = tn_rng_stream(2, TN_RNG_INIT, 9, 0, 0);
            for (size_t j = 0; j < tn_elements(&g); j++)
                tn_data(&g)[j] = tn_rng_uniform(&rng, -1, 1);
            tn_works(tn_run_backward(run[k]));
        }
        for (int p = 0; p < net[0]->plan.n_params; p++) {
            const tn_param *a = &net[0]->param[p], *b = &net[1]->param[p];
            if (a->grad) compare(a->spec->name, a->grad, b->grad, a->spec->count, 1e-5);
            compare(a->spec->name, a->value, b->value, a->spec->count, 1e-6);
        }
        for (int k = 0; k < 2; k++) {
            tn_run_free(run[k]);
            tn_net_free(net[k]);
        }
    }
}

/* What somebody wants to see is there, with its value. */
static void test_kept_tensors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_net *net = tn_random_net(cases[i].cfg, 7);
        tn_run *plain = run_of(net, TN_INFER, true, NULL);
        tn_works(tn_run_forward(plain, &step));
        for (int t = 1; t < net->plan.n_tensors; t++) {
            const tn_run_options options = {.mode = TN_INFER,
                                            .batch = BATCH,
                                            .threads = 2,
                                            .keep = &t,
                                            .n_keep = 1,
                                            .output = -1};
            tn_run *run;
            tn_works(tn_run_create(&net->plan, net->param, &options, &run));
            const tn_tensor to = tn_run_input(run), from = tn_run_input(plain);
            memcpy(to.data, from.data, tn_elements(&to) * sizeof(float));
            tn_works(tn_run_forward(run, &step));
            const tn_tensor a = tn_run_value(plain, t), b = tn_run_value(run, t);
            assert_non_null(b.data);
            compare(cases[i].name, tn_data(&a), tn_data(&b), tn_elements(&a), 2e-5);
            tn_run_free(run);
        }
        tn_run_free(plain);
        tn_net_free(net);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inference), cmocka_unit_test(test_parameters_change),
        cmocka_unit_test(test_nan_stays), cmocka_unit_test(test_training),
        cmocka_unit_test(test_kept_tensors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

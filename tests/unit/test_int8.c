/* Nets in 8 bits: what a convolution does besides (batch norm, skip, activation) against the same
 * done by itself, scales as they are chosen, and how far whole nets are from fp32. */
#include "layers/device/rng.h"
#include "layers/ops/int8.h"
#include "src/net/net.h"
#include "src/net/quantiser.h"
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

static const tn_step step = {.seed = 3, .n_valid = BATCH};

static tn_run *run_of(tn_net *net, const int *keep, int n_keep, const tn_quantisation *q) {
    const tn_run_options options = {.mode = TN_INFER,
                                    .batch = BATCH,
                                    .threads = 2,
                                    .keep = keep,
                                    .n_keep = n_keep,
                                    .output = -1,
                                    .quantisation = q};
    tn_run *run;
    tn_works(tn_run_create(&net->plan, net->param, &options, &run));
    const tn_tensor in = tn_run_input(run);
    tn_rng rng = tn_rng_stream(1, TN_RNG_INIT, 8, 0, 0);
    for (size_t i = 0; i < tn_elements(&in); i++) tn_data(&in)[i] = tn_rng_uniform(&rng, -1, 1);
    return run;
}

/* The scales of that input; the caller frees them. */
static tn_quantisation *scales_of(tn_net *net, tn_clip clip) {
    tn_quantisation *q = calloc((size_t)net->plan.n_ops, sizeof *q);
    tn_quantiser *quantiser;
    assert_non_null(q);
    tn_works(tn_quantiser_create(&net->plan, &quantiser));
    int n;
    const int *keep = tn_quantiser_tensors(quantiser, &n);
    tn_run *run = run_of(net, keep, n, NULL);
    tn_works(tn_run_forward(run, &step));
    tn_works(tn_quantiser_see(quantiser, run, BATCH));
    tn_quantiser_choose(quantiser, clip, 0, q);
    tn_quantiser_free(quantiser);
    tn_run_free(run);
    return q;
}

static void compare(const char *what, const tn_run *want, const tn_run *got, double bound) {
    const tn_tensor a = tn_run_output(want), b = tn_run_output(got);
    double largest = 0, worst = 0;
    for (size_t i = 0; i < tn_elements(&a); i++) {
        largest = fmax(largest, fabs((double)tn_data(&a)[i]));
        worst = fmax(worst, fabs((double)tn_data(&a)[i] - (double)tn_data(&b)[i]));
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

/* tails, bytes: taken over, and convolutions in 8 bits, at least. */
static const struct {
    const char *name, *cfg;
    int tails, bytes;
} cases[] = {
    {"1x1, relu", NET(24, 24, 24) CONV(40, 1, 1, 1, 1, relu), 1, 1},
    {"3x3, bias, linear", NET(13, 11, 16) CONV(33, 3, 1, 1, 0, linear), 1, 1},
    {"3x3 strided, leaky", NET(21, 18, 16) CONV(16, 3, 2, 1, 1, leaky), 1, 1},
    {"stem", NET(32, 32, 3) CONV(16, 7, 2, 1, 1, relu), 1, 1},
    {"other activation", NET(12, 12, 16) CONV(24, 3, 1, 1, 1, mish), 0, 1},
    {"groups", NET(12, 12, 64) CONV(64, 5, 1, 16, 1, relu), 1, 1},
    {"identity block",
     NET(12, 12, 32) CONV(32, 1, 1, 1, 1, relu) CONV(32, 3, 1, 1, 1, linear) ADD(-2, relu), 1, 2},
    {"block of pixels",
     NET(12, 12, 32) CONV(48, 1, 1, 1, 1, relu) CONV(16, 1, 1, 1, 1, relu)
         CONV(48, 1, 1, 1, 1, linear) ADD(-3, leaky) CONV(8, 1, 1, 1, 1, relu),
     3, 4},
    {"expansion_residual",
     NET(16, 16, 16) "[expansion_residual]\nfilters=16\nexpansion=4\ngroups=4\n"
                     "[expansion_residual]\nfilters=16\nexpansion=4\ngroups=4\n"
                     "[expansion_residual]\nfilters=16\nexpansion=4\ngroups=4\nstride=2\n",
     3, 9},
};
enum { CASES = sizeof cases / sizeof *cases };

/* A sum that is rounded otherwise may fall to the other side of a half step, once there are several
 * layers: that step is the bound there. */
static double same(int convolutions) {
    return convolutions == 1 ? 2e-5 : 1e-2;
}

/* Tails taken over against all tensors kept, and both against fp32. */
static void test_nets(void **state) {
    (void)state;
    if (!tn_int8_runs_here()) skip();
    for (int i = 0; i < CASES; i++) {
        tn_net *net = tn_random_net(cases[i].cfg, 11 + (uint64_t)i);
        int *all = malloc((size_t)net->plan.n_tensors * sizeof *all);
        assert_non_null(all);
        for (int t = 0; t < net->plan.n_tensors; t++) all[t] = t;
        tn_quantisation *q = scales_of(net, TN_CLIP_MAX);
        tn_run *exact = run_of(net, NULL, 0, NULL), *run = run_of(net, NULL, 0, q);
        tn_run *plain = run_of(net, all, net->plan.n_tensors, q);
        assert_int_equal(tn_run_int8_ops(exact), 0);
        assert_int_equal(tails_taken(plain), 0);
        if (tails_taken(run) < cases[i].tails || tn_run_int8_ops(run) < cases[i].bytes)
            fail_msg("%s: %d tails and %d convolutions in 8 bits, expected %d and %d",
                     cases[i].name, tails_taken(run), tn_run_int8_ops(run), cases[i].tails,
                     cases[i].bytes);
        tn_works(tn_run_forward(exact, &step));
        tn_works(tn_run_forward(plain, &step));
        for (int again = 0; again < 2; again++) {
            tn_works(tn_run_forward(run, &step));
            compare(cases[i].name, plain, run, same(cases[i].bytes));
        }
        compare(cases[i].name, exact, run, 0.01 * cases[i].bytes);
        tn_run_free(exact);
        tn_run_free(plain);
        tn_run_free(run);
        tn_net_free(net);
        free(all);
        free(q);
    }
}

static void test_parameters_change(void **state) {
    (void)state;
    if (!tn_int8_runs_here()) skip();
    tn_net *net = tn_random_net(cases[0].cfg, 5);
    tn_quantisation *q = scales_of(net, TN_CLIP_MAX);
    int *all = malloc((size_t)net->plan.n_tensors * sizeof *all);
    assert_non_null(all);
    for (int t = 0; t < net->plan.n_tensors; t++) all[t] = t;
    tn_run *run = run_of(net, NULL, 0, q), *plain = run_of(net, all, net->plan.n_tensors, q);
    for (int i = 0; i < net->plan.n_params; i++) {
        for (size_t j = 0; j < net->param[i].spec->count; j++) net->param[i].value[j] *= 1.5F;
        net->param[i].version++;
        tn_works(tn_run_forward(run, &step));
        tn_works(tn_run_forward(plain, &step));
        compare(net->param[i].spec->name, plain, run, 2e-5);
    }
    tn_run_free(run);
    tn_run_free(plain);
    tn_net_free(net);
    free(all);
    free(q);
}

/* A broken net must not answer as if it were sound. */
static void test_nan_stays(void **state) {
    (void)state;
    if (!tn_int8_runs_here()) skip();
    for (int i = 0; i < CASES; i++) {
        tn_net *net = tn_random_net(cases[i].cfg, 3);
        tn_quantisation *q = scales_of(net, TN_CLIP_MAX);
        for (int p = 0; p < net->plan.n_params; p++) {
            if (net->param[p].spec->kind != TN_PARAM_BIAS) continue;
            net->param[p].value[0] = NAN;
            net->param[p].version++;
        }
        tn_run *run = run_of(net, NULL, 0, q);
        tn_works(tn_run_forward(run, &step));
        const tn_tensor out = tn_run_output(run);
        if (!isnan(tn_data(&out)[0])) fail_msg("%s: NaN is hidden", cases[i].name);
        tn_run_free(run);
        tn_net_free(net);
        free(q);
    }
}

/* ---- scales ---- */

static void test_scales(void **state) {
    (void)state;
    tn_net *net = tn_random_net(cases[6].cfg, 4);
    tn_quantiser *quantiser;
    tn_works(tn_quantiser_create(&net->plan, &quantiser));
    int n;
    const int *keep = tn_quantiser_tensors(quantiser, &n);
    assert_int_equal(n, 2);
    tn_run *run = run_of(net, keep, n, NULL);
    tn_works(tn_run_forward(run, &step));
    float most = 0; /* of what the second convolution reads: relu's output */
    const tn_tensor t = tn_run_value(run, keep[1]);
    for (size_t i = 0; i < tn_elements(&t); i++) most = fmaxf(most, tn_data(&t)[i]);
    tn_works(tn_quantiser_see(quantiser, run, BATCH));
    tn_quantisation q[TN_CLIPS][8];
    assert_true(net->plan.n_ops <= 8);
    for (tn_clip c = 0; c < TN_CLIPS; c++) tn_quantiser_choose(quantiser, c, 0, q[c]);
    int found = 0;
    for (int i = 0; i < net->plan.n_ops; i++) {
        if (!(q[TN_CLIP_MAX][i].step > 0)) continue;
        const bool image = found++ == 0;
        assert_int_equal(q[TN_CLIP_MAX][i].is_signed, image);
        const double expected = image ? 1.0 / 127 : (double)most / 255;
        assert_true(fabs((double)q[TN_CLIP_MAX][i].step - expected) < 1e-3 * expected);
        assert_true(q[TN_CLIP_LEAST_SQUARES][i].step <= q[TN_CLIP_MAX][i].step);
        assert_true(q[TN_CLIP_LEAST_SQUARES][i].step > 0.3F * q[TN_CLIP_MAX][i].step);
        assert_true(q[TN_CLIP_PERCENTILE][i].step <= q[TN_CLIP_MAX][i].step);
    }
    assert_int_equal(found, 2);
    tn_quantiser_choose(quantiser, TN_CLIP_MAX, 1, q[0]); /* the second one alone */
    found = 0;
    for (int i = 0; i < net->plan.n_ops; i++) {
        if (!(q[0][i].step > 0)) continue;
        assert_int_equal(net->plan.op[i].layer, 1);
        found++;
    }
    assert_int_equal(found, 1);
    const tn_tensor in = tn_run_input(run);
    tn_data(&in)[5] = INFINITY;
    assert_int_equal(tn_quantiser_see(quantiser, run, BATCH), TN_FAIL);
    tn_run_free(run);
    tn_quantiser_free(quantiser);
    tn_net_free(net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nets),
        cmocka_unit_test(test_parameters_change),
        cmocka_unit_test(test_nan_stays),
        cmocka_unit_test(test_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

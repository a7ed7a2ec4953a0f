/* norm_act against figures computed with another program, and what follows from them: every kernel
 * on the same two small images. */
#include "layers/ops/norm_act_kernels.h"
#include "tests/support/small_there.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two images of 2x2 pixels and three channels; what torch 2 gives for relu(batch_norm(x) + skip),
 * in double, with the parameters of open_known. */
enum { VALUES = 24, CHANNELS = 3 };
static const tn_real known_x[VALUES] = {-1.125, 4.875, 1.625, -4.375, 0.75,   2.875, 4,     -4.75,
                                        -2.5,   2.375, 1.25,  -0.125, -4.875, -1.25, 2.5,   1.625,
                                        3.625,  3.625, -2.25, -1.375, 3.875,  1.75,  0.375, 1.5};
static const tn_real known_skip[VALUES] = {-0.5, 2,      -2,    0.25,  -1.5,   0.25, 0.75, 0.125,
                                           1.5,  0.125,  -1,    0.625, -0.25,  -2,   1.75, 1,
                                           -1,   -1.625, 1.625, -1.75, -0.125, 2,    1.25, 1};
static const tn_real known_dout[VALUES] = {
    0.875, -1.5,  0.125, -0.75, 1,      -1.375, -1.25, 0.625, -1.25, -2,    0.75,   -2,
    -0.75, 0.625, 1.5,   1.5,   -0.875, 1.875,  0.25,  1.5,   -1.5,  -1.75, -0.625, 1.25};
static const double known_out[VALUES] = {
    0,           0.320158074, 0,          0,          0,           1.55331852,
    3.12793135,  1.00425183,  1.44823318, 1.70972397, 0,           1.17199182,
    0,           0,           2.95877768, 2.21862825, 0,           0,
    0.952133714, 0,           1.43042742, 3.2796442,  0.766617492, 1.95666878};
static const double known_dx[VALUES] = {
    0.138415838,  0.166228175,    0.108190016,   -0.115794155, -0.0627214303, -0.287301687,
    -0.070874084, -0.00240274828, -0.0457676235, -0.564074798, -0.0833117577, -0.327649033,
    -0.154903385, 0.0196398792,   0.45216399,    1.08570804,   -0.181115813,  0.0300428713,
    0.172451977,  0.024787461,    -0.357888872,  -0.490929429, 0.118896234,   0.428210337};
static const double known_dskip[VALUES] = {0,     -1.5, 0,    0,  0,    -1.375, -1.25,  0.625,
                                           -1.25, -2,   0,    -2, 0,    0,      1.5,    1.5,
                                           0,     0,    0.25, 0,  -1.5, -1.75,  -0.625, 1.25};
static const double known_mean[CHANNELS] = {0.4140625, -0.85625, 1.9671875};
static const double known_variance[CHANNELS] = {1.97921317, 2.709375, 0.6745256696};
static const double known_dbias[CHANNELS] = {-3.25, -1.5, -3.375};
static const double known_dscale[CHANNELS] = {-3.939342452, -3.495212465, 2.459046575};
/* The same through the running statistics, before they moved. */
static const double known_infer[VALUES] = {
    0, 0,           0, 0, 0,         2.1249825,  6.24997375,   1.61373285,
    0, 3.18748594,  0, 0, 0,         0,          3.24999,      2.93749156,
    0, 0.999967501, 0, 0, 2.7499625, 4.12499063, 0.0207979549, 1.50001};

static const tn_norm_act_attr bn_relu = {.batch_norm = true, .activation = TN_RELU};

typedef struct known {
    tn_small_op s;
    tn_real x[VALUES * 2], skip[VALUES * 2], dout[VALUES * 2], out[VALUES * 2], dx[VALUES * 2],
        dskip[VALUES * 2];
    tn_real value[4][CHANNELS], grad[2][CHANNELS];
} known;

/* n images: the two known ones first. */
static void open_known(known *k, tn_mode mode, int n) {
    static const tn_real value[4][CHANNELS] = {
        {0.25, -0.5, 1}, {1.5, -0.75, 0.5}, {0.5, -1, 2}, {1, 2, 0.25}};
    memset(k, 0, sizeof *k);
    tn_small_open(&k->s, &tn_op_norm_act, &bn_relu, mode, 2, 4);
    memcpy(k->x, known_x, sizeof known_x);
    memcpy(k->skip, known_skip, sizeof known_skip);
    memcpy(k->dout, known_dout, sizeof known_dout);
    memcpy(k->value, value, sizeof value);
    for (int i = 0; i < 4; i++) {
        k->s.param[i].value = k->value[i];
        k->s.param[i].grad = i < 2 ? k->grad[i] : NULL;
    }
    k->s.in[0] = tn_dense(k->x, n, 2, 2, CHANNELS);
    k->s.in[1] = tn_dense(k->skip, n, 2, 2, CHANNELS);
    k->s.r.out = tn_dense(k->out, n, 2, 2, CHANNELS);
    k->s.r.dout = tn_dense(k->dout, n, 2, 2, CHANNELS);
    k->s.din[0] = tn_dense(k->dx, n, 2, 2, CHANNELS);
    k->s.din[1] = tn_dense(k->dskip, n, 2, 2, CHANNELS);
}

static void expect_values(const char *what, const tn_real *got, const double *want, int count) {
    for (int i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= 2e-6 * fmax(1, fabs(want[i]))))
            fail_msg("%s[%d]: %.9g, not %.9g", what, i, (double)got[i], want[i]);
}

static void expect_known_training(known *k) {
    assert_int_equal(tn_small_forward(&k->s), TN_OK);
    assert_int_equal(tn_small_backward(&k->s), TN_OK);
    expect_values("out", k->out, known_out, VALUES);
    expect_values("dx", k->dx, known_dx, VALUES);
    expect_values("dskip", k->dskip, known_dskip, VALUES);
    expect_values("mean", k->value[2], known_mean, CHANNELS);
    expect_values("variance", k->value[3], known_variance, CHANNELS);
    expect_values("dbias", k->grad[0], known_dbias, CHANNELS);
    expect_values("dscale", k->grad[1], known_dscale, CHANNELS);
    assert_int_equal(k->s.param[TN_NORM_VARIANCE].version, 1);
}

static void batch_norm_equals_torch(void **state) {
    (void)state;
    for (int i = 0; i < tn_small_n_kernels(); i++) {
        known k;
        open_known(&k, TN_TRAIN, 2);
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i]), TN_OK);
        expect_known_training(&k);
        tn_small_close(&k.s);
    }
}

/* One input's gradient is added to what is there, the other's is written. */
static void gradients_are_added_one_by_one(void **state) {
    (void)state;
    for (int i = 0; i < 2 * tn_small_n_kernels(); i++) {
        known k;
        open_known(&k, TN_TRAIN, 2);
        for (int j = 0; j < VALUES; j++) k.dx[j] = k.dskip[j] = 4;
        k.s.add[i % 2] = true;
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i / 2]), TN_OK);
        assert_int_equal(tn_small_forward(&k.s), TN_OK);
        assert_int_equal(tn_small_backward(&k.s), TN_OK);
        for (int j = 0; j < VALUES; j++) (i % 2 ? k.dskip : k.dx)[j] -= 4;
        expect_values("dx", k.dx, known_dx, VALUES);
        expect_values("dskip", k.dskip, known_dskip, VALUES);
        tn_small_close(&k.s);
    }
}

/* A last mini-batch that is filled up must learn what its samples alone would have taught. */
static void padding_does_not_count(void **state) {
    (void)state;
    for (int i = 0; i < tn_small_n_kernels(); i++) {
        known k;
        open_known(&k, TN_TRAIN, 4);
        for (int j = VALUES; j < 2 * VALUES; j++) k.x[j] = k.skip[j] = 77;
        k.s.step.n_valid = 2;
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i]), TN_OK);
        expect_known_training(&k);
        for (int j = VALUES; j < 2 * VALUES; j++) assert_true(k.dx[j] == 0);
        tn_small_close(&k.s);
        /* Nothing but padding: nothing moves. */
        open_known(&k, TN_TRAIN, 2);
        memset(k.dout, 0, sizeof k.dout);
        k.s.step.n_valid = 0;
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i]), TN_OK);
        assert_int_equal(tn_small_forward(&k.s), TN_OK);
        assert_int_equal(tn_small_backward(&k.s), TN_OK);
        expect_values("out", k.out, known_infer, VALUES);
        assert_true(k.value[2][0] == (tn_real)0.5 && k.grad[0][0] == 0 && k.grad[1][0] == 0);
        tn_small_close(&k.s);
    }
}

static void running_statistics_normalise(void **state) {
    (void)state;
    const int kernels = tn_small_n_kernels();
    for (int i = 0; i < 3 * kernels; i++) {
        const tn_mode modes[] = {TN_INFER, TN_GRAD_FIXED_STATS, TN_TRAIN};
        known k;
        open_known(&k, modes[i / kernels], 2);
        if (k.s.r.mode == TN_TRAIN) k.s.r.wants_params = false; /* frozen */
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i % kernels]), TN_OK);
        assert_int_equal(tn_small_forward(&k.s), TN_OK);
        expect_values("out", k.out, known_infer, VALUES);
        assert_true(k.value[2][0] == (tn_real)0.5 && k.value[3][2] == (tn_real)0.25);
        assert_int_equal(k.s.param[TN_NORM_MEAN].version, 0);
        tn_small_close(&k.s);
    }
}

static void one_value_a_channel_is_an_error(void **state) {
    (void)state;
    for (int i = 0; i < tn_small_n_kernels(); i++) {
        known k;
        open_known(&k, TN_TRAIN, 1);
        tn_tensor *all[] = {&k.s.in[0],  &k.s.in[1], &k.s.din[0],
                            &k.s.din[1], &k.s.r.out, &k.s.r.dout};
        for (int j = 0; j < 6; j++) all[j]->h = all[j]->w = 1;
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i]), TN_FAIL);
        assert_non_null(strstr(tn_error(), "7.op: one value a channel"));
        k.s.r.wants_params = false;
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i]), TN_OK);
        tn_small_close(&k.s);
        /* The same found out late: one valid sample in a larger mini-batch. */
        open_known(&k, TN_TRAIN, 2);
        for (int j = 0; j < 6; j++) all[j]->h = all[j]->w = 1;
        k.s.step.n_valid = 1;
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i]), TN_OK);
        assert_int_equal(tn_small_forward(&k.s), TN_FAIL);
        assert_non_null(strstr(tn_error(), "7.op: one value a channel"));
        tn_small_close(&k.s);
    }
}

static void nan_is_seen(void **state) {
    (void)state;
    const int kernels = tn_small_n_kernels();
    for (int i = 0; i < 2 * kernels; i++) {
        known k;
        open_known(&k, i / kernels ? TN_TRAIN : TN_INFER, 2);
        k.x[4] = (tn_real)NAN;
        assert_int_equal(tn_small_choose(&k.s, tn_small_kernels[i % kernels]), TN_OK);
        assert_int_equal(tn_small_forward(&k.s), TN_OK);
        assert_true(isnan(k.out[4]));
        tn_small_close(&k.s);
    }
}

/* Same threads, same bits: sums are merged in a fixed order. */
static void training_repeats_to_the_bit(void **state) {
    (void)state;
    for (int kernel = 1; kernel < 3; kernel++) {
        known k[2];
        for (int i = 0; i < 2; i++) {
            open_known(&k[i], TN_TRAIN, 2);
            assert_int_equal(tn_small_prepare(&k[i].s, tn_small_kernels[kernel]), TN_OK);
            assert_int_equal(tn_op_forward(&k[i].s.r), TN_OK);
            assert_int_equal(tn_op_backward(&k[i].s.r), TN_OK);
            tn_small_close(&k[i].s);
        }
        assert_memory_equal(k[0].out, k[1].out, sizeof k[0].out);
        assert_memory_equal(k[0].dx, k[1].dx, sizeof k[0].dx);
        assert_memory_equal(k[0].grad, k[1].grad, sizeof k[0].grad);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_equals_torch),
        cmocka_unit_test(gradients_are_added_one_by_one),
        cmocka_unit_test(padding_does_not_count),
        cmocka_unit_test(running_statistics_normalise),
        cmocka_unit_test(one_value_a_channel_is_an_error),
        cmocka_unit_test(nan_is_seen),
        cmocka_unit_test(training_repeats_to_the_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

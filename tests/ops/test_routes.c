/* Ops that move, join and weigh feature maps: gather, resample, crop, scale_channels, channel_norm.
 * All by hand or against torch's figures; and that gradients are added where they should be. */
#include "layers/ops/channel_norm.h"
#include "layers/ops/crop.h"
#include "layers/ops/dropout.h"
#include "layers/ops/gather.h"
#include "layers/ops/loss.h"
#include "layers/ops/norm_act.h"
#include "layers/ops/pool.h"
#include "layers/ops/resample.h"
#include "layers/ops/scale_channels.h"
#include "tests/support/op_cases.h"
#include "tests/support/small_op.h"

#include <math.h>
#include <string.h>

static void expect_values(const tn_real *got, const double *want, int count) {
    for (int i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= 1e-6))
            fail_msg("[%d]: %.9g, not %.9g", i, (double)got[i], want[i]);
}

static void gather_joins_slices(void **state) {
    (void)state;
    static const int first[] = {1, 0}, count[] = {2, 1};
    static const tn_gather_attr attr = {first, count};
    tn_real a[2 * 4] = {1, 2, 3, 4, 5, 6, 7, 8}, b[2 * 1] = {9, 10}, out[2 * 3];
    tn_real dout[2 * 3] = {1, 2, 3, 4, 5, 6}, da[2 * 4], db[2] = {100, 200};
    tn_small_op s;
    tn_small_open(&s, &tn_op_gather, &attr, TN_TRAIN, 2, 0);
    s.in[0] = tn_dense(a, 1, 1, 2, 4);
    s.in[1] = tn_dense(b, 1, 1, 2, 1);
    s.r.out = tn_dense(out, 1, 1, 2, 3);
    s.r.dout = tn_dense(dout, 1, 1, 2, 3);
    s.din[0] = tn_dense(da, 1, 1, 2, 4);
    s.din[1] = tn_dense(db, 1, 1, 2, 1);
    s.add[1] = true;
    assert_int_equal(tn_small_prepare(&s, NULL), TN_OK);
    assert_int_equal(tn_op_forward(&s.r), TN_OK);
    assert_int_equal(tn_op_backward(&s.r), TN_OK);
    expect_values(out, (const double[]){2, 3, 9, 6, 7, 10}, 6);
    expect_values(da, (const double[]){0, 1, 2, 0, 0, 4, 5, 0}, 8);
    expect_values(db, (const double[]){103, 206}, 2);
    /* A producer that wrote into the concatenation already. */
    s.in[1] = s.r.out;
    s.in[1].data = out + 2;
    s.in[1].c = 1;
    memset(out, 0, sizeof out);
    out[2] = 42;
    assert_int_equal(tn_op_forward(&s.r), TN_OK);
    expect_values(out, (const double[]){2, 3, 42, 6, 7, 0}, 6);
    tn_small_close(&s);
}

/* 4x4 to 2x2 takes every second cell; 2x2 to 4x4 spreads; channels are cut or left zero. */
static void resample_strides_and_spreads(void **state) {
    (void)state;
    static const tn_resample_attr attr = {.factor = .5};
    tn_real wide[16], narrow[2 * 4], out[2 * 4], dout[2 * 4], dwide[16];
    for (int i = 0; i < 16; i++) wide[i] = (tn_real)i;
    for (int i = 0; i < 8; i++) narrow[i] = dout[i] = (tn_real)(i + 1);
    tn_small_op s;
    tn_small_open(&s, &tn_op_resample, &attr, TN_TRAIN, 1, 0);
    s.in[0] = tn_dense(wide, 1, 4, 4, 1);
    s.din[0] = tn_dense(dwide, 1, 4, 4, 1);
    s.r.out = tn_dense(out, 1, 2, 2, 2);
    s.r.dout = tn_dense(dout, 1, 2, 2, 2);
    assert_int_equal(tn_small_prepare(&s, NULL), TN_OK);
    assert_int_equal(tn_op_forward(&s.r), TN_OK);
    assert_int_equal(tn_op_backward(&s.r), TN_OK);
    expect_values(out, (const double[]){0, 0, 1, 0, 4, 0, 5, 0}, 8);
    expect_values(dwide, (const double[]){.5, 0, 1.5, 0, 0, 0, 0, 0, 2.5, 0, 3.5}, 11);
    tn_small_close(&s);

    tn_real spread[16], dspread[16], dnarrow[8];
    for (int i = 0; i < 16; i++) dspread[i] = (tn_real)i;
    tn_small_open(&s, &tn_op_resample, &attr, TN_TRAIN, 1, 0);
    s.in[0] = tn_dense(narrow, 1, 2, 2, 2);
    s.din[0] = tn_dense(dnarrow, 1, 2, 2, 2);
    s.r.out = tn_dense(spread, 1, 4, 4, 1);
    s.r.dout = tn_dense(dspread, 1, 4, 4, 1);
    assert_int_equal(tn_small_prepare(&s, NULL), TN_OK);
    assert_int_equal(tn_op_forward(&s.r), TN_OK);
    assert_int_equal(tn_op_backward(&s.r), TN_OK);
    expect_values(spread, (const double[]){.5, 0, 1.5, 0, 0, 0, 0, 0, 2.5, 0, 3.5, 0, 0}, 13);
    expect_values(dnarrow, (const double[]){0, 0, 1, 0, 4, 0, 5, 0}, 8);
    tn_small_close(&s);
}

static void scale_channels_by_hand(void **state) {
    (void)state;
    tn_real map[4] = {1, 2, 3, 4}, gate[2] = {10, -1}, out[4], dout[4] = {1, 1, 2, .5f};
    tn_real dgate[2], dmap[4];
    for (int by_pixel = 0; by_pixel < 2; by_pixel++) {
        tn_small_op s;
        tn_small_open(&s, &tn_op_scale_channels, NULL, TN_TRAIN, 2, 0);
        s.in[0] = by_pixel ? tn_dense(gate, 1, 1, 2, 1) : tn_dense(gate, 1, 1, 1, 2);
        s.din[0] = s.in[0];
        s.din[0].data = dgate;
        s.in[1] = tn_dense(map, 1, 1, 2, 2);
        s.din[1] = tn_dense(dmap, 1, 1, 2, 2);
        s.r.out = tn_dense(out, 1, 1, 2, 2);
        s.r.dout = tn_dense(dout, 1, 1, 2, 2);
        assert_int_equal(tn_small_prepare(&s, NULL), TN_OK);
        assert_int_equal(tn_op_forward(&s.r), TN_OK);
        assert_int_equal(tn_op_backward(&s.r), TN_OK);
        if (by_pixel) {
            expect_values(out, (const double[]){10, 20, -3, -4}, 4);
            expect_values(dgate, (const double[]){3, 8}, 2);
            expect_values(dmap, (const double[]){10, 10, -2, -.5}, 4);
        } else {
            expect_values(out, (const double[]){10, -2, 30, -4}, 4);
            expect_values(dgate, (const double[]){7, 4}, 2);
            expect_values(dmap, (const double[]){10, -1, 20, -.5}, 4);
        }
        tn_small_close(&s);
    }
}

static void channel_norms_equal_torch(void **state) {
    (void)state;
    static const tn_real x[8] = {1.5f, -.25f, 3, .5f, -1, 2, .75f, -.5f};
    static const tn_real delta[8] = {1, -2, .5f, 3, .25f, 1, -1, 2};
    static const double share[8] = {0.299994, 0, 0.599988, 0.099998, 0, 0.727246282, 0.272717356};
    static const double dshare[8] = {0.0200031999, 0,           -0.0799948002, 0.4199952, 0,
                                     0.198345905,  -0.528900377};
    static const double soft[8] = {0.166020778,  0.0288500853, 0.744053506, 0.061075631,
                                   0.0351014386, 0.705031241,  0.201994832, 0.0578724884};
    static const double dsoft[8] = {0.0558536642,  -0.0768443443, -0.121707997, 0.142698677,
                                    -0.0132527849, 0.26258413,    -0.328758052, 0.0794267064};
    for (int i = 0; i < 3; i++) {
        const tn_channel_norm_attr attr = {(tn_activation)(TN_NORM_CHAN + i)};
        tn_real in[8], out[8], dout[8], dx[8];
        memcpy(in, x, sizeof in);
        memcpy(dout, delta, sizeof dout);
        tn_small_op s;
        tn_small_open(&s, &tn_op_channel_norm, &attr, TN_TRAIN, 1, 0);
        s.in[0] = tn_dense(in, 1, 2, 1, 4);
        s.din[0] = tn_dense(dx, 1, 2, 1, 4);
        s.r.out = tn_dense(out, 1, 2, 1, 4);
        s.r.dout = tn_dense(dout, 1, 2, 1, 4);
        assert_int_equal(tn_small_prepare(&s, NULL), TN_OK);
        assert_int_equal(tn_op_forward(&s.r), TN_OK);
        assert_int_equal(tn_op_backward(&s.r), TN_OK);
        expect_values(out, i ? soft : share, 8);
        expect_values(dx, i ? dsoft : dshare, 8);
        in[0] = (tn_real)NAN;
        assert_int_equal(tn_op_forward(&s.r), TN_OK);
        assert_true(isnan(out[2]) && !isnan(out[4]));
        tn_small_close(&s);
    }
}

/* Windows of 2x3 in a 4x6 image whose cells are numbered. */
static void crop_centres_and_draws(void **state) {
    (void)state;
    enum { N = 64 };
    static const tn_crop_attr attr = {.flip = true, .noadjust = true};
    static const tn_crop_attr adjusts = {.flip = true};
    static tn_real x[N * 24];
    tn_real out[N * 6], again[N * 6];
    for (int i = 0; i < N * 24; i++) x[i] = (tn_real)(i % 24);
    tn_small_op s;
    tn_small_open(&s, &tn_op_crop, &adjusts, TN_INFER, 1, 0);
    s.in[0] = tn_dense(x, 1, 4, 6, 1);
    s.r.out = tn_dense(out, 1, 2, 3, 1);
    assert_int_equal(tn_small_prepare(&s, NULL), TN_OK);
    assert_int_equal(tn_op_forward(&s.r), TN_OK);
    expect_values(out, (const double[]){13, 15, 17, 25, 27, 29}, 6);
    tn_small_close(&s);

    tn_small_open(&s, &tn_op_crop, &attr, TN_TRAIN, 1, 0);
    s.in[0] = tn_dense(x, N, 4, 6, 1);
    s.r.out = tn_dense(out, N, 2, 3, 1);
    assert_int_equal(tn_small_prepare(&s, NULL), TN_OK);
    assert_int_equal(tn_op_forward(&s.r), TN_OK);
    bool corner_seen[24] = {false}, flipped_seen = false, straight_seen = false;
    for (int n = 0; n < N; n++) {
        const tn_real *w = out + n * 6;
        const int along = (int)(w[1] - w[0]);
        assert_true(along == 1 || along == -1);
        *(along == 1 ? &straight_seen : &flipped_seen) = true;
        assert_true(w[2] - w[1] == along && w[3] - w[0] == 6 && w[5] - w[4] == along);
        corner_seen[(int)(along == 1 ? w[0] : w[2])] = true;
    }
    assert_true(straight_seen && flipped_seen);
    for (int y = 0; y <= 2; y++)
        for (int x0 = 0; x0 <= 3; x0++) assert_true(corner_seen[y * 6 + x0]);
    /* Sample 3 of the batch is the same wherever the batch is split. */
    s.step.first_sample = 3;
    s.r.out.data = again;
    assert_int_equal(tn_op_forward(&s.r), TN_OK);
    assert_memory_equal(again, out + 3 * 6, 6 * sizeof *out);
    tn_small_close(&s);
    s.r.out.h = 5;
    assert_int_equal(tn_small_prepare(&s, NULL), TN_FAIL);
    assert_non_null(strstr(tn_error(), "a 3x5 window does not fit into a 6x4 image"));
}

/* Every kernel that writes gradients: with `accumulate` it adds exactly what it would write. */
static void gradients_are_added(void **state) {
    (void)state;
    enum { C = 11, VALUES = 2 * 3 * 3 * C };
    static const int first[] = {0}, count[] = {C};
    static const tn_norm_act_attr norm = {.bias = false, .activation = TN_ELU};
    static const tn_pool_attr max = {TN_POOL_MAX, 3, 3, 1, 1, 1, 1};
    static const tn_pool_attr average = {TN_POOL_AVERAGE, 3, 3, 1, 1, 1, 1};
    static const tn_gather_attr gather = {first, count};
    static const tn_resample_attr resample = {1.5};
    static const tn_dropout_attr dropout = {.5};
    static const tn_channel_norm_attr share = {TN_NORM_CHAN}, soft = {TN_NORM_CHAN_SOFTMAX};
    static const tn_softmax_attr softmax = {1, 1, 1};
    static const tn_cost_attr cost = {TN_COST_SSE, 1};
    const struct {
        const tn_op_kind *kind;
        const void *attr;
    } ops[] = {{&tn_op_norm_act, &norm},         {&tn_op_pool, &max},
               {&tn_op_pool, &average},          {&tn_op_gather, &gather},
               {&tn_op_resample, &resample},     {&tn_op_dropout, &dropout},
               {&tn_op_channel_norm, &share},    {&tn_op_channel_norm, &soft},
               {&tn_op_softmax, &softmax},       {&tn_op_cost, &cost},
               {&tn_op_scale_channels, &softmax}};
    for (size_t i = 0; i < 2 * sizeof ops / sizeof *ops; i++) {
        static tn_real x[2][VALUES], out[VALUES], dout[VALUES], target[VALUES], dx[2][2][VALUES];
        const bool gate = ops[i / 2].kind == &tn_op_scale_channels;
        tn_small_op s;
        tn_small_open(&s, ops[i / 2].kind, ops[i / 2].attr, TN_TRAIN, gate ? 2 : 1, 0);
        s.step.truth = target;
        for (int j = 0; j < VALUES; j++) {
            x[0][j] = x[1][j] = (tn_real)sin(j);
            dout[j] = (tn_real)cos(2 * j);
            target[j] = (tn_real)(1.0 / VALUES);
        }
        for (int k = 0; k < s.op.n_in; k++) s.in[k] = tn_dense(x[k], 2, 3, 3, C);
        if (gate) s.in[0].h = s.in[0].w = 1;
        s.r.out = tn_dense(out, 2, 3, 3, C);
        s.r.dout = tn_dense(dout, 2, 3, 3, C);
        for (int k = 0; k < s.op.n_in; k++) s.din[k] = s.in[k];
        assert_int_equal(tn_small_prepare(&s, i % 2 ? "ref" : NULL), TN_OK);
        assert_int_equal(tn_op_forward(&s.r), TN_OK);
        for (int add = 0; add < 2; add++) {
            for (int k = 0; k < s.op.n_in; k++) {
                s.din[k].data = dx[add][k];
                s.add[k] = add;
                for (int j = 0; j < VALUES; j++) dx[add][k][j] = 7;
            }
            assert_int_equal(tn_op_backward(&s.r), TN_OK);
        }
        double moved = 0;
        for (int k = 0; k < s.op.n_in; k++)
            for (size_t j = 0; j < (size_t)s.in[k].n * s.in[k].h * s.in[k].w * C; j++) {
                moved += fabs((double)dx[0][k][j]);
                if (!(fabs((double)dx[1][k][j] - (double)dx[0][k][j] - 7) < 1e-5))
                    fail_msg("%s %zu: din[%d][%zu] is %g, with 7 in place %g", s.op.kind->name, i,
                             k, j, (double)dx[0][k][j], (double)dx[1][k][j]);
            }
        assert_true(moved > .1 && moved < 7 * 2 * VALUES);
        tn_small_close(&s);
    }
}

static void random_shapes_stay_inside(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
        tn_tensor a = tn_random_shape(&rng, 7), b = a, out = a;
        const int first[] = {TN_PICK(&rng, 0, a.c / 2), 0};
        b.c = TN_PICK(&rng, 1, 3, 8);
        const int count[] = {a.c - first[0], b.c};
        const tn_gather_attr gather = {first, count};
        const tn_resample_attr resample = {.75};
        const tn_crop_attr crop = {.flip = true, .noadjust = TN_PICK(&rng, 0, 1)};
        const tn_channel_norm_attr norm = {
            (tn_activation)TN_PICK(&rng, TN_NORM_CHAN, TN_NORM_CHAN_SOFTMAX)};
        tn_harness_case c = {.mode = (tn_mode)TN_PICK(&rng, TN_TRAIN, TN_INFER), .n_in = 1};
        switch (seed % 5) {
        case 0:
            c.kind = &tn_op_gather;
            c.attr = &gather;
            c.n_in = 2;
            out.c = count[0] + count[1];
            break;
        case 1:
            c.kind = &tn_op_resample;
            c.attr = &resample;
            out = tn_random_shape(&rng, 7);
            out.n = a.n;
            break;
        case 2:
            c.kind = &tn_op_scale_channels;
            c.n_in = 2;
            b = a;
            if (seed % 3)
                a.h = a.w = 1;
            else
                a.c = 1;
            break;
        case 3:
            c.kind = &tn_op_channel_norm;
            c.attr = &norm;
            break;
        default:
            c.kind = &tn_op_crop;
            c.attr = &crop;
            out.h = 1 + a.h / 2;
            out.w = 1 + a.w / 3;
            break;
        }
        c.exact_for_integers = c.kind != &tn_op_channel_norm;
        c.in[0] = tn_random_pitch(&rng, a);
        c.in[1] = tn_random_pitch(&rng, b);
        c.out = tn_random_pitch(&rng, out);
        tn_expect_agreement(&c, seed);
    }
}

/* On a GPU, real or emulated, no kernel passes by refusing. */
static void kernels_of_the_gpu_served(void **state) {
    (void)state;
    const tn_op_kind *const kinds[] = {&tn_op_gather, &tn_op_resample, &tn_op_scale_channels,
                                       &tn_op_channel_norm, &tn_op_crop};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int pass = 0; pass < TN_PASSES; pass++)
            for (int i = 0; kinds[k]->kernels[pass] && kinds[k]->kernels[pass][i]; i++) {
                const tn_kernel *kernel = kinds[k]->kernels[pass][i];
                if (kernel->device == TN_ON_GPU && tn_harness_served(kernel) < 20)
                    fail_msg("%s %s: served %d times", kinds[k]->name, tn_pass_name((tn_pass)pass),
                             tn_harness_served(kernel));
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_joins_slices),       cmocka_unit_test(resample_strides_and_spreads),
        cmocka_unit_test(scale_channels_by_hand),    cmocka_unit_test(channel_norms_equal_torch),
        cmocka_unit_test(crop_centres_and_draws),    cmocka_unit_test(gradients_are_added),
        cmocka_unit_test(random_shapes_stay_inside), cmocka_unit_test(kernels_of_the_gpu_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

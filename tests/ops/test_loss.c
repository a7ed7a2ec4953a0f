/* Softmax with cross-entropy, and [cost], against torch's figures and by hand. */
#include "layers/ops/loss.h"
#include "tests/support/op_cases.h"
#include "tests/support/op_there.h"
#include "tests/support/small_op.h"

#include <math.h>
#include <string.h>

/* Three samples, the last is padding, of four outputs in two groups. */
enum { N = 3, OUTPUTS = 4, VALUES = N * OUTPUTS };
static const tn_real logits[VALUES] = {1.5, -.25f, 3, .5f, -1, 2, .75f, -.5f, 9, 9, 9, 9};
static const tn_real truth[VALUES] = {0, 1, .25f, .75f, 1, 0, .5f, 0, 7, 7, 7, 7};
static const tn_real delta[VALUES] = {1, -2, .5f, 3, .25f, 1, -1, 2, 1, 0, 0, 2};
static const double known_p[VALUES] = {0.705785028, 0.294214972, 0.777299861, 0.222700139,
                                       0.182425524, 0.817574476, 0.651354865, 0.348645135,
                                       0.5,         0.5,         0.5,         0.5};
static const double known_loss = 1.298591184;
static const double known_dz[VALUES] = {0.0132334693,
                                        -0.0132334693,
                                        0.0098868724,
                                        -0.0098868724,
                                        -0.0153295214,
                                        0.0153295214,
                                        -0.00326854814,
                                        0.00326854814,
                                        0,
                                        0,
                                        0,
                                        0};
static const double known_dz_with_dout[VALUES] = {
    0.324712253,  -0.324712253, -0.206494111, 0.206494111, -0.071259441, 0.071259441,
    -0.343906106, 0.343906106,  0.125,        -0.125,      -0.25,        0.25};

static void expect_values(const tn_real *got, const double *want, int count) {
    for (int i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= 1e-6))
            fail_msg("[%d]: %.9g, not %.9g", i, (double)got[i], want[i]);
}

typedef struct world {
    tn_small_op s;
    tn_real x[VALUES], out[VALUES], dout[VALUES], dx[VALUES];
} world;

static void open_world(world *w, const tn_op_kind *kind, const void *attr, tn_tensor shape) {
    memset(w, 0, sizeof *w);
    tn_small_open(&w->s, kind, attr, TN_TRAIN, 1, 0);
    w->s.step = (tn_step){.n_valid = 2, .grad_scale = .125, .truth = truth};
    tn_tensor *all[] = {&w->s.in[0], &w->s.r.out, &w->s.din[0]};
    tn_real *memory[] = {w->x, w->out, w->dx};
    for (int i = 0; i < 3; i++) {
        *all[i] = shape;
        all[i]->data = memory[i];
    }
    memcpy(w->x, logits, sizeof logits);
    memcpy(w->dout, delta, sizeof delta);
    assert_int_equal(tn_small_prepare(&w->s, NULL), TN_OK);
}

static void softmax_equals_torch(void **state) {
    (void)state;
    static const tn_softmax_attr attr = {.groups = 2, .temperature = 2, .loss_weight = .3};
    world w;
    open_world(&w, &tn_op_softmax, &attr, tn_dense(NULL, N, 1, 1, OUTPUTS));
    assert_int_equal(tn_op_forward(&w.s.r), TN_OK);
    expect_values(w.out, known_p, VALUES);
    assert_true(fabs(w.s.r.loss - known_loss) < 1e-7);
    assert_int_equal(tn_op_backward(&w.s.r), TN_OK);
    expect_values(w.dx, known_dz, VALUES);

    w.s.r.dout = w.s.r.out;
    w.s.r.dout.data = w.dout;
    assert_int_equal(tn_op_backward(&w.s.r), TN_OK);
    expect_values(w.dx, known_dz_with_dout, VALUES);
    tn_small_close(&w.s);
}

/* The same numbers as a map: two channels of two pixels. Truth stays in c,h,w order. */
static void maps_are_read_in_chw_order(void **state) {
    (void)state;
    static const tn_softmax_attr attr = {.groups = 2, .temperature = 2, .loss_weight = .3};
    world w;
    open_world(&w, &tn_op_softmax, &attr, tn_dense(NULL, N, 1, 2, 2));
    tn_real *const maps[] = {w.x, w.out, w.dx};
    for (int n = 0; n < N; n++) {
        w.x[n * 4 + 1] = logits[n * 4 + 2]; /* pixel 0, channel 1 */
        w.x[n * 4 + 2] = logits[n * 4 + 1];
    }
    assert_int_equal(tn_op_forward(&w.s.r), TN_OK);
    assert_int_equal(tn_op_backward(&w.s.r), TN_OK);
    assert_true(fabs(w.s.r.loss - known_loss) < 1e-7);
    for (int m = 0; m < 3; m++)
        for (int n = 0; n < N; n++) {
            const tn_real kept = maps[m][n * 4 + 1];
            maps[m][n * 4 + 1] = maps[m][n * 4 + 2];
            maps[m][n * 4 + 2] = kept;
        }
    expect_values(w.out, known_p, VALUES);
    expect_values(w.dx, known_dz, VALUES);
    tn_small_close(&w.s);
}

static void huge_logits_stay_finite(void **state) {
    (void)state;
    static const tn_softmax_attr attr = {.groups = 1, .temperature = 1, .loss_weight = 1};
    static const tn_real huge[2][4] = {{3e38f, -3e38f, 0, 3e38f}, {-5e4f, -6e4f, -5e4f, -7e4f}};
    static const tn_real target[VALUES] = {1, 0, 0, 0, 0, 1, 0, 0};
    world w;
    open_world(&w, &tn_op_softmax, &attr, tn_dense(NULL, N, 1, 1, OUTPUTS));
    memcpy(w.x, huge, sizeof huge);
    w.s.step.truth = target;
    assert_int_equal(tn_op_forward(&w.s.r), TN_OK);
    assert_int_equal(tn_op_backward(&w.s.r), TN_OK);
    for (int i = 0; i < VALUES; i++) assert_true(isfinite(w.out[i]) && isfinite(w.dx[i]));
    /* log 2 for the tie, log 2 and ten thousand for the one that is out of reach. */
    assert_true(fabs(w.s.r.loss - (2 * log(2) + 1e4)) < 1e-6);
    w.x[2] = (tn_real)NAN;
    assert_int_equal(tn_op_forward(&w.s.r), TN_OK);
    assert_true(isnan(w.s.r.loss) && isnan(w.out[0]) && !isnan(w.out[4]));
    tn_small_close(&w.s);
}

static void no_truth_no_loss(void **state) {
    (void)state;
    static const tn_softmax_attr attr = {.groups = 2, .temperature = 2, .loss_weight = 1};
    static const tn_softmax_attr silent = {.groups = 2, .temperature = 2};
    for (int i = 0; i < 2; i++) {
        world w;
        open_world(&w, &tn_op_softmax, i ? &silent : &attr, tn_dense(NULL, N, 1, 1, OUTPUTS));
        if (i == 0) w.s.step.truth = NULL;
        w.dx[0] = 5;
        assert_int_equal(tn_op_forward(&w.s.r), TN_OK);
        assert_int_equal(tn_op_backward(&w.s.r), TN_OK);
        expect_values(w.out, known_p, VALUES);
        assert_true(w.s.r.loss == 0);
        for (int j = 0; j < VALUES; j++) assert_true(w.dx[j] == 0);
        tn_small_close(&w.s);
    }
}

static void groups_must_divide(void **state) {
    (void)state;
    static const tn_softmax_attr attr = {.groups = 3, .temperature = 1, .loss_weight = 1};
    tn_small_op s;
    tn_small_open(&s, &tn_op_softmax, &attr, TN_INFER, 1, 0);
    s.in[0] = s.r.out = tn_dense(NULL, 1, 1, 1, 4);
    assert_int_equal(tn_small_prepare(&s, NULL), TN_FAIL);
    assert_non_null(strstr(tn_error(), "4 outputs do not divide into 3 groups"));
}

static void costs_by_hand(void **state) {
    (void)state;
    static const struct {
        tn_cost_attr attr;
        double loss, slope[4];
    } known[] = {
        /* differences 1.5, -1.25, .5, -1234 + 1234; then -2, .25, -.5, 0 */
        {{TN_COST_SSE, 2}, 2 * (1.125 + .78125 + .125), {1.5, -1.25, .5, 0}},
        {{TN_COST_SMOOTH, 1}, 1 + .75 + .125, {1, -1, .5, 0}},
        {{TN_COST_L1, 1}, 1.5 + 1.25 + .5, {1, -1, 1, 0}},
        {{TN_COST_MASKED, 1}, 1.125 + .78125 + .125, {1.5, -1.25, .5, 0}},
    };
    for (int i = 0; i < 4; i++) {
        static const tn_real target[VALUES] = {0, 1, 2.5f, -1234};
        world w;
        open_world(&w, &tn_op_cost, &known[i].attr, tn_dense(NULL, N, 1, 1, OUTPUTS));
        w.x[3] = known[i].attr.type == TN_COST_MASKED ? 5 : -1234;
        w.s.step.truth = target;
        w.s.step.n_valid = 1;
        w.s.r.dout = w.s.r.out;
        w.s.r.dout.data = w.dout;
        assert_int_equal(tn_op_forward(&w.s.r), TN_OK);
        assert_int_equal(tn_op_backward(&w.s.r), TN_OK);
        assert_memory_equal(w.out, w.x, sizeof w.x);
        assert_true(fabs(w.s.r.loss - known[i].loss) < 1e-6);
        for (int j = 0; j < VALUES; j++) {
            const double slope = j < 4 ? known[i].slope[j] * known[i].attr.scale * .125 : 0;
            assert_true(fabs((double)w.dx[j] - ((double)delta[j] + slope)) < 1e-6);
        }
        w.x[1] = (tn_real)NAN;
        assert_int_equal(tn_op_forward(&w.s.r), TN_OK);
        assert_true(isnan(w.s.r.loss));
        tn_small_close(&w.s);
    }
}

static void random_shapes_stay_inside(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 80; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
        tn_tensor shape = tn_random_shape(&rng, 3);
        const bool many = seed % 7 == 0; /* longer rows, or more of them, than a block's threads */
        if (many) shape.c = 300;
        const bool by_channel = many ? seed % 5 < 2 : tn_rng_below(&rng, 2);
        const tn_softmax_attr softmax = {.groups = by_channel ? shape.c : 1,
                                         .temperature = TN_PICK(&rng, 1, 2),
                                         .loss_weight = TN_PICK(&rng, many, 1, 3) / 3.0};
        const tn_cost_attr cost = {(tn_cost_type)(seed / 2 % 4), TN_PICK(&rng, 1, 3) / 2.0};
        tn_harness_case c = {.mode = (tn_mode)TN_PICK(&rng, TN_TRAIN, TN_INFER), .n_in = 1};
        c.kind = seed % 2 ? &tn_op_softmax : &tn_op_cost;
        c.attr = seed % 2 ? (const void *)&softmax : (const void *)&cost;
        c.no_dout = TN_PICK(&rng, 0, 1);
        c.truth = TN_PICK(&rng, many, 1);
        c.n_valid = TN_PICK(&rng, 0, 1);
        c.reach = seed % 2 ? TN_PICK(&rng, 1, 1, 20, 5000) : 3;
        c.in[0] = tn_random_pitch(&rng, shape);
        c.out = tn_random_pitch(&rng, shape);
        tn_expect_agreement(&c, seed);
    }
}

static tn_status forward_there(tn_world *w, const tn_kernel *kernel) {
    const tn_there_way way = {TN_PRECISION_FP32, false};
    tn_kernel_run *k = &w->run.pass[TN_FORWARD];
    k->kernel = kernel;
    TN_TRY(tn_there_prepare(w, way, TN_FORWARD));
    if (k->scratch_bytes) k->scratch = tn_world_guarded(w, k->scratch_bytes);
    return tn_there_run(w, way, TN_FORWARD);
}

/* On a GPU, real or emulated, a NaN of one sample reaches the loss, and no other sample. */
static void nan_is_seen_on_the_gpu(void **state) {
    (void)state;
    static const tn_softmax_attr softmax = {.groups = 1, .temperature = 1, .loss_weight = 1};
    static const tn_cost_attr cost = {TN_COST_SMOOTH, 1};
    if (!tn_there_gpu()) skip();
    for (int i = 0; i < 2; i++) {
        const tn_tensor shape = {.n = 3, .h = 1, .w = 1, .c = 40, .pitch = 40};
        const tn_harness_case c = {.kind = i ? &tn_op_cost : &tn_op_softmax,
                                   .attr = i ? (const void *)&cost : (const void *)&softmax,
                                   .n_in = 1,
                                   .in = {shape},
                                   .out = shape,
                                   .truth = true};
        tn_world w;
        tn_world_open(&w, &c, 1, false, false);
        tn_data(&w.in[0])[40 + 39] = (tn_real)NAN;
        assert_int_equal(forward_there(&w, c.kind->kernels[TN_FORWARD][0]), TN_OK);
        const tn_real *out = tn_data(&w.run.out);
        assert_true(isnan(w.run.loss) && isnan(out[40 + 39]));
        for (int j = 0; j < 40; j++) assert_true(!isnan(out[j]) && !isnan(out[80 + j]));
        tn_world_close(&w);
    }
}

/* On a GPU, real or emulated, no kernel passes by refusing. */
static void kernels_of_the_gpu_served(void **state) {
    (void)state;
    const tn_op_kind *const kinds[] = {&tn_op_softmax, &tn_op_cost};
    if (!tn_there_gpu()) skip();
    for (int k = 0; k < 2; k++) {
        const tn_kernel *forward = kinds[k]->kernels[TN_FORWARD][0];
        const tn_kernel *backward = kinds[k]->kernels[TN_BACKWARD_DATA][0];
        assert_true(forward->device == TN_ON_GPU && backward->device == TN_ON_GPU);
        assert_true(tn_harness_served(forward) >= 20 && tn_harness_served(backward) >= 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_equals_torch),      cmocka_unit_test(maps_are_read_in_chw_order),
        cmocka_unit_test(huge_logits_stay_finite),   cmocka_unit_test(no_truth_no_loss),
        cmocka_unit_test(groups_must_divide),        cmocka_unit_test(costs_by_hand),
        cmocka_unit_test(random_shapes_stay_inside), cmocka_unit_test(nan_is_seen_on_the_gpu),
        cmocka_unit_test(kernels_of_the_gpu_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

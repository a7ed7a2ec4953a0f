/* norm_act: every kernel against the reference on random shapes, and at the ends of what they take:
 * large maps, large means, destroyed outputs. */
#include "layers/device/cpu.h"
#include "layers/ops/norm_act_kernels.h"
#include "tests/support/op_cases.h"
#include "tests/support/small_there.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPES = 400 };

static void set_params(tn_harness_case *c, const tn_norm_act_attr *a, int channels) {
    static const tn_param_kind kinds[] = {TN_PARAM_BIAS, TN_PARAM_SCALE, TN_PARAM_MEAN,
                                          TN_PARAM_VARIANCE};
    c->n_param = a->batch_norm ? 4 : a->bias ? 1 : 0;
    for (int i = 0; i < c->n_param; i++)
        c->param[i] = (tn_param_spec){.kind = kinds[i], .dim = {channels}, .n_dim = 1};
}

static void random_shapes_agree(void **state) {
    (void)state;
    const tn_shapes shapes = tn_shapes_of(SHAPES);
    for (uint64_t seed = shapes.first; seed < shapes.first + (uint64_t)shapes.count; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
        const tn_norm_act_attr a = {
            .batch_norm = TN_PICK(&rng, 0, 1, 1),
            .bias = TN_PICK(&rng, 0, 1),
            .activation = (tn_activation)TN_PICK(&rng, TN_RELU, TN_RELU, TN_LEAKY, TN_LINEAR,
                                                 (int)tn_rng_below(&rng, TN_HARD_MISH + 1)),
        };
        char text[80];
        snprintf(text, sizeof text, "batch_norm=%d bias=%d activation=%s", a.batch_norm, a.bias,
                 tn_activation_names[a.activation]);
        tn_harness_case c = {.kind = &tn_op_norm_act, .attr = &a, .text = text};
        const tn_tensor shape = tn_random_shape(&rng, 15);
        c.n_in = TN_PICK(&rng, 1, 1, 2, 3);
        c.mode = (tn_mode)TN_PICK(&rng, TN_TRAIN, TN_TRAIN, TN_INFER, TN_GRAD_FIXED_STATS);
        c.frozen = TN_PICK(&rng, 0, 0, 0, 1);
        c.unwanted = (unsigned)TN_PICK(&rng, 0, 0, 1, 2, 7);
        c.threads = TN_PICK(&rng, 1, 2, 2, 2, 2, 2, 2, 3);
        c.n_valid = shape.n > 1 && TN_PICK(&rng, 0, 0, 1) ? shape.n - 1 : 0;
        c.reach = 3;
        for (int i = 0; i < c.n_in; i++) c.in[i] = tn_random_pitch(&rng, shape);
        c.out = tn_random_pitch(&rng, shape);
        set_params(&c, &a, shape.c);
        const bool batch = a.batch_norm && c.mode == TN_TRAIN && !c.frozen;
        if (batch && (c.n_valid ? c.n_valid : shape.n) * shape.h * shape.w < 3) continue;
        /* Staircases and clamps turn a last bit's difference into a whole step. */
        if (a.activation == TN_STAIR) continue;
        c.tolerance = 2e-5;
        tn_expect_agreement(&c, seed);
    }
    if (tn_there_gpu()) {
        assert_true(tn_harness_served(&tn_norm_act_forward_cuda) > tn_shapes_of(SHAPES).count / 2);
        assert_true(tn_harness_served(&tn_norm_act_backward_cuda) > tn_shapes_of(SHAPES).count / 2);
    }
    const int few = tn_shapes_of(SHAPES).count / 4;
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    assert_true(tn_harness_served(&tn_norm_act_forward_bf16) > few / 2 || !tn_cpu_has_bf16());
    assert_true(tn_harness_served(&tn_norm_act_backward_bf16) > few / 2 || !tn_cpu_has_bf16());
    assert_true(tn_harness_served(&tn_norm_act_forward_avx2) > few ||
                !__builtin_cpu_supports("avx2"));
    assert_true(tn_harness_served(&tn_norm_act_backward_avx2) > few ||
                !__builtin_cpu_supports("avx2"));
    assert_true(tn_harness_served(&tn_norm_act_forward_avx512) > few || !wide);
    assert_true(tn_harness_served(&tn_norm_act_backward_avx512) > few || !wide);
}

/* So many pixels that kernels go over their share in several steps. */
static void large_shares_agree(void **state) {
    (void)state;
    static const tn_norm_act_attr attr = {.batch_norm = true, .activation = TN_RELU};
    for (int gap = 0; gap < 2; gap++) {
        tn_harness_case c = {.kind = &tn_op_norm_act, .attr = &attr, .n_in = 2, .threads = 2};
        const tn_tensor shape = {.n = 3, .h = 33, .w = 34, .c = 128, .pitch = 128 + gap};
        c.in[0] = c.in[1] = c.out = shape;
        c.n_valid = 2;
        c.reach = 3;
        c.tolerance = 2e-5;
        set_params(&c, &attr, shape.c);
        tn_expect_agreement(&c, 1);
    }
}

/* ---- signs ---- */

enum { SIGNED_PIXELS = 2 * 3 * 5, SIGNED_CHANNELS = 40, SIGNED = SIGNED_PIXELS * SIGNED_CHANNELS };

typedef struct signed_op {
    tn_small_op s;
    tn_real x[SIGNED], skip[SIGNED], out[SIGNED], dout[SIGNED], dx[SIGNED], dskip[SIGNED];
    tn_real value[4][SIGNED_CHANNELS], grad[4][SIGNED_CHANNELS];
} signed_op;

/* Forward and backward by kernels of one name; in between the output is lost. in_place: what the
 * last input's gradient takes over is the output's. */
static void run_signed(signed_op *o, const tn_norm_act_attr *attr, int n_in, int c,
                       const char *kernel, bool in_place) {
    memset(o, 0, sizeof *o);
    tn_small_open(&o->s, &tn_op_norm_act, attr, TN_TRAIN, n_in, attr->batch_norm ? 4 : 1);
    tn_rng rng = tn_rng_stream((uint64_t)c, TN_RNG_SYNTH, 0, 0, 0);
    tn_real *const random[] = {o->x, o->skip, o->dout};
    for (int i = 0; i < 3 * SIGNED; i++)
        random[i / SIGNED][i % SIGNED] = (tn_real)tn_rng_below(&rng, 2001) / 1000 - 1;
    for (int i = 0; i < o->s.op.n_param; i++) {
        for (int j = 0; j < c; j++) o->value[i][j] = (tn_real)(i % 2) + (tn_real)j / 100;
        o->s.param[i].value = o->value[i];
        o->s.param[i].grad = i < 2 ? o->grad[i] : NULL;
    }
    o->s.in[0] = tn_dense(o->x, 2, 3, 5, c);
    o->s.in[1] = tn_dense(o->skip, 2, 3, 5, c);
    o->s.r.out = tn_dense(o->out, 2, 3, 5, c);
    o->s.r.dout = tn_dense(o->dout, 2, 3, 5, c);
    o->s.din[0] = tn_dense(o->dx, 2, 3, 5, c);
    if (n_in > 1) o->s.din[1] = tn_dense(o->dskip, 2, 3, 5, c);
    assert_int_equal(tn_small_prepare(&o->s, kernel), TN_OK);
    if (in_place && o->s.r.pass[TN_BACKWARD_DATA].in_place) o->s.din[n_in - 1].data = o->dout;
    assert_int_equal(tn_op_forward(&o->s.r), TN_OK);
    const uint8_t *signs = tn_norm_signs(&o->s.r);
    assert_non_null(signs);
    for (int i = 0; i < SIGNED_PIXELS * c; i++) {
        const uint8_t byte = signs[(size_t)(i / c) * tn_norm_signs_pitch(c) + (size_t)(i % c / 8)];
        assert_int_equal(byte >> i % c % 8 & 1, o->out[i] > 0);
    }
    const bool reads_out = strcmp(kernel, "ref") == 0 || !__builtin_cpu_supports("avx2");
    for (int i = 0; i < SIGNED && !reads_out; i++) o->out[i] = (tn_real)NAN;
    assert_int_equal(tn_op_backward(&o->s.r), TN_OK);
    if (o->s.din[n_in - 1].data == o->dout)
        memcpy(n_in > 1 ? o->dskip : o->dx, o->dout, sizeof o->dout);
    tn_small_close(&o->s);
}

static void signs_stand_for_the_output(void **state) {
    (void)state;
    static const int channels[] = {1, 7, 8, 9, 15, 16, 17, 33, SIGNED_CHANNELS};
    static signed_op want, got;
    for (size_t i = 0; i < 8 * sizeof channels / sizeof *channels; i++) {
        const int c = channels[i / 8], n_in = i % 8 < 4 ? 2 : 1;
        const tn_norm_act_attr attr = {.batch_norm = n_in == 2 && i % 4 < 2,
                                       .bias = true,
                                       .activation = i % 2 ? TN_LEAKY : TN_RELU};
        run_signed(&want, &attr, n_in, c, "ref", false);
        for (int k = 0; k < 4; k++) {
            run_signed(&got, &attr, n_in, c, tn_small_kernels[1 + k % 2], k / 2);
            for (int j = 0; j < SIGNED_PIXELS * c; j++) {
                assert_true(fabs((double)(got.dx[j] - want.dx[j])) < 1e-5);
                assert_true(fabs((double)(got.dskip[j] - want.dskip[j])) < 1e-5);
            }
        }
    }
}

static const tn_norm_act_attr bn_relu = {.batch_norm = true, .activation = TN_RELU};

/* ---- numbers far from zero ---- */

enum { MANY = 4096, WIDE = 11 };

/* Mean 1e4, deviation 1e-2: E[x^2] - E[x]^2 in float would give anything between -8 and 8. */
static void variance_survives_a_large_mean(void **state) {
    (void)state;
    const tn_norm_act_attr attr = {.batch_norm = true};
    tn_real *x = malloc(sizeof *x * MANY * WIDE), *out = malloc(sizeof *out * MANY * WIDE);
    tn_real *ones = malloc(sizeof *ones * MANY * WIDE);
    assert_true(x && out && ones);
    tn_rng rng = tn_rng_stream(3, TN_RNG_SYNTH, 0, 0, 0);
    for (int i = 0; i < MANY * WIDE; i++) ones[i] = 1;
    for (int i = 0; i < MANY * WIDE; i++) x[i] = (tn_real)(1e4 + 1e-2 * tn_rng_normal(&rng));
    for (int i = 0; i < tn_small_n_kernels(); i++) {
        tn_small_op s;
        tn_real value[4][WIDE], grad[2][WIDE] = {{0}};
        tn_small_open(&s, &tn_op_norm_act, &attr, TN_TRAIN, 1, 4);
        for (int c = 0; c < WIDE; c++) {
            value[0][c] = value[2][c] = 0;
            value[1][c] = value[3][c] = 1;
        }
        for (int j = 0; j < 4; j++) s.param[j].value = value[j];
        s.param[0].grad = grad[0];
        s.param[1].grad = grad[1];
        s.in[0] = tn_dense(x, 1, MANY, 1, WIDE);
        s.r.out = tn_dense(out, 1, MANY, 1, WIDE);
        s.r.dout = tn_dense(ones, 1, MANY, 1, WIDE);
        assert_int_equal(tn_small_choose(&s, tn_small_kernels[i]), TN_OK);
        assert_int_equal(tn_small_forward(&s), TN_OK);
        assert_int_equal(tn_small_backward(&s), TN_OK);
        for (int c = 0; c < WIDE; c++) {
            double mean = 0, m2 = 0, sum = 0;
            for (int p = 0; p < MANY; p++) mean += (double)x[p * WIDE + c] / MANY;
            for (int p = 0; p < MANY; p++) m2 += pow((double)x[p * WIDE + c] - mean, 2);
            for (int p = 0; p < MANY; p++) sum += (double)out[p * WIDE + c] / MANY;
            const double moved = 0.9 + 0.1 * m2 / (MANY - 1);
            assert_true(fabs((double)value[3][c] - moved) < 1e-7);
            const tn_norm_saved saved = tn_norm_saved_in(s.r.save, WIDE);
            assert_true(fabs(saved.inv_std[c] / (1 / sqrt(m2 / MANY + 1e-5)) - 1) < 1e-4);
            assert_true(fabs(saved.mean[c] - mean) < 1e-6);
            assert_true(fabs(sum) < 1e-4); /* normalised values are centred all the same */
            assert_true(fabs((double)grad[1][c]) < 1e-4 * MANY); /* it is their sum */
        }
        tn_small_close(&s);
    }
    free(x);
    free(out);
    free(ones);
}

/* Large maps are written around the caches where memory is aligned for it, and vectors may be wide
 * ones: the same bits. */
static void large_maps_are_no_different(void **state) {
    (void)state;
    enum { C = 64, PIXELS = 362 * 362 + 1, COUNT = PIXELS * C };
    const size_t bytes = ((size_t)COUNT * sizeof(tn_real) + 127) / 64 * 64;
    tn_real *memory[6];
    for (int i = 0; i < 6; i++) {
        memory[i] = aligned_alloc(64, bytes);
        assert_non_null(memory[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        memory[0][i] = (tn_real)(i % 997) / 100;
        memory[1][i] = (tn_real)(i % 113) / 50 - 1;
    }
    tn_real value[4][C], grad[2][C];
    for (int shift = 0; shift < 2; shift++) { /* the shifted ones by the narrower kernel */
        tn_small_op s;
        tn_small_open(&s, &tn_op_norm_act, &bn_relu, TN_TRAIN, 1, 4);
        for (int i = 0; i < 4; i++) {
            for (int c = 0; c < C; c++) value[i][c] = i % 2 ? (tn_real)1 : (tn_real)-.25;
            s.param[i].value = value[i];
            s.param[i].grad = i < 2 ? memset(grad[i], 0, sizeof grad[i]) : NULL;
        }
        s.in[0] = tn_dense(memory[0], 1, PIXELS, 1, C);
        s.r.dout = tn_dense(memory[1], 1, PIXELS, 1, C);
        s.r.out = tn_dense(memory[2 + 2 * shift] + shift, 1, PIXELS, 1, C);
        s.din[0] = tn_dense(memory[3 + 2 * shift] + shift, 1, PIXELS, 1, C);
        assert_int_equal(tn_small_prepare(&s, shift ? "avx2" : "avx512"), TN_OK);
        assert_int_equal(tn_op_forward(&s.r), TN_OK);
        assert_int_equal(tn_op_backward(&s.r), TN_OK);
        tn_small_close(&s);
    }
    for (int i = 2; i < 4; i++)
        assert_int_equal(memcmp(memory[i], memory[i + 2] + 1, COUNT * sizeof(tn_real)), 0);
    int alive = 0;
    for (int i = 0; i < COUNT; i++) alive += memory[2][i] > 0;
    assert_in_range(alive, COUNT / 4, COUNT / 4 * 3);
    for (int i = 0; i < 6; i++) free(memory[i]);
}

static void keeps_what_backward_reads(void **state) {
    (void)state;
    const struct {
        tn_norm_act_attr attr;
        unsigned keeps;
    } want[] = {
        {{true, false, TN_RELU}, TN_KEEPS_IN(0) | TN_KEEPS_OUT},
        {{true, false, TN_LINEAR}, TN_KEEPS_IN(0)},
        {{false, true, TN_LEAKY}, TN_KEEPS_OUT},
        {{false, true, TN_LINEAR}, 0},
        {{false, true, TN_SWISH}, TN_KEEPS_IN(0) | TN_KEEPS_IN(1)},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const tn_op op = {.attr = &want[i].attr, .n_in = 2};
        assert_int_equal(tn_op_norm_act.keeps(&op), want[i].keeps);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_agree),
        cmocka_unit_test(large_shares_agree),
        cmocka_unit_test(signs_stand_for_the_output),
        cmocka_unit_test(variance_survives_a_large_mean),
        cmocka_unit_test(large_maps_are_no_different),
        cmocka_unit_test(keeps_what_backward_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

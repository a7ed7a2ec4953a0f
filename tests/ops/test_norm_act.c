/* norm_act: every kernel against the reference on random shapes, and against figures computed with
 * another program. */
#include "layers/ops/norm_act_kernels.h"
#include "tests/support/op_cases.h"

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
    for (uint64_t seed = 1; seed <= SHAPES; seed++) {
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
        c.threads = TN_PICK(&rng, 1, 2, 3);
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
    assert_true(tn_harness_served(&tn_norm_act_forward_avx2) > SHAPES / 4 ||
                !__builtin_cpu_supports("avx2"));
    assert_true(tn_harness_served(&tn_norm_act_backward_avx2) > SHAPES / 4 ||
                !__builtin_cpu_supports("avx2"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

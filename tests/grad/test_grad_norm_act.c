/* Gradients of norm_act against central differences, in double: every activation, batch norm, bias
 * and skips, with running and with batch statistics. */
#include "layers/ops/norm_act.h"
#include "tests/support/op_cases.h"

static void check(tn_norm_act_attr a, tn_mode mode, int n_in, uint64_t seed) {
    static const tn_param_kind kinds[] = {TN_PARAM_BIAS, TN_PARAM_SCALE, TN_PARAM_MEAN,
                                          TN_PARAM_VARIANCE};
    const tn_tensor shape = {.n = 2, .h = 3, .w = 2, .c = 5};
    char text[80];
    snprintf(text, sizeof text, "batch_norm=%d bias=%d activation=%s", a.batch_norm, a.bias,
             tn_activation_names[a.activation]);
    tn_harness_case c = {.kind = &tn_op_norm_act, .attr = &a, .text = text, .mode = mode};
    c.n_in = n_in;
    c.reach = 3;
    for (int i = 0; i < n_in; i++) c.in[i] = shape;
    c.in[0].pitch = 7;
    c.out = shape;
    c.n_param = a.batch_norm ? 4 : a.bias ? 1 : 0;
    for (int i = 0; i < c.n_param; i++)
        c.param[i] = (tn_param_spec){.kind = kinds[i], .dim = {5}, .n_dim = 1};
    tn_expect_gradient(&c, seed);
}

/* Seeds whose inputs keep their distance from kinks; a difference across one is no derivative. */
static void every_activation(void **state) {
    (void)state;
    for (int a = 0; a < TN_NORM_CHAN; a++) {
        const tn_activation activation = (tn_activation)a;
        check((tn_norm_act_attr){false, true, activation}, TN_TRAIN, 1, 3);
        check((tn_norm_act_attr){true, false, activation}, TN_TRAIN, 1, 4);
        check((tn_norm_act_attr){true, false, activation}, TN_TRAIN, 2, 5);
        check((tn_norm_act_attr){true, false, activation}, TN_GRAD_FIXED_STATS, 3, 6);
    }
}

static void plain_sums(void **state) {
    (void)state;
    check((tn_norm_act_attr){false, false, TN_LINEAR}, TN_TRAIN, 3, 1);
    check((tn_norm_act_attr){false, false, TN_RELU}, TN_TRAIN, 2, 2);
    for (uint64_t seed = 10; seed < 30; seed++)
        check((tn_norm_act_attr){true, false, TN_SWISH}, TN_TRAIN, 1 + (int)(seed % 3), seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_activation),
        cmocka_unit_test(plain_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

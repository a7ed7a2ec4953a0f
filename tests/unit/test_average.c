/* The moving average of parameters: its formula, and that it forgets its start. */
#include "src/net/average.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void follows_its_formula(void **state) {
    (void)state;
    tn_real w[3] = {1, -2, 4}, mean[1] = {0.5f};
    const tn_param_spec spec[2] = {{.name = "w", .kind = TN_PARAM_WEIGHTS, .count = 3},
                                   {.name = "m", .kind = TN_PARAM_MEAN, .count = 1}};
    tn_param param[2] = {{.spec = &spec[0], .value = w}, {.spec = &spec[1], .value = mean}};
    tn_average *a;
    assert_int_equal(tn_average_create(param, 2, 0.9, &a), TN_OK);
    double expected[4] = {1, -2, 4, 0.5};
    uint64_t version = a->param[0].version;
    for (int k = 0; k < 4; k++)
        assert_true((double)(k < 3 ? a->param[0].value[k] : a->param[1].value[0]) == expected[k]);
    for (int t = 1; t <= 200; t++) {
        for (int k = 0; k < 3; k++) w[k] += 0.25f;
        mean[0] *= 0.5f;
        tn_average_update(a, param);
        double keep = fmin(0.9, (1.0 + t) / (10.0 + t));
        for (int k = 0; k < 4; k++) {
            double value = k < 3 ? (double)w[k] : (double)mean[0];
            double got = k < 3 ? (double)a->param[0].value[k] : (double)a->param[1].value[0];
            expected[k] = keep * expected[k] + (1 - keep) * value;
            assert_true(fabs(got - expected[k]) <= 1e-4 * (1 + fabs(expected[k])));
        }
    }
    /* a ramp is followed at a distance of alpha/(1-alpha) steps */
    assert_true(fabs(((double)w[0] - (double)a->param[0].value[0]) - 9 * 0.25) < 1e-2);
    assert_true(a->param[0].version == version + 200);
    assert_true(a->param[0].value != w);
    tn_average_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(follows_its_formula)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

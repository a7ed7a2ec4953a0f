/* Learning-rate policies: Darknet's formulas worked by hand, and what holds for every policy. */
#include "src/net/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const tn_net_keys plain = {.learning_rate = 0.1,
                                  .learning_rate_min = 1e-5,
                                  .max_batches = 1000,
                                  .power = 4,
                                  .step = 100,
                                  .scale = 0.1,
                                  .gamma = 0.99,
                                  .sgdr_mult = 2};

static tn_schedule of(const tn_net_keys *keys) {
    tn_schedule s;
    if (tn_schedule_init(&s, keys, 3200, 32, 7) != TN_OK) fail_msg("%s", tn_error());
    return s;
}

static void expect_rate(const tn_net_keys *keys, uint64_t n, double expected) {
    tn_schedule s = of(keys);
    double rate = tn_schedule_rate(&s, n);
    if (fabs(rate - expected) > 1e-12)
        fail_msg("%s at %d: %.15g, expected %.15g", tn_policy_name(keys->policy), (int)n, rate,
                 expected);
}

static void formulas(void **state) {
    (void)state;
    tn_net_keys k = plain;
    k.policy = TN_POLICY_CONSTANT;
    expect_rate(&k, 1, 0.1);
    expect_rate(&k, 999, 0.1);
    k.policy = TN_POLICY_STEP;
    expect_rate(&k, 99, 0.1);
    expect_rate(&k, 100, 0.01);
    expect_rate(&k, 250, 0.001);
    k.policy = TN_POLICY_EXP;
    expect_rate(&k, 2, 0.09801);
    k.policy = TN_POLICY_POLY;
    expect_rate(&k, 500, 0.00625);
    expect_rate(&k, 1000, 0);
    expect_rate(&k, 1001, 0);
    k.policy = TN_POLICY_SIGMOID;
    expect_rate(&k, 100, 0.05);
    k.policy = TN_POLICY_COSINE;
    expect_rate(&k, 500, (0.1 + 1e-5) / 2);
    expect_rate(&k, 1000, 1e-5);
    k.burn_in = 200;
    expect_rate(&k, 600, (0.1 + 1e-5) / 2);
}

static void steps_multiply_up(void **state) {
    (void)state;
    static const int at[] = {40, 80};
    static const double by[] = {0.1, 0.5};
    tn_net_keys k = plain;
    k.policy = TN_POLICY_STEPS;
    k.steps = (tn_ints){2, at};
    k.scales = (tn_reals){2, by};
    expect_rate(&k, 39, 0.1);
    expect_rate(&k, 40, 0.01);
    expect_rate(&k, 79, 0.01);
    expect_rate(&k, 80, 0.005);
}

/* Cycles of 100, 200, 400: a boundary belongs to the cycle it ends. */
static void warm_restarts(void **state) {
    (void)state;
    tn_net_keys k = plain;
    k.policy = TN_POLICY_SGDR;
    k.sgdr_cycle = 100;
    expect_rate(&k, 50, (0.1 + 1e-5) / 2);
    expect_rate(&k, 100, 1e-5);
    expect_rate(&k, 200, (0.1 + 1e-5) / 2);
    expect_rate(&k, 300, 1e-5);
    expect_rate(&k, 500, (0.1 + 1e-5) / 2);
    k.sgdr_cycle = 0;
    expect_rate(&k, 1000, 1e-5);
}

/* Burn-in ramps whatever the policy, and then drops onto the policy's own curve. */
static void burn_in_ramps(void **state) {
    (void)state;
    for (int policy = TN_POLICY_CONSTANT; policy <= TN_POLICY_COSINE; policy++) {
        if (policy == TN_POLICY_STEPS) continue;
        tn_net_keys k = plain;
        k.policy = policy;
        k.burn_in = 10;
        expect_rate(&k, 5, 0.1 * 0.0625);
        expect_rate(&k, 1, 0.1 * 1e-4);
    }
    tn_net_keys k = plain;
    k.policy = TN_POLICY_POLY;
    k.burn_in = 10;
    expect_rate(&k, 10, 0.1 * pow(0.99, 4));
}

static void random_repeats_and_varies(void **state) {
    (void)state;
    tn_net_keys k = plain;
    k.policy = TN_POLICY_RANDOM;
    k.power = 1;
    tn_schedule s = of(&k), other = of(&k);
    other.seed = 8;
    double sum = 0;
    int differ = 0;
    for (uint64_t n = 1; n <= 1000; n++) {
        double rate = tn_schedule_rate(&s, n);
        assert_true(rate >= 0 && rate <= 0.1);
        assert_true(rate == tn_schedule_rate(&s, n));
        differ += rate != tn_schedule_rate(&other, n);
        sum += rate;
    }
    assert_true(fabs(sum / 1000 - 0.05) < 0.004); /* four standard errors */
    assert_true(differ > 990);
}

static void length_of_a_run(void **state) {
    (void)state;
    tn_net_keys k = plain;
    tn_schedule s;
    assert_int_equal(tn_schedule_init(&s, &k, 3201, 32, 0), TN_OK);
    assert_int_equal(s.total, 1000);
    k.epochs = 3;
    assert_int_equal(tn_schedule_init(&s, &k, 3201, 32, 0), TN_OK);
    assert_int_equal(s.total, 301); /* 9603 images */
    k.epochs = 0.5;
    assert_int_equal(tn_schedule_init(&s, &k, 3200, 32, 0), TN_OK);
    assert_int_equal(s.total, 50);
    k.epochs = 0;
    k.max_batches = 0;
    assert_int_equal(tn_schedule_init(&s, &k, 3200, 32, 0), TN_OK);
    assert_int_equal(s.total, 0);
}

/* Ten images in batches of four: epochs end with updates 3, 5, 8, 10; the run ends with 11. */
static void epochs_end_where_their_last_image_is(void **state) {
    (void)state;
    tn_net_keys k = plain;
    tn_schedule s;
    k.max_batches = 11;
    assert_int_equal(tn_schedule_init(&s, &k, 10, 4, 0), TN_OK);
    static const bool ends[] = {0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1};
    for (uint64_t n = 0; n < 12; n++) assert_int_equal(tn_schedule_ends_epoch(&s, n), ends[n]);
    assert_true(fabs(tn_schedule_epochs(&s, 5) - 2) < 1e-12);
}

static void refuses(const tn_net_keys *keys, const char *says) {
    tn_schedule s;
    assert_int_equal(tn_schedule_init(&s, keys, 3200, 32, 0), TN_FAIL);
    if (!strstr(tn_error(), says)) fail_msg("said: %s", tn_error());
}

static void keys_that_do_not_fit_are_refused(void **state) {
    (void)state;
    static const int grow[] = {40, 80}, shrink[] = {80, 40};
    static const double by[] = {0.1, 0.1};
    tn_net_keys k = plain;
    k.policy = TN_POLICY_STEPS;
    refuses(&k, "needs steps= and scales=");
    k.steps = (tn_ints){2, grow};
    k.scales = (tn_reals){1, by};
    refuses(&k, "2 steps but 1 scales");
    k.steps = (tn_ints){2, shrink};
    k.scales = (tn_reals){2, by};
    refuses(&k, "found 40 after 80");
    k = plain;
    k.max_batches = 0;
    k.policy = TN_POLICY_POLY;
    refuses(&k, "policy=poly needs max_batches or epochs");
    k = plain;
    k.policy = TN_POLICY_COSINE;
    k.burn_in = 1000;
    refuses(&k, "leaves none of the 1000 updates");
    tn_schedule s;
    assert_int_equal(tn_schedule_init(&s, &plain, 0, 32, 0), TN_FAIL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas),
        cmocka_unit_test(steps_multiply_up),
        cmocka_unit_test(warm_restarts),
        cmocka_unit_test(burn_in_ramps),
        cmocka_unit_test(random_repeats_and_varies),
        cmocka_unit_test(length_of_a_run),
        cmocka_unit_test(epochs_end_where_their_last_image_is),
        cmocka_unit_test(keys_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Temperature scaling: cases with a closed form, and what must hold of the minimum. */
#include "src/eval/calibration.h"

#include "layers/device/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"a", "b", "c"};

static void near(double got, double expected, double tolerance) {
    if (!(fabs(got - expected) <= tolerance)) fail_msg("%.15g, expected %.15g", got, expected);
}

/* `right` of n answers given with probability p are right: the best probability is right/n, so
 * logit(p)/T = logit(right/n). */
static void closed_form(void **state) {
    (void)state;
    static const struct {
        double p;
        int right, n;
    } row[] = {{0.99, 80, 100}, {0.6, 90, 100}, {0.75, 3, 4}, {0.999999, 60, 100}, {0.55, 99, 100}};
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        tn_predictions s;
        assert_int_equal(tn_predictions_create(&s, names, 2, 0), TN_OK);
        for (int i = 0; i < row[k].n; i++) {
            const int said = i % 2, truth = i < row[k].right ? said : 1 - said;
            double p[2] = {row[k].p, row[k].p};
            p[1 - said] = 1 - row[k].p;
            assert_int_equal(tn_predictions_add(&s, "x", truth, p), TN_OK);
        }
        tn_temperature t;
        if (tn_temperature_fit(&s, &t) != TN_OK) fail_msg("%s", tn_error());
        const double q = (double)row[k].right / row[k].n;
        near(t.value, log(row[k].p / (1 - row[k].p)) / log(q / (1 - q)), 1e-8 * t.value);
        near(t.loss_after, -q * log(q) - (1 - q) * log(1 - q), 1e-12);
        near(t.loss_before, -q * log(row[k].p) - (1 - q) * log(1 - row[k].p), 1e-12);
        tn_temperature_apply_all(t.value, &s);
        near(s.probability[0], q, 1e-9);
        tn_predictions_free(&s);
    }
}

static void the_least_loss(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 30; round++) {
        tn_predictions s;
        assert_int_equal(tn_predictions_create(&s, names, 3, 0), TN_OK);
        tn_rng rng = tn_rng_stream(2, TN_RNG_SYNTH, round, 0, 0);
        for (int i = 0; i < 150; i++) {
            float p[3], sum = 0;
            const int truth = (int)tn_rng_below(&rng, 3);
            for (int c = 0; c < 3; c++)
                sum += p[c] = expf((1 + (float)(round % 5)) *
                                   (tn_rng_normal(&rng) + (c == truth ? 1.0f : 0)));
            for (int c = 0; c < 3; c++) p[c] /= sum;
            assert_int_equal(tn_predictions_add_float(&s, "x", truth, p), TN_OK);
        }
        tn_temperature t;
        if (tn_temperature_fit(&s, &t) != TN_OK) fail_msg("%s", tn_error());
        assert_true(t.loss_after <= t.loss_before);
        for (double factor = 0.5; factor < 2.1; factor += 0.25) {
            double loss = 0;
            for (size_t i = 0; i < s.n; i++) {
                float p[3];
                for (int c = 0; c < 3; c++) p[c] = (float)s.probability[3 * i + (size_t)c];
                tn_temperature_apply(factor * t.value, 3, p);
                near((double)p[0] + (double)p[1] + (double)p[2], 1, 1e-6);
                loss -= log((double)p[s.truth[i]]) / (double)s.n;
            }
            if (factor == 1)
                near(loss, t.loss_after, 1e-6);
            else
                assert_true(loss > t.loss_after + 1e-6);
        }
        /* fitted once, there is nothing left to fit */
        tn_temperature_apply_all(t.value, &s);
        tn_temperature again;
        assert_int_equal(tn_temperature_fit(&s, &again), TN_OK);
        near(again.value, 1, 1e-7);
        tn_predictions_free(&s);
    }
}

static void order_stays(void **state) {
    (void)state;
    float p[3] = {0, 0.25f, 0.75f};
    tn_temperature_apply(5, 3, p);
    assert_true(p[0] < p[1] && p[1] < p[2] && p[0] >= 0);
    near((double)p[2] / (double)p[1], pow(3, 0.2), 1e-6);
    float same[2] = {0.3f, 0.7f};
    tn_temperature_apply(1, 2, same);
    assert_true(same[0] == 0.3f && same[1] == 0.7f);
    float sure[2] = {0, 1};
    tn_temperature_apply(0.01, 2, sure);
    assert_true(sure[0] == 0 && sure[1] == 1);
}

static void what_cannot_be_fitted(void **state) {
    (void)state;
    tn_predictions s;
    tn_temperature t;
    const double sure[2] = {0.8, 0.2}, even[2] = {0.5, 0.5};
    assert_int_equal(tn_predictions_create(&s, names, 2, 0), TN_OK);
    assert_int_equal(tn_temperature_fit(&s, &t), TN_FAIL); /* none */
    assert_int_equal(tn_predictions_add(&s, "x", 0, sure), TN_OK);
    assert_int_equal(tn_temperature_fit(&s, &t), TN_FAIL); /* all right */
    assert_non_null(strstr(tn_error(), "right"));
    tn_predictions_free(&s);
    assert_int_equal(tn_predictions_create(&s, names, 2, 0), TN_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(tn_predictions_add(&s, "x", i % 2, sure), TN_OK);
    assert_int_equal(tn_temperature_fit(&s, &t), TN_FAIL); /* half right: the best is 1/2 */
    assert_non_null(strstr(tn_error(), "tell nothing"));
    tn_predictions_free(&s);
    assert_int_equal(tn_predictions_create(&s, names, 2, 0), TN_OK);
    assert_int_equal(tn_predictions_add(&s, "x", 0, even), TN_OK);
    assert_int_equal(tn_temperature_fit(&s, &t), TN_FAIL); /* no opinion */
    tn_predictions_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_form),
        cmocka_unit_test(the_least_loss),
        cmocka_unit_test(order_stays),
        cmocka_unit_test(what_cannot_be_fitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests between nets: published and hand-worked examples, and what must hold of any comparison. */
#include "src/eval/compare.h"
#include "src/eval/delong.h"

#include "layers/device/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"benign", "malignant", "other"};

static void near(double got, double expected, double tolerance) {
    if (isnan(got) && isnan(expected)) return;
    if (!(fabs(got - expected) <= tolerance)) fail_msg("%.15g, expected %.15g", got, expected);
}

/* By adding up the binomial's terms from Pascal's triangle. */
static double direct_mcnemar(int a, int b) {
    const int n = a + b, few = a < b ? a : b;
    double row[64] = {1}, sum = 0;
    for (int i = 1; i <= n; i++)
        for (int k = i; k > 0; k--) row[k] += row[k - 1];
    for (int k = 0; k <= few; k++) sum += row[k];
    return fmin(2 * sum / pow(2, n), 1);
}

/* A. Agresti, "Categorical data analysis", 2002, table 10.1: 86 and 150 of 1600 who changed their
 * mind about the prime minister; McNemar's chi-squared 17.36 on one degree of freedom, p < 0.0001;
 * the exact values here and below are scipy 1.10's binomtest. 5 against 1 by hand: 14/64. */
static void mcnemar(void **state) {
    (void)state;
    near(tn_mcnemar_p(0, 0), 1, 0);
    near(tn_mcnemar_p(7, 7), 1, 0);
    near(tn_mcnemar_p(5, 1), 14.0 / 64, 1e-14);
    near(tn_mcnemar_p(1, 5), 14.0 / 64, 1e-14);
    near(tn_mcnemar_p(0, 10), 2.0 / 1024, 1e-15);
    for (int a = 0; a < 26; a++)
        for (int b = 0; b < 26; b++)
            near(tn_mcnemar_p((size_t)a, (size_t)b), direct_mcnemar(a, b), 1e-12);
    near(tn_mcnemar_p(86, 150), 3.715936139571387e-05, 1e-15);
    near(erfc(sqrt(17.36 / 2)) / tn_mcnemar_p(86, 150), 1, 0.2); /* the chi-squared's p */
    /* a million against none: no overflow */
    assert_true(tn_mcnemar_p(0, 1000000) >= 0 && tn_mcnemar_p(0, 1000000) < 1e-300);
    near(tn_mcnemar_p(500000, 500100), 0.9211422065178344, 1e-7);
}

/* R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"): 0.03, 0.06, 0.06, 0.02. */
static void holm(void **state) {
    (void)state;
    static const double p[] = {0.01, 0.04, NAN, 0.03, 0.005},
                        expected[] = {0.03, 0.06, NAN, 0.06, 0.02};
    double q[5];
    assert_int_equal(tn_holm(p, 5, q), TN_OK);
    for (int i = 0; i < 5; i++) near(q[i], expected[i], 1e-15);
    static const double large[] = {0.9, 0.8};
    assert_int_equal(tn_holm(large, 2, q), TN_OK);
    near(q[0], 1, 0);
    near(q[1], 1, 0);
}

enum { N = 200 };

/* skill: how far positives lie above negatives; noise of its own for each net. */
static tn_predictions net(double skill, uint32_t who, int classes) {
    tn_predictions p;
    assert_int_equal(tn_predictions_create(&p, names, classes, N), TN_OK);
    tn_rng rng = tn_rng_stream(8, TN_RNG_SYNTH, who, 0, 0);
    for (int i = 0; i < N; i++) {
        const int truth = i % classes;
        double row[3], sum = 0;
        char image[16];
        for (int c = 0; c < classes; c++)
            sum += row[c] = exp(skill * (c == truth) + (double)tn_rng_normal(&rng));
        for (int c = 0; c < classes; c++) row[c] /= sum;
        snprintf(image, sizeof image, "%d.png", i);
        assert_int_equal(tn_predictions_add(&p, image, truth, row), TN_OK);
    }
    return p;
}

static tn_comparison compare(const tn_predictions *a, const tn_predictions *b, const int *cluster,
                             int positive) {
    const tn_predictions *set[] = {a, b};
    const tn_compare_options o = {
        .positive = positive, .cluster = cluster, .resamples = 2000, .seed = 1};
    tn_comparison c;
    if (tn_compare(set, 2, &o, &c) != TN_OK) fail_msg("%s", tn_error());
    return c;
}

static void alike_is_noise(void **state) {
    (void)state;
    tn_predictions a = net(1, 0, 2);
    tn_comparison c = compare(&a, &a, NULL, -1);
    assert_true(c.pair[0].same_ranking);
    near(c.pair[0].auc.holm_p, 1, 0);
    near(c.pair[0].accuracy.holm_p, 1, 0);
    near(c.pair[0].auc.value, 0, 0);
    tn_comparison_free(&c);
    tn_predictions_free(&a);
}

static void skill_is_seen(void **state) {
    (void)state;
    tn_predictions a = net(2.5, 1, 2), b = net(0.2, 2, 2), d = net(2.5, 3, 2);
    tn_comparison c = compare(&a, &b, NULL, -1);
    const tn_pair *p = &c.pair[0];
    assert_true(p->auc.holm_p < 1e-6 && p->accuracy.holm_p < 1e-3);
    assert_true(p->auc.bootstrap_p < 0.002 && p->delong.low > 0 && p->auc.interval.low > 0);
    assert_true(p->only_first > p->only_second);
    near(p->accuracy.value, (double)(p->only_first - p->only_second) / N, 1e-12);
    near(p->auc.value, c.contestant[0].auc - c.contestant[1].auc, 1e-12);
    /* two ways to the same interval */
    near(p->auc.interval.low, p->delong.low, 0.02);
    near(p->auc.interval.high, p->delong.high, 0.02);
    tn_comparison_free(&c);
    c = compare(&a, &d, NULL, -1);
    assert_true(c.pair[0].auc.holm_p > 0.05);
    tn_comparison_free(&c);
    tn_predictions_free(&a);
    tn_predictions_free(&b);
    tn_predictions_free(&d);
}

/* Under no difference p is below 0.05 once in twenty: of 300 pairs 15, give or take 11 (3 sd). */
static void false_alarms(void **state) {
    (void)state;
    int alarms = 0, mcnemar_alarms = 0;
    for (uint32_t i = 0; i < 300; i++) {
        tn_predictions a = net(1, 100 + 2 * i, 2), b = net(1, 101 + 2 * i, 2);
        const tn_predictions *set[] = {&a, &b};
        const tn_compare_options o = {.positive = 1, .resamples = 1};
        tn_comparison c;
        assert_int_equal(tn_compare(set, 2, &o, &c), TN_OK);
        alarms += c.pair[0].auc.test_p < 0.05;
        mcnemar_alarms += c.pair[0].accuracy.test_p < 0.05;
        tn_comparison_free(&c);
        tn_predictions_free(&a);
        tn_predictions_free(&b);
    }
    if (alarms < 4 || alarms > 27) fail_msg("%d alarms of 300", alarms);
    if (mcnemar_alarms > 27) fail_msg("%d of McNemar's", mcnemar_alarms); /* exact: rather fewer */
}

/* With images in cases the bootstrap's p decides about accuracy, and it is the more careful one. */
static void cases_are_careful(void **state) {
    (void)state;
    tn_predictions a = net(1.3, 11, 2), b = net(0.5, 12, 2), aa, bb;
    size_t row[4 * N];
    int cluster[4 * N];
    for (int i = 0; i < 4 * N; i++) {
        row[i] = (size_t)(i % N);
        cluster[i] = i % N;
    }
    assert_int_equal(tn_predictions_select(&a, row, (size_t)4 * N, &aa), TN_OK);
    assert_int_equal(tn_predictions_select(&b, row, (size_t)4 * N, &bb), TN_OK);
    tn_comparison once = compare(&a, &b, NULL, 1), often = compare(&aa, &bb, cluster, 1);
    near(often.pair[0].auc.test_p / once.pair[0].auc.test_p, 1, 1e-6);
    assert_true(often.pair[0].accuracy.test_p < once.pair[0].accuracy.test_p);
    near(often.pair[0].accuracy.p, often.pair[0].accuracy.bootstrap_p, 0);
    assert_int_equal(often.clusters, N);
    tn_comparison_free(&once);
    tn_comparison_free(&often);
    tn_predictions_free(&a);
    tn_predictions_free(&b);
    tn_predictions_free(&aa);
    tn_predictions_free(&bb);
}

/* Three classes without a positive one: no DeLong test, the bootstrap decides. */
static void several_classes(void **state) {
    (void)state;
    tn_predictions a = net(2, 21, 3), b = net(0.3, 22, 3);
    tn_comparison c = compare(&a, &b, NULL, -1);
    assert_true(isnan(c.pair[0].auc.test_p));
    near(c.pair[0].auc.p, c.pair[0].auc.bootstrap_p, 0);
    assert_true(c.pair[0].auc.holm_p < 0.01);
    tn_comparison_free(&c);
    c = compare(&a, &b, NULL, 2);
    assert_true(c.pair[0].auc.test_p < 0.01);
    tn_comparison_free(&c);
    tn_predictions_free(&a);
    tn_predictions_free(&b);
}

/* Perfect against useless on four images: nothing to estimate a variance from. */
static void too_few(void **state) {
    (void)state;
    static const double good[] = {0.1, 0.2, 0.8, 0.9};
    tn_predictions a, b;
    assert_int_equal(tn_predictions_create(&a, names, 2, 4), TN_OK);
    assert_int_equal(tn_predictions_create(&b, names, 2, 4), TN_OK);
    for (int i = 0; i < 4; i++) {
        const double x[2] = {1 - good[i], good[i]}, y[2] = {0.5, 0.5};
        assert_int_equal(tn_predictions_add(&a, "x", i >= 2, x), TN_OK);
        assert_int_equal(tn_predictions_add(&b, "x", i >= 2, y), TN_OK);
    }
    tn_comparison c = compare(&a, &b, NULL, 1);
    near(c.pair[0].auc.value, 0.5, 0);
    assert_true(isnan(c.pair[0].auc.holm_p));
    assert_false(c.pair[0].same_ranking);
    tn_comparison_free(&c);
    tn_predictions_free(&a);
    tn_predictions_free(&b);
    assert_int_equal(tn_compare(NULL, 1, NULL, &c), TN_FAIL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mcnemar),         cmocka_unit_test(holm),
        cmocka_unit_test(alike_is_noise),  cmocka_unit_test(skill_is_seen),
        cmocka_unit_test(false_alarms),    cmocka_unit_test(cases_are_careful),
        cmocka_unit_test(several_classes), cmocka_unit_test(too_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

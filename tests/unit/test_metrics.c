/* Metrics: a worked example, definitions checked against brute force on random data, and the edges
 * where a metric is undefined. */
#include "src/eval/metrics.h"

#include "layers/device/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void close_to(double got, double expected) {
    if (!(fabs(got - expected) < 1e-9)) fail_msg("%.12g, expected %.12g", got, expected);
}

static tn_scores two_class(const double *malignant, const int *truth, int n) {
    tn_scores s;
    assert_int_equal(tn_scores_create(&s, 2, (size_t)n), TN_OK);
    for (int i = 0; i < n; i++) {
        float p[2] = {(float)(1 - malignant[i]), (float)malignant[i]};
        assert_int_equal(tn_scores_add(&s, p, truth[i]), TN_OK);
    }
    return s;
}

/* Eight cases, worked by hand: TP 3, FN 1, FP 1, TN 3; of the 16 pairs positives win 13 and tie in
 * one. */
static void worked_example(void **state) {
    (void)state;
    static const double p[] = {0.875, 0.75, 0.625, 0.25, 0.625, 0.375, 0.125, 0.1875};
    static const int truth[] = {1, 1, 1, 1, 0, 0, 0, 0};
    tn_scores s = two_class(p, truth, 8);
    tn_metrics m;
    assert_int_equal(tn_metrics_compute(&s, 1, 1, &m), TN_OK);
    assert_int_equal(m.n, 8);
    close_to(m.accuracy, 6.0 / 8);
    close_to(m.top_accuracy, 6.0 / 8);
    close_to(m.sensitivity, 3.0 / 4);
    close_to(m.specificity, 3.0 / 4);
    close_to(m.balanced_accuracy, 3.0 / 4);
    close_to(m.f1, 6.0 / 8);
    close_to(m.by_class[1].precision, 3.0 / 4);
    close_to(m.auc, (4 + 4 + 3.5 + 2) / 16);
    close_to(m.by_class[0].auc, m.auc);
    assert_int_equal(m.confusion[0], 3);
    assert_int_equal(m.confusion[1], 1);
    assert_int_equal(m.confusion[2], 1);
    assert_int_equal(m.confusion[3], 3);
    double loss = -(log(.875) + log(.75) + log(.625) + log(.25) + log(.375) + log(.625) +
                    log(.875) + log(.8125)) /
                  8;
    close_to(m.loss, loss);
    tn_metrics_free(&m);
    tn_scores_free(&s);
}

static void always_malignant_is_no_skill(void **state) {
    (void)state;
    tn_scores s;
    assert_int_equal(tn_scores_create(&s, 2, 349), TN_OK);
    float p[2] = {0.2f, 0.8f};
    for (int i = 0; i < 349; i++) assert_int_equal(tn_scores_add(&s, p, i >= 61), TN_OK);
    tn_metrics m;
    assert_int_equal(tn_metrics_compute(&s, 1, 2, &m), TN_OK);
    close_to(m.accuracy, 288.0 / 349);
    close_to(m.balanced_accuracy, 0.5);
    close_to(m.auc, 0.5);
    close_to(m.sensitivity, 1);
    close_to(m.specificity, 0);
    close_to(m.top_accuracy, 1);
    assert_true(isnan(m.by_class[0].precision));
    close_to(m.by_class[0].f1, 0);
    tn_metrics_free(&m);
    tn_scores_free(&s);
}

static void one_class_alone_leaves_auc_undefined(void **state) {
    (void)state;
    static const double p[] = {0.9, 0.4};
    static const int truth[] = {1, 1};
    tn_scores s = two_class(p, truth, 2);
    tn_metrics m;
    char text[32];
    assert_int_equal(tn_metrics_compute(&s, 1, 1, &m), TN_OK);
    assert_true(isnan(m.auc));
    assert_true(isnan(m.specificity));
    close_to(m.sensitivity, 0.5);
    close_to(m.balanced_accuracy, 0.5);
    assert_string_equal(tn_metric_text(m.auc, text), "null");
    tn_metrics_free(&m);
    tn_scores_free(&s);
}

static tn_scores random_scores(int classes, int n, uint32_t round) {
    tn_scores s;
    assert_int_equal(tn_scores_create(&s, classes, (size_t)n), TN_OK);
    tn_rng rng = tn_rng_stream(11, TN_RNG_SYNTH, round, 0, 0);
    for (int i = 0; i < n; i++) {
        float p[8], sum = 0;
        /* few distinct values: ties are common */
        for (int c = 0; c < classes; c++) sum += p[c] = (float)(1 + tn_rng_below(&rng, 6));
        for (int c = 0; c < classes; c++) p[c] /= sum;
        assert_int_equal(tn_scores_add(&s, p, (int)tn_rng_below(&rng, (uint32_t)classes)), TN_OK);
    }
    return s;
}

static double auc_by_pairs(const tn_scores *s, int c) {
    double won = 0, pairs = 0;
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->n; j++) {
            if (s->truth[i] != c || s->truth[j] == c) continue;
            float a = s->probability[i * (size_t)s->classes + (size_t)c];
            float b = s->probability[j * (size_t)s->classes + (size_t)c];
            won += a > b ? 1 : a == b ? 0.5 : 0;
            pairs++;
        }
    return won / pairs;
}

static void properties_on_random_data(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 50; round++) {
        int classes = 2 + (int)(round % 5), n = 40 + (int)round;
        tn_scores s = random_scores(classes, n, round);
        tn_metrics m;
        assert_int_equal(tn_metrics_compute(&s, (int)round % classes, classes, &m), TN_OK);
        close_to(m.top_accuracy, 1);
        size_t sum = 0, diagonal = 0;
        for (int t = 0; t < classes; t++) {
            for (int p = 0; p < classes; p++) sum += m.confusion[t * classes + p];
            diagonal += m.confusion[t * classes + t];
            if (m.by_class[t].truths) close_to(m.by_class[t].auc, auc_by_pairs(&s, t));
            double pr = m.by_class[t].precision, re = m.by_class[t].recall;
            if (pr + re > 0) close_to(m.by_class[t].f1, 2 * pr * re / (pr + re));
        }
        assert_int_equal(sum, m.n);
        close_to(m.accuracy, (double)diagonal / (double)m.n);
        if (classes == 2) close_to(m.balanced_accuracy, (m.sensitivity + m.specificity) / 2);
        tn_metrics_free(&m);
        tn_scores_free(&s);
    }
}

/* AUC depends on order alone, and turns over with the score. */
static void auc_is_a_rank_statistic(void **state) {
    (void)state;
    enum { N = 200 };
    float score[N], grown[N], turned[N];
    int truth[N];
    tn_rng rng = tn_rng_stream(5, TN_RNG_SYNTH, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        truth[i] = (int)tn_rng_below(&rng, 2);
        score[i] = (float)tn_rng_below(&rng, 30) + (float)truth[i] * 5;
        grown[i] = score[i] * score[i] + 3;
        turned[i] = -score[i];
    }
    double a, b, c;
    assert_int_equal(tn_auc(score, 1, truth, N, 1, &a), TN_OK);
    assert_int_equal(tn_auc(grown, 1, truth, N, 1, &b), TN_OK);
    assert_int_equal(tn_auc(turned, 1, truth, N, 1, &c), TN_OK);
    assert_true(a > 0.55 && a < 0.8);
    close_to(b, a);
    close_to(c, 1 - a);
}

static void top_k_counts_the_first_k(void **state) {
    (void)state;
    tn_scores s;
    assert_int_equal(tn_scores_create(&s, 3, 3), TN_OK);
    static const float p[3] = {0.4f, 0.3f, 0.3f};
    for (int t = 0; t < 3; t++) assert_int_equal(tn_scores_add(&s, p, t), TN_OK);
    for (int top = 1; top <= 3; top++) {
        tn_metrics m;
        assert_int_equal(tn_metrics_compute(&s, -1, top, &m), TN_OK);
        close_to(m.top_accuracy, top / 3.0);
        close_to(m.accuracy, 1 / 3.0);
        assert_true(isnan(m.sensitivity));
        tn_metrics_free(&m);
    }
    tn_scores_free(&s);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    tn_scores s;
    tn_metrics m;
    float good[2] = {0.5f, 0.5f}, bad[2] = {0.5f, NAN};
    assert_int_equal(tn_scores_create(&s, 2, 1), TN_OK);
    assert_int_equal(tn_metrics_compute(&s, 1, 1, &m), TN_FAIL);
    assert_int_equal(tn_scores_add(&s, good, 2), TN_FAIL);
    assert_int_equal(tn_scores_add(&s, bad, 1), TN_FAIL);
    assert_non_null(strstr(tn_error(), "sample 0: probability of class 1"));
    assert_int_equal(tn_scores_add(&s, good, 1), TN_OK);
    assert_int_equal(tn_scores_add(&s, good, 1), TN_FAIL);
    assert_int_equal(tn_metrics_compute(&s, 2, 1, &m), TN_FAIL);
    assert_int_equal(tn_metrics_compute(&s, 1, 3, &m), TN_FAIL);
    tn_scores_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_example),
        cmocka_unit_test(always_malignant_is_no_skill),
        cmocka_unit_test(one_class_alone_leaves_auc_undefined),
        cmocka_unit_test(properties_on_random_data),
        cmocka_unit_test(auc_is_a_rank_statistic),
        cmocka_unit_test(top_k_counts_the_first_k),
        cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

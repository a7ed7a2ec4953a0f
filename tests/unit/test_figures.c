/* Figures, baseline and assessment: published examples, hand-worked ones, training's metrics as a
 * second computation, and the edges where a figure is undefined. */
#include "src/eval/assessment.h"
#include "src/eval/delong.h"
#include "src/eval/metrics.h"

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

static const char *const names[] = {"benign", "malignant", "c", "d", "e"};

static void near(double got, double expected, double tolerance) {
    if (isnan(got) && isnan(expected)) return;
    if (!(fabs(got - expected) <= tolerance)) fail_msg("%.15g, expected %.15g", got, expected);
}

static tn_predictions two_class(const double *malignant, const int *truth, size_t n) {
    tn_predictions p;
    assert_int_equal(tn_predictions_create(&p, names, 2, 1), TN_OK);
    for (size_t i = 0; i < n; i++) {
        const double row[2] = {1 - malignant[i], malignant[i]};
        if (tn_predictions_add(&p, "x", truth[i], row) != TN_OK) fail_msg("%s", tn_error());
    }
    return p;
}

static tn_assessment assess(const tn_predictions *p, int positive, const int *cluster,
                            int resamples) {
    const tn_assess_options o = {.decision = tn_decision_default(positive),
                                 .cluster = cluster,
                                 .resamples = resamples,
                                 .seed = 3};
    tn_assessment a;
    if (tn_assess(p, &o, &a) != TN_OK) fail_msg("%s", tn_error());
    return a;
}

/* scikit-learn's documentation: brier_score_loss([0,1,1,0], [.1,.9,.8,.3]) = 0.037(5). */
static void brier(void **state) {
    (void)state;
    static const double score[] = {0.1, 0.9, 0.8, 0.3};
    static const int truth[] = {0, 1, 1, 0};
    tn_predictions p = two_class(score, truth, 4);
    tn_assessment a = assess(&p, 1, NULL, 0);
    near(a.figure[TN_FIGURE_BRIER], 0.0375, 1e-15);
    /* without a positive class, the sum over both: twice as much */
    tn_assessment b = assess(&p, -1, NULL, 0);
    near(b.figure[TN_FIGURE_BRIER], 0.075, 1e-15);
    tn_assessment_free(&a);
    tn_assessment_free(&b);
    tn_predictions_free(&p);
}

/* scikit-learn's documentation: matthews_corrcoef([1,1,1,-1], [1,-1,1,1]) = -0.33...; and the
 * multiclass one as R_K defines it, [2,0,2,2,0,1] against [0,0,2,2,0,2]: the correlation of the two
 * one-hot codes, worked out below. */
static void matthews(void **state) {
    (void)state;
    static const double score[] = {0.9, 0.1, 0.9, 0.9};
    static const int truth[] = {1, 1, 1, 0};
    tn_predictions p = two_class(score, truth, 4);
    tn_assessment a = assess(&p, 1, NULL, 0);
    near(a.figure[TN_FIGURE_MCC], -1.0 / 3, 1e-15);
    tn_assessment_free(&a);
    tn_predictions_free(&p);
    static const int t[] = {2, 0, 2, 2, 0, 1}, said[] = {0, 0, 2, 2, 0, 2};
    assert_int_equal(tn_predictions_create(&p, names, 3, 6), TN_OK);
    for (int i = 0; i < 6; i++) {
        double row[3] = {0.2, 0.2, 0.2};
        row[said[i]] = 0.6;
        assert_int_equal(tn_predictions_add(&p, "x", t[i], row), TN_OK);
    }
    a = assess(&p, -1, NULL, 0);
    /* truths 2,1,3: squares 14; answers 3,0,3: squares 18; products 6+0+9 = 15 */
    near(a.figure[TN_FIGURE_MCC], (4 * 6 - 15) / sqrt((36.0 - 14) * (36.0 - 18)), 1e-15);
    assert_true(isnan(a.figure[TN_FIGURE_SENSITIVITY]));
    near(a.figure[TN_FIGURE_BALANCED_ACCURACY], (1 + 0 + 2.0 / 3) / 3, 1e-15);
    assert_true(isnan(a.figure[TN_FIGURE_PRECISION])); /* class 1 was never answered */
    tn_assessment_free(&a);
    tn_predictions_free(&p);
}

/* 20 patients: TP 8, FN 2, FP 1, TN 9. At a prevalence of 1 %: PPV = .01*.8/(.01*.8+.99*.1), and
 * NPV likewise (Bayes). */
static void predictive_values(void **state) {
    (void)state;
    double score[20];
    int truth[20];
    for (int i = 0; i < 20; i++) {
        truth[i] = i < 10;
        score[i] = i < 8 || i == 19 ? 0.75 : 0.25;
    }
    tn_predictions p = two_class(score, truth, 20);
    tn_assess_options o = {.decision = tn_decision_default(1)};
    o.decision.prevalence = 0.01;
    tn_assessment a;
    assert_int_equal(tn_assess(&p, &o, &a), TN_OK);
    near(a.figure[TN_FIGURE_SENSITIVITY], 0.8, 1e-15);
    near(a.figure[TN_FIGURE_SPECIFICITY], 0.9, 1e-15);
    near(a.figure[TN_FIGURE_PRECISION], 8.0 / 9, 1e-15);
    near(a.figure[TN_FIGURE_NPV], 9.0 / 11, 1e-15);
    near(a.figure[TN_FIGURE_F1], 16.0 / 19, 1e-15);
    near(a.figure[TN_FIGURE_MCC], (8 * 9 - 1 * 2) / sqrt(9.0 * 10 * 10 * 11), 1e-15);
    near(a.figure[TN_FIGURE_PPV_AT], 0.008 / (0.008 + 0.099), 1e-15);
    near(a.figure[TN_FIGURE_NPV_AT], 0.891 / (0.891 + 0.002), 1e-15);
    tn_assessment_free(&a);
    /* another threshold moves answers, not ranks */
    o.decision.threshold = 0.2;
    assert_int_equal(tn_assess(&p, &o, &a), TN_OK);
    near(a.figure[TN_FIGURE_SENSITIVITY], 1, 0);
    near(a.figure[TN_FIGURE_SPECIFICITY], 0, 0);
    tn_assessment_free(&a);
    tn_predictions_free(&p);
}

/* Two bins of answers: three said with 0.9, of which two are right, and two with 0.6, one right. */
static void calibration_error(void **state) {
    (void)state;
    static const double score[] = {0.9, 0.9, 0.1, 0.6, 0.4};
    static const int truth[] = {1, 0, 0, 1, 1};
    tn_predictions p = two_class(score, truth, 5);
    tn_assessment a = assess(&p, 1, NULL, 0);
    near(a.figure[TN_FIGURE_ECE], 3.0 / 5 * (0.9 - 2.0 / 3) + 2.0 / 5 * (0.6 - 0.5), 1e-15);
    const tn_decision d = tn_decision_default(1);
    tn_evaluator *e;
    tn_reliability_bin bin[TN_ECE_BINS];
    assert_int_equal(tn_evaluator_create(&p, &d, &e), TN_OK);
    tn_evaluator_reliability(e, bin);
    assert_int_equal(bin[13].n, 3); /* (13/15, 14/15] */
    near(bin[13].accuracy, 2.0 / 3, 1e-15);
    near(bin[8].confidence, 0.6, 1e-15); /* 0.6 = 9/15 belongs to (8/15, 9/15] */
    assert_true(isnan(bin[0].accuracy));
    tn_evaluator_free(e);
    tn_assessment_free(&a);
    tn_predictions_free(&p);
}

static tn_predictions random_set(int classes, int n, uint32_t round) {
    tn_predictions p;
    assert_int_equal(tn_predictions_create(&p, names, classes, 0), TN_OK);
    tn_rng rng = tn_rng_stream(12, TN_RNG_SYNTH, round, 0, 0);
    for (int i = 0; i < n; i++) {
        float row[5], sum = 0;
        for (int c = 0; c < classes; c++) sum += row[c] = (float)(1 + tn_rng_below(&rng, 6));
        for (int c = 0; c < classes; c++) row[c] /= sum;
        const int truth = (int)tn_rng_below(&rng, (uint32_t)classes);
        assert_int_equal(tn_predictions_add_float(&p, "x", truth, row), TN_OK);
    }
    return p;
}

/* What training computes in another way, by other code. */
static void equals_metrics(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 60; round++) {
        const int classes = 2 + (int)round % 4, positive = (int)round % (classes + 1) - 1;
        tn_predictions p = random_set(classes, 30 + (int)round, round);
        tn_assessment a = assess(&p, positive, NULL, 0);
        tn_scores s;
        tn_metrics m;
        assert_int_equal(tn_scores_create(&s, classes, p.n), TN_OK);
        for (size_t i = 0; i < p.n; i++) {
            float row[5];
            for (int c = 0; c < classes; c++)
                row[c] = (float)p.probability[i * (size_t)classes + (size_t)c];
            assert_int_equal(tn_scores_add(&s, row, p.truth[i]), TN_OK);
        }
        assert_int_equal(tn_metrics_compute(&s, positive, 2, &m), TN_OK);
        near(a.figure[TN_FIGURE_LOSS], m.loss, 1e-12);
        near(a.figure[TN_FIGURE_ACCURACY], m.accuracy, 1e-15);
        near(a.figure[TN_FIGURE_BALANCED_ACCURACY], m.balanced_accuracy, 1e-12);
        near(a.figure[TN_FIGURE_F1], m.f1, 1e-12);
        near(a.figure[TN_FIGURE_AUC], m.auc, 1e-12);
        near(a.figure[TN_FIGURE_SENSITIVITY], m.sensitivity, 1e-15);
        near(a.figure[TN_FIGURE_SPECIFICITY], m.specificity, 1e-15);
        near(tn_top_accuracy(&p, 2), m.top_accuracy, 1e-15);
        assert_memory_equal(a.confusion, m.confusion,
                            (size_t)(classes * classes) * sizeof *m.confusion);
        for (int c = 0; c < classes; c++) near(a.by_class[c].auc, m.by_class[c].auc, 1e-12);
        tn_metrics_free(&m);
        tn_scores_free(&s);
        tn_assessment_free(&a);
        tn_predictions_free(&p);
    }
}

/* DDTI's graded images: always "malignant" is right in 288 of 349, F1 2*288/(349+288) = 0.904. */
static void the_trivial_answer(void **state) {
    (void)state;
    static double score[349];
    static int truth[349];
    for (int i = 0; i < 349; i++) {
        score[i] = 288.0 / 349;
        truth[i] = i >= 61;
    }
    tn_predictions p = two_class(score, truth, 349);
    tn_assessment a = assess(&p, 1, NULL, 50);
    const tn_baseline b = tn_baseline_of(&a, NAN);
    assert_int_equal(b.answer, 1);
    near(b.figure[TN_FIGURE_ACCURACY], 0.825, 5e-4);
    near(b.figure[TN_FIGURE_F1], 0.904, 5e-4);
    /* a net that always gives the shares is the baseline, in every figure */
    for (int f = 0; f < TN_FIGURES; f++)
        if (!isnan(b.figure[f])) near(a.figure[f], b.figure[f], 1e-12);
    assert_true(isnan(b.figure[TN_FIGURE_MCC]) && isnan(a.figure[TN_FIGURE_MCC]));
    /* and nothing about it is certain: 61 and 288 of one kind are no proof (Clopper, Pearson) */
    assert_false(tn_interval_is(a.interval[TN_FIGURE_AUC]));
    near(a.interval[TN_FIGURE_SENSITIVITY].low, pow(0.025, 1.0 / 288), 1e-12);
    near(a.interval[TN_FIGURE_SPECIFICITY].high, 1 - pow(0.025, 1.0 / 61), 1e-12);
    tn_assessment_free(&a);
    tn_predictions_free(&p);
}

static void the_edges(void **state) {
    (void)state;
    static const double score[] = {0.9, 0.4};
    static const int both[] = {1, 1};
    tn_predictions p = two_class(score, both, 2);
    tn_assessment a = assess(&p, 1, NULL, 100);
    static const tn_figure undefined[] = {TN_FIGURE_SPECIFICITY, TN_FIGURE_AUC,
                                          TN_FIGURE_SPECIFICITY_90, TN_FIGURE_MCC};
    for (size_t i = 0; i < sizeof undefined / sizeof *undefined; i++) {
        assert_true(isnan(a.figure[undefined[i]]));
        assert_false(tn_interval_is(a.interval[undefined[i]]));
    }
    near(a.figure[TN_FIGURE_SENSITIVITY], 0.5, 0);
    assert_true(isnan(tn_baseline_of(&a, NAN).figure[TN_FIGURE_AUC]));
    tn_assessment_free(&a);
    tn_predictions_free(&p);
    /* one image */
    p = two_class(score, both, 1);
    a = assess(&p, 1, NULL, 100);
    near(a.figure[TN_FIGURE_ACCURACY], 1, 0);
    near(a.interval[TN_FIGURE_ACCURACY].low, 0.025, 1e-15);
    assert_false(tn_interval_is(a.interval[TN_FIGURE_LOSS]));
    tn_assessment_free(&a);
    tn_predictions_free(&p);
    /* none */
    assert_int_equal(tn_predictions_create(&p, names, 2, 0), TN_OK);
    const tn_assess_options o = {.decision = tn_decision_default(1)};
    assert_int_equal(tn_assess(&p, &o, &a), TN_FAIL);
    tn_predictions_free(&p);
}

/* The images of a case, each there four times, are no more evidence than once each. */
static void cases_count_once(void **state) {
    (void)state;
    enum { CASES = 80, COPIES = 4 };
    double score[CASES * COPIES];
    int truth[CASES * COPIES], cluster[CASES * COPIES];
    tn_rng rng = tn_rng_stream(4, TN_RNG_SYNTH, 0, 0, 0);
    for (int i = 0; i < CASES * COPIES; i++) {
        cluster[i] = i / COPIES;
        truth[i] = cluster[i] % 2;
        score[i] = i % COPIES ? score[i - 1] : (double)(1 + tn_rng_below(&rng, 98)) / 100;
    }
    tn_predictions p = two_class(score, truth, CASES * COPIES);
    tn_assessment naive = assess(&p, 1, NULL, 2000), honest = assess(&p, 1, cluster, 2000);
    assert_int_equal(honest.clusters, CASES);
    assert_int_equal(honest.fewest, CASES / 2);
    assert_int_equal(naive.clusters, CASES * COPIES);
    static const tn_figure shown[] = {TN_FIGURE_AUC, TN_FIGURE_ACCURACY, TN_FIGURE_BRIER,
                                      TN_FIGURE_SENSITIVITY, TN_FIGURE_AVERAGE_PRECISION};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        const tn_interval a = naive.interval[shown[i]], b = honest.interval[shown[i]];
        const double wider = (b.high - b.low) / (a.high - a.low);
        if (!(wider > 1.8 && wider < 2.2)) fail_msg("%s: %g", tn_figure_key(shown[i]), wider);
    }
    tn_assessment_free(&naive);
    tn_assessment_free(&honest);
    tn_predictions_free(&p);
}

/* The drop's variance is the sum of both. */
static void drop(void **state) {
    (void)state;
    tn_predictions a = random_set(2, 400, 900), b = random_set(2, 300, 901);
    tn_assess_options o = {.decision = tn_decision_default(1), .resamples = 2000};
    tn_assessment x = assess(&a, 1, NULL, 2000), y = assess(&b, 1, NULL, 2000);
    tn_drop d[TN_FIGURES];
    assert_int_equal(tn_assess_drop(&a, NULL, &b, NULL, &o, d), TN_OK);
    static const tn_figure shown[] = {TN_FIGURE_AUC, TN_FIGURE_ACCURACY, TN_FIGURE_BRIER};
    for (size_t i = 0; i < 3; i++) {
        const tn_figure f = shown[i];
        near(d[f].drop, x.figure[f] - y.figure[f], 1e-15);
        const double p = x.interval[f].high - x.interval[f].low;
        const double q = y.interval[f].high - y.interval[f].low;
        const double both = d[f].interval.high - d[f].interval.low;
        near(both / sqrt(p * p + q * q), 1, f == TN_FIGURE_AUC ? 1e-9 : 0.08);
    }
    tn_assessment_free(&x);
    tn_assessment_free(&y);
    tn_predictions_free(&a);
    tn_predictions_free(&b);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    tn_predictions p = random_set(2, 10, 7);
    tn_evaluator *e;
    tn_decision d = tn_decision_default(2);
    assert_int_equal(tn_evaluator_create(&p, &d, &e), TN_FAIL);
    assert_null(e);
    d = tn_decision_default(-1);
    d.threshold = 0.5;
    assert_int_equal(tn_evaluator_create(&p, &d, &e), TN_FAIL);
    d = tn_decision_default(1);
    d.prevalence = 1.5;
    assert_int_equal(tn_evaluator_create(&p, &d, &e), TN_FAIL);
    tn_predictions_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brier),
        cmocka_unit_test(matthews),
        cmocka_unit_test(predictive_values),
        cmocka_unit_test(calibration_error),
        cmocka_unit_test(equals_metrics),
        cmocka_unit_test(the_trivial_answer),
        cmocka_unit_test(the_edges),
        cmocka_unit_test(cases_count_once),
        cmocka_unit_test(drop),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

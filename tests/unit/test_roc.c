/* Rank figures and DeLong's variances: published examples, and a direct computation that compares
 * every positive with every negative. */
#include "src/eval/delong.h"
#include "src/eval/roc.h"

#include "layers/device/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void near(double got, double expected, double tolerance) {
    if (isnan(got) && isnan(expected)) return;
    if (!(fabs(got - expected) <= tolerance)) fail_msg("%.15g, expected %.15g", got, expected);
}

static tn_ranking_figures figures(const double *score, const int *truth, size_t n) {
    tn_ranking r;
    assert_int_equal(tn_ranking_create(score, 1, truth, 1, n, &r), TN_OK);
    const tn_ranking_figures f = tn_ranking_summary(&r, NULL);
    tn_ranking_free(&r);
    return f;
}

/* The example of scikit-learn's documentation of roc_auc_score (0.75) and
 * average_precision_score (0.83...). */
static void four_samples(void **state) {
    (void)state;
    static const double score[] = {0.1, 0.4, 0.35, 0.8};
    static const int truth[] = {0, 0, 1, 1};
    const tn_ranking_figures f = figures(score, truth, 4);
    near(f.auc, 0.75, 1e-15);
    near(f.average_precision, (1.0 + 2.0 / 3) / 2, 1e-15);
    near(f.specificity_90, 0.5, 1e-15);
}

/* Ratings of 109 CT images: J. A. Hanley, B. J. McNeil, Radiology 143, 1982, table I. Stata's
 * reference manual (roctab) gives for them an area of 0.8932, DeLong's standard error 0.0307 and
 * the interval 0.83295 to 0.95339. */
static void hanley_mcneil(void **state) {
    (void)state;
    static const int normal[] = {33, 6, 6, 11, 2}, abnormal[] = {3, 2, 2, 11, 33};
    double score[109];
    int truth[109];
    size_t n = 0;
    for (int rating = 0; rating < 5; rating++)
        for (int kind = 0; kind < 2; kind++)
            for (int i = 0; i < (kind ? abnormal : normal)[rating]; i++) {
                score[n] = rating + 1;
                truth[n++] = kind;
            }
    assert_int_equal(n, 109);
    const double *scores[] = {score};
    double auc, variance;
    assert_int_equal(tn_delong(scores, 1, 1, truth, 1, NULL, n, &auc, &variance), TN_OK);
    near(auc, 0.8932, 5e-5);
    near(auc, figures(score, truth, n).auc, 1e-15);
    near(sqrt(variance), 0.0307, 5e-5);
    const tn_interval interval = tn_delong_interval(auc, variance);
    near(interval.low, 0.83295, 5e-6);
    near(interval.high, 0.95339, 5e-6);
}

/* ---- everything against pairs ---- */

enum { N = 60, SCORES = 3 };

typedef struct world {
    double score[SCORES][N];
    int truth[N], cluster[N];
} world;

/* Few distinct scores, so that ties are common; clusters of about three, of both kinds. */
static world draw_world(uint32_t round) {
    world w;
    tn_rng rng = tn_rng_stream(5, TN_RNG_SYNTH, round, 0, 0);
    for (int i = 0; i < N; i++) {
        w.truth[i] = tn_rng_below(&rng, 3) == 0;
        w.cluster[i] = (int)tn_rng_below(&rng, N / 3);
        for (int s = 0; s < SCORES; s++)
            w.score[s][i] = (double)(tn_rng_below(&rng, 8) + 3 * (uint32_t)w.truth[i]) / 16;
    }
    return w;
}

static double won(double positive, double negative) {
    return positive > negative ? 1 : positive == negative ? 0.5 : 0;
}

/* Structural components as the papers define them, by looking at each pair. */
static double components(const world *w, int s, double v[N]) {
    double auc = 0, m = 0, n = 0;
    for (int i = 0; i < N; i++) *(w->truth[i] ? &m : &n) += 1;
    for (int i = 0; i < N; i++) {
        v[i] = 0;
        for (int j = 0; j < N; j++) {
            if (w->truth[i] == w->truth[j]) continue;
            v[i] += w->truth[i] ? won(w->score[s][i], w->score[s][j])
                                : won(w->score[s][j], w->score[s][i]);
        }
        if (w->truth[i]) auc += v[i];
        v[i] /= w->truth[i] ? n : m;
    }
    return auc / (m * n);
}

/* Sums over pairs of samples of one cluster; cluster NULL: pairs of a sample with itself. */
static double direct_covariance(const world *w, const int *cluster, int a, int b) {
    double va[N], vb[N], m = 0, n = 0, s10 = 0, s01 = 0, s11 = 0;
    const double auc_a = components(w, a, va), auc_b = components(w, b, vb);
    int with[2][N] = {{0}}, any[N] = {0};
    for (int i = 0; i < N; i++) {
        *(w->truth[i] ? &m : &n) += 1;
        with[w->truth[i]][cluster ? cluster[i] : i] = any[cluster ? cluster[i] : i] = 1;
        for (int j = 0; j < N; j++) {
            if (cluster ? cluster[i] != cluster[j] : i != j) continue;
            const double product = (va[i] - auc_a) * (vb[j] - auc_b);
            *(w->truth[i] != w->truth[j] ? &s11 : w->truth[i] ? &s10 : &s01) += product;
        }
    }
    double positives = 0, negatives = 0, all = 0;
    for (int c = 0; c < N; c++) positives += with[1][c], negatives += with[0][c], all += any[c];
    return positives / (positives - 1) * s10 / (m * m) +
           negatives / (negatives - 1) * s01 / (n * n) + all / (all - 1) * s11 / (m * n);
}

static void delong_by_pairs(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        const world w = draw_world(round);
        const double *score[] = {w.score[0], w.score[1], w.score[2]};
        for (int clustered = 0; clustered < 2; clustered++) {
            const int *cluster = clustered ? w.cluster : NULL;
            double auc[SCORES], covariance[SCORES * SCORES], v[N];
            assert_int_equal(tn_delong(score, SCORES, 1, w.truth, 1, cluster, N, auc, covariance),
                             TN_OK);
            for (int a = 0; a < SCORES; a++) {
                near(auc[a], components(&w, a, v), 1e-13);
                near(auc[a], figures(w.score[a], w.truth, N).auc, 1e-13);
                for (int b = 0; b < SCORES; b++)
                    near(covariance[a * SCORES + b], direct_covariance(&w, cluster, a, b), 1e-13);
            }
        }
    }
}

/* Copies of each sample in one cluster tell no more than one of them: the variance stays. */
static void copies_add_nothing(void **state) {
    (void)state;
    const world w = draw_world(3);
    double score[3 * N], auc, once, thrice, naive;
    int truth[3 * N], cluster[3 * N];
    for (int i = 0; i < 3 * N; i++) {
        score[i] = w.score[0][i % N];
        truth[i] = w.truth[i % N];
        cluster[i] = i % N;
    }
    const double *scores[] = {score};
    assert_int_equal(tn_delong(scores, 1, 1, truth, 1, NULL, N, &auc, &once), TN_OK);
    assert_int_equal(tn_delong(scores, 1, 1, truth, 1, cluster, 3 * N, &auc, &thrice), TN_OK);
    assert_int_equal(tn_delong(scores, 1, 1, truth, 1, NULL, 3 * N, &auc, &naive), TN_OK);
    near(thrice, once, 1e-14);
    assert_true(naive < once / 2);
}

static void thresholds_by_trying(void **state) {
    (void)state;
    static const double wanted[] = {0.05, 0.5, 0.9, 0.95, 1};
    for (uint32_t round = 0; round < 40; round++) {
        const world w = draw_world(100 + round);
        tn_ranking r;
        assert_int_equal(tn_ranking_create(w.score[0], 1, w.truth, 1, N, &r), TN_OK);
        const tn_ranking_figures f = tn_ranking_summary(&r, NULL);
        for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
            tn_threshold t;
            assert_int_equal(tn_ranking_threshold(&r, wanted[k], &t), TN_OK);
            double best = -1, tp = 0, fp = 0;
            for (int c = 0; c < N; c++) {
                double p = 0, q = 0;
                for (int i = 0; i < N; i++)
                    if (w.score[0][i] >= w.score[0][c]) *(w.truth[i] ? &p : &q) += 1;
                const double specificity = 1 - q / (double)t.negatives;
                if (p / (double)t.positives >= wanted[k] - 1e-12 && specificity > best)
                    best = specificity;
            }
            for (int i = 0; i < N; i++)
                if (w.score[0][i] >= t.value) *(w.truth[i] ? &tp : &fp) += 1;
            near(t.specificity, best, 1e-12);
            near(t.sensitivity, tp / (double)t.positives, 1e-12);
            near(t.specificity, 1 - fp / (double)t.negatives, 1e-12);
            if (wanted[k] == 0.9) near(f.specificity_90, best, 1e-12);
            if (wanted[k] == 0.95) near(f.specificity_95, best, 1e-12);
        }
        tn_ranking_free(&r);
    }
}

/* Counting a sample twice is having it twice. */
static void times_are_copies(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 20; round++) {
        const world w = draw_world(200 + round);
        uint32_t times[N];
        double score[4 * N];
        int truth[4 * N];
        size_t n = 0;
        tn_rng rng = tn_rng_stream(6, TN_RNG_SYNTH, round, 0, 0);
        for (int i = 0; i < N; i++) {
            times[i] = tn_rng_below(&rng, 4);
            for (uint32_t k = 0; k < times[i]; k++) {
                score[n] = w.score[0][i];
                truth[n++] = w.truth[i];
            }
        }
        tn_ranking r;
        assert_int_equal(tn_ranking_create(w.score[0], 1, w.truth, 1, N, &r), TN_OK);
        const tn_ranking_figures a = tn_ranking_summary(&r, times), b = figures(score, truth, n);
        near(a.auc, b.auc, 1e-14);
        near(a.average_precision, b.average_precision, 1e-13);
        near(a.specificity_90, b.specificity_90, 1e-14);
        near(a.specificity_95, b.specificity_95, 1e-14);
        tn_ranking_free(&r);
    }
}

static void the_edges(void **state) {
    (void)state;
    static const double equal[] = {0.5, 0.5, 0.5, 0.5}, apart[] = {0.1, 0.2, 0.8, 0.9};
    static const int both[] = {0, 0, 1, 1}, none[] = {0, 0, 0, 0}, all[] = {1, 1, 1, 1};
    static const int one[] = {0, 0, 0, 1};
    double auc, variance;
    const double *score[] = {equal};
    near(figures(equal, both, 4).auc, 0.5, 0);
    near(figures(equal, both, 4).specificity_90, 0, 0);
    near(figures(apart, both, 4).auc, 1, 0);
    for (int k = 0; k < 2; k++) {
        const tn_ranking_figures f = figures(apart, k ? all : none, 4);
        assert_true(isnan(f.auc) && isnan(f.specificity_95));
        assert_int_equal(tn_delong(score, 1, 1, k ? all : none, 1, NULL, 4, &auc, &variance),
                         TN_OK);
        assert_true(isnan(auc) && isnan(variance));
        assert_false(tn_interval_is(tn_delong_interval(auc, variance)));
    }
    assert_true(isnan(figures(apart, none, 4).average_precision));
    near(figures(apart, all, 4).average_precision, 1, 0);
    assert_true(isnan(figures(apart, both, 0).auc));
    assert_true(isnan(figures(apart, both, 1).auc));
    /* one positive says nothing about how positives differ */
    assert_int_equal(tn_delong(score, 1, 1, one, 1, NULL, 4, &auc, &variance), TN_OK);
    assert_true(isnan(variance));
    /* a perfect ranking, and a score that says nothing, have no spread: no interval */
    score[0] = apart;
    assert_int_equal(tn_delong(score, 1, 1, both, 1, NULL, 4, &auc, &variance), TN_OK);
    near(auc, 1, 0);
    assert_false(tn_interval_is(tn_delong_interval(auc, variance)));
    tn_ranking r;
    static const double bad[] = {0.1, NAN};
    assert_int_equal(tn_ranking_create(bad, 1, both, 1, 2, &r), TN_FAIL);
    assert_non_null(strstr(tn_error(), "sample 1"));
    tn_threshold t;
    assert_int_equal(tn_ranking_create(apart, 1, none, 1, 4, &r), TN_OK);
    assert_int_equal(tn_ranking_threshold(&r, 0.9, &t), TN_FAIL);
    tn_ranking_free(&r);
    assert_int_equal(tn_ranking_create(apart, 1, both, 1, 4, &r), TN_OK);
    assert_int_equal(tn_ranking_threshold(&r, 0, &t), TN_FAIL);
    assert_int_equal(tn_ranking_threshold(&r, 1.01, &t), TN_FAIL);
    tn_ranking_free(&r);
}

static void the_curve(void **state) {
    (void)state;
    static const double score[] = {0.3, 0.9, 0.3, 0.1};
    static const int truth[] = {1, 1, 0, 0};
    double threshold[5];
    size_t tp[5], fp[5];
    tn_ranking r;
    assert_int_equal(tn_ranking_create(score, 1, truth, 1, 4, &r), TN_OK);
    assert_int_equal(tn_ranking_curve(&r, threshold, tp, fp), 4);
    static const size_t expected_tp[] = {0, 1, 2, 2}, expected_fp[] = {0, 0, 1, 2};
    assert_memory_equal(tp, expected_tp, sizeof expected_tp);
    assert_memory_equal(fp, expected_fp, sizeof expected_fp);
    near(threshold[2], 0.3, 0);
    tn_ranking_free(&r);
}

static void p_values(void **state) {
    (void)state;
    near(tn_normal_p(1.959963984540054, 1), 0.05, 1e-12);
    near(tn_normal_p(-2.5758293035489, 1), 0.01, 1e-12);
    near(tn_normal_p(0, 1), 1, 0);
    assert_true(isnan(tn_normal_p(1, 0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_samples),
        cmocka_unit_test(hanley_mcneil),
        cmocka_unit_test(delong_by_pairs),
        cmocka_unit_test(copies_add_nothing),
        cmocka_unit_test(thresholds_by_trying),
        cmocka_unit_test(times_are_copies),
        cmocka_unit_test(the_edges),
        cmocka_unit_test(the_curve),
        cmocka_unit_test(p_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The bootstrap against cases whose answer is known, and what it promises: strata kept, clusters
 * whole, the same with any number of threads. */
#include "src/eval/interval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { N = 400 };

static tn_status mean_of(const void *context, const uint32_t *times, double *figure) {
    const double *value = context;
    double sum = 0, n = 0;
    for (int i = 0; i < N; i++) {
        sum += times[i] * value[i];
        n += times[i];
    }
    figure[0] = sum / n;
    figure[1] = n;
    figure[2] = NAN;
    return TN_OK;
}

/* The resampled mean of n values has their standard deviation / sqrt(n) as its own: 95 % lie within
 * 1.96 of it, by the central limit theorem. */
static void the_mean(void **state) {
    (void)state;
    double value[N], mean = 0, square = 0, draws[3 * 4000];
    int truth[N] = {0};
    for (int i = 0; i < N; i++) {
        value[i] = sin(i * 12.9898) + 0.3 * cos(i * 78.233);
        mean += value[i] / N;
    }
    for (int i = 0; i < N; i++) square += (value[i] - mean) * (value[i] - mean) / N;
    const double error = sqrt(square / N);
    tn_resampler r;
    tn_interval interval[3];
    assert_int_equal(tn_resampler_create(truth, 1, NULL, N, 1, &r), TN_OK);
    assert_int_equal(tn_bootstrap(&r, 4000, 3, mean_of, value, interval, draws), TN_OK);
    double m = 0, v = 0;
    for (int i = 0; i < 4000; i++) m += draws[i] / 4000;
    for (int i = 0; i < 4000; i++) v += (draws[i] - m) * (draws[i] - m) / 4000;
    assert_true(fabs(m - mean) < 4 * error / sqrt(4000));
    assert_true(fabs(sqrt(v) / error - 1) < 0.04);
    assert_true(fabs((interval[0].high - mean) / error - 1.96) < 0.15);
    assert_true(fabs((mean - interval[0].low) / error - 1.96) < 0.15);
    /* what is the same in every resample, or undefined, has no interval */
    assert_false(tn_interval_is(interval[1]));
    assert_false(tn_interval_is(interval[2]));
    tn_resampler_free(&r);
}

static void strata_and_clusters(void **state) {
    (void)state;
    int truth[N], cluster[N];
    uint32_t times[N];
    for (int i = 0; i < N; i++) {
        truth[i] = i % 100 < 20;     /* clusters of ten: two of each ten are positive */
        cluster[i] = 7 + i / 10 * 3; /* numbers with gaps */
    }
    truth[5] = 1 - truth[5]; /* one cluster of both kinds: a stratum of its own */
    tn_resampler r;
    assert_int_equal(tn_resampler_create(truth, 2, cluster, N, 9, &r), TN_OK);
    assert_int_equal(r.clusters, 40);
    assert_int_equal(r.strata, 3);
    assert_int_equal(r.fewest, 7);
    double drawn[40] = {0};
    for (uint32_t d = 0; d < 3000; d++) {
        int n[2] = {0, 0};
        tn_resample(&r, d, times);
        for (int i = 0; i < N; i++) {
            n[truth[i]] += (int)times[i];
            assert_int_equal(times[i], times[i / 10 * 10]);
            if (i % 10 == 0) drawn[i / 10] += times[i];
        }
        assert_int_equal(n[0], 32 * 10 + 1);
        assert_int_equal(n[1], 7 * 10 + 9);
    }
    for (int c = 0; c < 40; c++) /* each once on average */
        if (fabs(drawn[c] / 3000 - 1) > 0.1) fail_msg("cluster %d: %g", c, drawn[c] / 3000);
    tn_resampler_free(&r);
}

static void threads_change_nothing(void **state) {
    (void)state;
    double value[N], a[3 * 300], b[3 * 300], c[3 * 300];
    int truth[N];
    for (int i = 0; i < N; i++) {
        value[i] = cos(i);
        truth[i] = i % 3;
    }
    tn_interval interval[3];
    double *out[] = {a, b, c};
    for (int k = 0; k < 3; k++) {
        tn_resampler r;
#ifdef _OPENMP
        omp_set_num_threads(k == 1 ? 3 : 1);
#endif
        assert_int_equal(tn_resampler_create(truth, 3, NULL, N, k == 2 ? 6 : 5, &r), TN_OK);
        assert_int_equal(tn_bootstrap(&r, 300, 3, mean_of, value, interval, out[k]), TN_OK);
        tn_resampler_free(&r);
    }
    assert_memory_equal(a, b, 600 * sizeof *a);
    assert_memory_not_equal(a, c, 300 * sizeof *a);
}

/* numpy.percentile([1..5, 10], [2.5, 97.5]) = 1.125, 9.375 */
static void percentiles(void **state) {
    (void)state;
    double value[] = {10, 3, 1, 2, 5, 4};
    const tn_interval i = tn_percentiles(value, 6);
    assert_true(fabs(i.low - 1.125) < 1e-12 && fabs(i.high - 9.375) < 1e-12);
    double alike[] = {2, 2, 2}, undefined[] = {1, NAN, 2};
    assert_false(tn_interval_is(tn_percentiles(alike, 3)));
    assert_false(tn_interval_is(tn_percentiles(undefined, 3)));
    assert_false(tn_interval_is(tn_percentiles(alike, 0)));
    double few[40] = {NAN};
    for (int k = 1; k < 40; k++) few[k] = k;
    assert_true(tn_interval_is(tn_percentiles(few, 40)));
}

/* Nobody of 30: the exact upper limit is 0.1157 (Clopper and Pearson's; the "rule of three" of
 * one-sided limits gives 0.1). */
static void edges(void **state) {
    (void)state;
    assert_true(fabs(tn_interval_at_edge(0, 30).high - 0.1157) < 5e-5);
    assert_true(tn_interval_at_edge(0, 30).low == 0);
    assert_true(fabs(tn_interval_at_edge(1, 30).low - 0.8843) < 5e-5);
    assert_false(tn_interval_is(tn_interval_at_edge(0.5, 30)));
    assert_false(tn_interval_is(tn_interval_at_edge(1, 0)));
}

static tn_status fails(const void *context, const uint32_t *times, double *figure) {
    (void)context, (void)times, (void)figure;
    return tn_fail("not today");
}

static void failures_are_told(void **state) {
    (void)state;
    int truth[3] = {0, 1, 1}, bad[3] = {0, -1, 2};
    tn_resampler r;
    tn_interval interval;
    assert_int_equal(tn_resampler_create(truth, 2, bad, 3, 0, &r), TN_FAIL);
    assert_int_equal(tn_resampler_create(truth, 2, NULL, 3, 0, &r), TN_OK);
    assert_int_equal(tn_bootstrap(&r, 10, 1, fails, NULL, &interval, NULL), TN_FAIL);
    assert_string_equal(tn_error(), "not today");
    tn_resampler_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean),    cmocka_unit_test(strata_and_clusters),
        cmocka_unit_test(percentiles), cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(edges),       cmocka_unit_test(failures_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "src/eval/interval.h"

#include "layers/device/rng.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const tn_interval tn_interval_none = {NAN, NAN};

bool tn_interval_is(tn_interval interval) {
    return !isnan(interval.low) && !isnan(interval.high);
}

/* ---- clusters and strata ---- */

/* Clusters numbered anew, without gaps, in the order of their first sample; index[old] = new. */
static tn_status number_clusters(const int *cluster, size_t n, int **of_sample, int *clusters) {
    int most = -1;
    for (size_t i = 0; i < n; i++) {
        if (cluster && cluster[i] < 0)
            return tn_fail("bootstrap: cluster %d of sample %zu", cluster[i], i);
        if (cluster && cluster[i] > most) most = cluster[i];
    }
    int *index = calloc((size_t)most + 2, sizeof *index), *of = calloc(n + 1, sizeof *of);
    *clusters = 0;
    for (size_t i = 0; index && of && i < n; i++) {
        if (!cluster) {
            of[i] = (*clusters)++;
            continue;
        }
        if (!index[cluster[i]]) index[cluster[i]] = ++*clusters;
        of[i] = index[cluster[i]] - 1;
    }
    const bool ok = index && of;
    free(index);
    if (!ok) free(of);
    *of_sample = ok ? of : NULL;
    return ok ? TN_OK : tn_fail("bootstrap: out of memory for %zu samples", n);
}

/* stratum[c]: the class of cluster c's samples, `classes` when they have several. */
static void find_strata(const int *truth, int classes, const int *of_sample, size_t n, int clusters,
                        int *stratum) {
    for (int c = 0; c < clusters; c++) stratum[c] = -1;
    for (size_t i = 0; i < n; i++) {
        int *s = &stratum[of_sample[i]];
        *s = *s < 0 || *s == truth[i] ? truth[i] : classes;
    }
}

static void sort_members(tn_resampler *r, const int *stratum, int classes) {
    int at = 0;
    r->strata = 0;
    r->fewest = INT_MAX;
    for (int s = 0; s <= classes; s++) {
        const int begin = at;
        for (int c = 0; c < r->clusters; c++)
            if (stratum[c] == s) r->member[at++] = c;
        if (at == begin) continue;
        r->stratum_start[r->strata++] = begin;
        if (s < classes && at - begin < r->fewest) r->fewest = at - begin;
    }
    r->stratum_start[r->strata] = at;
}

static void sort_samples(tn_resampler *r, const int *of_sample) {
    for (size_t i = 0; i < r->n; i++) r->start[of_sample[i] + 1]++;
    for (int c = 0; c < r->clusters; c++) r->start[c + 1] += r->start[c];
    for (size_t i = 0; i < r->n; i++) r->sample[r->start[of_sample[i]]++] = (uint32_t)i;
    for (int c = r->clusters; c > 0; c--) r->start[c] = r->start[c - 1];
    r->start[0] = 0;
}

static tn_status build(tn_resampler *r, const int *truth, int classes, const int *of_sample) {
    int *stratum = calloc((size_t)r->clusters + 1, sizeof *stratum);
    r->stratum_start = calloc((size_t)classes + 2, sizeof *r->stratum_start);
    r->member = calloc((size_t)r->clusters + 1, sizeof *r->member);
    r->start = calloc((size_t)r->clusters + 1, sizeof *r->start);
    r->sample = calloc(r->n + 1, sizeof *r->sample);
    const bool ok = stratum && r->stratum_start && r->member && r->start && r->sample;
    if (ok) {
        find_strata(truth, classes, of_sample, r->n, r->clusters, stratum);
        sort_members(r, stratum, classes);
        sort_samples(r, of_sample);
    }
    free(stratum);
    return ok ? TN_OK : tn_fail("bootstrap: out of memory for %zu samples", r->n);
}

tn_status tn_resampler_create(const int *truth, int classes, const int *cluster, size_t n,
                              uint64_t seed, tn_resampler *out) {
    *out = (tn_resampler){.n = n, .seed = seed};
    if (n >= INT_MAX) return tn_fail("bootstrap: %zu samples are too many", n);
    int *of_sample;
    TN_TRY(number_clusters(cluster, n, &of_sample, &out->clusters));
    const tn_status status = build(out, truth, classes, of_sample);
    free(of_sample);
    if (status != TN_OK) tn_resampler_free(out);
    return status;
}

void tn_resampler_free(tn_resampler *r) {
    free(r->stratum_start);
    free(r->member);
    free(r->start);
    free(r->sample);
    *r = (tn_resampler){0};
}

void tn_resample(const tn_resampler *r, uint32_t draw, uint32_t *times) {
    for (size_t i = 0; i < r->n; i++) times[i] = 0;
    for (int s = 0; s < r->strata; s++) {
        const int begin = r->stratum_start[s], count = r->stratum_start[s + 1] - begin;
        tn_rng rng = tn_rng_stream(r->seed, TN_RNG_RESAMPLE, draw, (uint32_t)s, 0);
        for (int i = 0; i < count; i++) {
            const int c = r->member[begin + (int)tn_rng_below(&rng, (uint32_t)count)];
            for (size_t k = r->start[c]; k < r->start[c + 1]; k++) times[r->sample[k]]++;
        }
    }
}

/* ---- percentiles ---- */

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

/* Interpolated between neighbours (definition 7 of Hyndman and Fan, 1996). */
static double quantile(const double *sorted, size_t n, double share) {
    const double at = share * (double)(n - 1);
    const size_t below = (size_t)at;
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

tn_interval tn_percentiles(double *values, size_t n) {
    qsort(values, n, sizeof *values, ascending);
    size_t defined = n;
    while (defined && isnan(values[defined - 1])) defined--;
    if (defined == 0 || n - defined > n / 20) return tn_interval_none;
    const double spread = values[defined - 1] - values[0];
    if (!(spread > 1e-12 * fabs(values[0]))) return tn_interval_none;
    return (tn_interval){quantile(values, defined, 0.025), quantile(values, defined, 0.975)};
}

tn_interval tn_interval_at_edge(double share, int units) {
    if (units < 1 || (share != 0 && share != 1)) return tn_interval_none;
    const double far = pow(0.025, 1.0 / units);
    return share == 1 ? (tn_interval){far, 1} : (tn_interval){0, 1 - far};
}

/* ---- drawing ---- */

/* value[d * figures + f] */
static tn_status draw_all(const tn_resampler *r, int draws, int figures, tn_statistic_fn *statistic,
                          const void *context, double *value) {
    char message[1024] = "";
#pragma omp parallel
    {
        uint32_t *times = calloc(r->n + 1, sizeof *times);
#pragma omp for schedule(static)
        for (int d = 0; d < draws; d++) {
            tn_status status = TN_OK;
            if (!times) {
                status = tn_fail("bootstrap: out of memory for %zu samples", r->n);
            } else {
                tn_resample(r, (uint32_t)d, times);
                status = statistic(context, times, value + (size_t)d * (size_t)figures);
            }
            if (status != TN_OK) {
#pragma omp critical(tn_bootstrap)
                snprintf(message, sizeof message, "%s", tn_error());
            }
        }
        free(times);
    }
    return message[0] ? tn_fail_with(message) : TN_OK;
}

tn_status tn_bootstrap(const tn_resampler *r, int draws, int figures, tn_statistic_fn *statistic,
                       const void *context, tn_interval *interval, double *values) {
    const size_t count = (size_t)draws;
    for (int f = 0; f < figures; f++) interval[f] = tn_interval_none;
    if (draws <= 0 || figures <= 0) return TN_OK;
    double *value = calloc(count * (size_t)figures, sizeof *value);
    double *column = calloc(count, sizeof *column);
    tn_status status =
        value && column ? TN_OK : tn_fail("bootstrap: out of memory for %d draws", draws);
    if (status == TN_OK) status = draw_all(r, draws, figures, statistic, context, value);
    for (int f = 0; f < figures && status == TN_OK; f++) {
        for (size_t d = 0; d < count; d++) column[d] = value[d * (size_t)figures + (size_t)f];
        if (values)
            for (size_t d = 0; d < count; d++) values[(size_t)f * count + d] = column[d];
        interval[f] = tn_percentiles(column, count);
    }
    free(value);
    free(column);
    return status;
}

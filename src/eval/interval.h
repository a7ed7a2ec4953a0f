/* Bootstrap intervals: B. Efron, R. J. Tibshirani, "An introduction to the bootstrap", 1993, by
 * percentiles.
 *
 * Whole clusters (the images of one case) are drawn with replacement, in strata by class, so that
 * every resample has as many clusters of each class as the data. Draw d depends on (seed, d)
 * alone: the same on every machine and with any number of threads. */
#ifndef TN_EVAL_INTERVAL_H
#define TN_EVAL_INTERVAL_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 95 % lie between; both NaN: there is no interval to give. */
typedef struct tn_interval {
    double low, high;
} tn_interval;

extern const tn_interval tn_interval_none;
bool tn_interval_is(tn_interval interval);

typedef struct tn_resampler {
    size_t n;
    int clusters, strata;
    uint64_t seed;
    int *stratum_start; /* [strata + 1] into `member` */
    int *member;        /* [clusters] clusters, stratum after stratum */
    size_t *start;      /* [clusters + 1] into `sample` */
    uint32_t *sample;   /* [n] samples, cluster after cluster */
    int fewest;         /* clusters in the smallest stratum */
} tn_resampler;

/* truth[i] 0..classes-1; cluster[i] any number from 0, or NULL: each sample its own. Clusters with
 * samples of several classes are a stratum of their own. */
tn_status tn_resampler_create(const int *truth, int classes, const int *cluster, size_t n,
                              uint64_t seed, tn_resampler *out);
void tn_resampler_free(tn_resampler *resampler);

/* times[n] receives how often each sample is in resample number `draw`. */
void tn_resample(const tn_resampler *resampler, uint32_t draw, uint32_t *times);

/* Computes `figures` figures of the samples, each counted times[i] times; NaN where undefined. Runs
 * in several threads at once. */
typedef tn_status tn_statistic_fn(const void *context, const uint32_t *times, double *figure);

/* Intervals of each figure from `draws` resamples. A figure has none when all its resamples are
 * alike or when more than 5 % of them leave it undefined. `values`, when not NULL, receives
 * (figures, draws), unsorted. */
tn_status tn_bootstrap(const tn_resampler *resampler, int draws, int figures,
                       tn_statistic_fn *statistic, const void *context, tn_interval *interval,
                       double *values);

/* 95 % interval of a share of which all (share 1) or none (share 0) of `units` independent units
 * were seen to have it: exact (Clopper, Pearson, 1934), where resamples cannot say anything. */
tn_interval tn_interval_at_edge(double share, int units);

/* The interval of values as they come (NaN among them); `values` is sorted. */
tn_interval tn_percentiles(double *values, size_t n);

#ifdef __cplusplus
}
#endif
#endif

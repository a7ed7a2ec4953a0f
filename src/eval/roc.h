/* Figures that depend only on how a score ranks positives and negatives.
 *
 * Whoever scores at least the threshold is called positive; equal scores cannot be told apart.
 * What needs both kinds is NaN when one is missing. */
#ifndef TN_EVAL_ROC_H
#define TN_EVAL_ROC_H

#include "layers/device/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Samples from the highest score down. */
typedef struct tn_ranking {
    size_t n;
    uint32_t *order;         /* [n] sample at this place */
    double *score;           /* [n] its score */
    unsigned char *positive; /* [n] 1: it is positive */
    unsigned char *ends;     /* [n] 1: the last of those with this score */
} tn_ranking;

/* Score i is score[i * stride]; positives are those with truth[i] == positive. Fails on a score
 * that is not finite. Free with tn_ranking_free. */
tn_status tn_ranking_create(const double *score, size_t stride, const int *truth, int positive,
                            size_t n, tn_ranking *out);
void tn_ranking_free(tn_ranking *ranking);

typedef struct tn_ranking_figures {
    /* Chance that a positive scores above a negative, ties counting half (Mann-Whitney). */
    double auc;
    /* Sum over thresholds of (step in recall) x precision, without interpolation. */
    double average_precision;
    /* The highest specificity of a threshold that finds at least 90 and 95 % of the positives. */
    double specificity_90, specificity_95;
} tn_ranking_figures;

/* times[i]: how often sample i counts, for resampling; NULL: once each. */
tn_ranking_figures tn_ranking_summary(const tn_ranking *ranking, const uint32_t *times);

/* The highest threshold that calls at least the share `sensitivity` (above 0, at most 1) of the
 * positives positive. It lies halfway between the lowest score that must be called and the next
 * below it, so that the last digit of a score does not decide. Fails without positives. */
typedef struct tn_threshold {
    double value;
    double sensitivity, specificity; /* on these samples; specificity NaN without negatives */
    size_t positives, negatives;
} tn_threshold;
tn_status tn_ranking_threshold(const tn_ranking *ranking, double sensitivity, tn_threshold *out);

/* The ROC curve: point 0 calls nobody, point i calls who scores at least threshold[i], the last
 * calls all. Arrays have room for n + 1; returns the number of points. */
size_t tn_ranking_curve(const tn_ranking *ranking, double *threshold, size_t *true_positives,
                        size_t *false_positives);

#ifdef __cplusplus
}
#endif
#endif

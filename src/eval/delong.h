/* Variances and covariances of AUCs that were measured on the same samples.
 *
 * E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, "Comparing the areas under two or more
 * correlated receiver operating characteristic curves: a nonparametric approach", Biometrics 44,
 * 1988; by ranks as X. Sun, W. Xu, IEEE Signal Processing Letters 21, 2014. Samples of one patient
 * are not independent: with clusters, N. A. Obuchowski, "Nonparametric analysis of clustered ROC
 * curve data", Biometrics 53, 1997, which is DeLong's where each cluster is one sample. */
#ifndef TN_EVAL_DELONG_H
#define TN_EVAL_DELONG_H

#include "layers/device/status.h"
#include "src/eval/interval.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `scores` scores of each of n samples: score s of sample i is score[s][i * stride]. Positives are
 * those with truth[i] == positive. cluster[i] is 0 or more and names who sample i belongs to; NULL:
 * each sample is its own. auc[scores] and covariance (scores, scores) are NaN where undefined: no
 * positive or no negative; for the covariance, less than two clusters with positives or with
 * negatives. */
tn_status tn_delong(const double *const *score, int scores, size_t stride, const int *truth,
                    int positive, const int *cluster, size_t n, double *auc, double *covariance);

/* 95 % interval of an AUC by the normal approximation, cut to 0..1. None (NaN) where the variance
 * is undefined or 0: a perfect ranking of a few samples does not make the AUC certain. */
tn_interval tn_delong_interval(double auc, double variance);

/* Two-sided p of a difference with this standard error; NaN when the error is not above 0. */
double tn_normal_p(double difference, double standard_error);

#ifdef __cplusplus
}
#endif
#endif

/* Are two nets different, or is it noise? For predictions of the same images by several nets.
 *
 * AUC: DeLong's test of correlated curves (delong.h; by cases where they are known) and a paired
 * bootstrap. Accuracy: McNemar's exact test, which takes images as independent, and the paired
 * bootstrap, which draws cases. S. Holm's correction (1979) over all pairs. */
#ifndef TN_EVAL_COMPARE_H
#define TN_EVAL_COMPARE_H

#include "src/eval/figures.h"
#include "src/eval/interval.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One net by itself. */
typedef struct tn_contestant {
    double auc, accuracy, balanced_accuracy;
    tn_interval auc_interval, accuracy_interval, balanced_interval;
} tn_contestant;

/* One figure of a pair, first minus second. */
typedef struct tn_difference {
    double value;
    tn_interval interval; /* paired bootstrap */
    double bootstrap_p;   /* two-sided; NaN where all resamples agree */
    double test_p;        /* AUC: DeLong; accuracy: McNemar; NaN where undefined */
    double p;             /* what counts: test_p; bootstrap_p where the test is undefined or, for
                             accuracy, where images are not independent */
    double holm_p;        /* p corrected for all pairs; NaN where p is */
} tn_difference;

typedef struct tn_pair {
    int first, second;
    tn_difference auc, accuracy;
    tn_interval delong;             /* of the difference in AUC */
    size_t only_first, only_second; /* images that only one of them answers rightly */
    bool same_ranking;              /* equal AUCs without any variance between them */
} tn_pair;

typedef struct tn_comparison {
    int contestants, pairs;
    tn_contestant *contestant;
    tn_pair *pair; /* (0,1), (0,2), ..., (1,2), ... */
    int clusters, resamples;
} tn_comparison;

typedef struct tn_compare_options {
    int positive;       /* -1: macro AUC, for which there is no DeLong test (but for 2 classes) */
    const int *cluster; /* [n] or NULL */
    int resamples;
    uint64_t seed;
} tn_compare_options;

/* Image i is the same in all `count` sets (tn_predictions_reorder). Free with tn_comparison_free.
 */
tn_status tn_compare(const tn_predictions *const *set, int count, const tn_compare_options *options,
                     tn_comparison *out);
void tn_comparison_free(tn_comparison *comparison);

/* McNemar's test by the binomial distribution: the chance of a split at least as uneven as a to b
 * when each is as likely. 1 when both are 0. */
double tn_mcnemar_p(size_t a, size_t b);

/* Holm's step-down correction, in place of the order: adjusted[i] belongs to p[i]; NaN stays NaN
 * and does not count. Fails when memory is out. */
tn_status tn_holm(const double *p, size_t n, double *adjusted);

#ifdef __cplusplus
}
#endif
#endif

/* All figures of a set of predictions with their 95 % intervals, and each class's own. */
#ifndef TN_EVAL_ASSESSMENT_H
#define TN_EVAL_ASSESSMENT_H

#include "src/eval/figures.h"
#include "src/eval/interval.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_assess_options {
    tn_decision decision;
    const int *cluster; /* [n] who each image belongs to, from 0; NULL: images are independent */
    int resamples;      /* of the bootstrap; 0: no intervals but the AUC's, -1: by the set's size */
    uint64_t seed;
} tn_assess_options;

/* One class against all others. */
typedef struct tn_class_figures {
    size_t truths, answers, hits;
    double precision, recall, f1, auc, average_precision;
    tn_interval auc_interval; /* DeLong, clustered where clusters are given */
} tn_class_figures;

typedef struct tn_assessment {
    size_t n;
    int classes, positive;
    int clusters;  /* independent units (images where no clusters were given) */
    int fewest;    /* of them in the smallest class */
    int resamples; /* drawn */
    double figure[TN_FIGURES];
    /* AUC of a positive class (or of two): DeLong; accuracy, sensitivity and specificity of exactly
     * 0 or 1: tn_interval_at_edge; everything else: bootstrap. */
    tn_interval interval[TN_FIGURES];
    size_t *confusion;          /* (classes, classes): [truth][answer] */
    tn_class_figures *by_class; /* [classes] */
} tn_assessment;

/* Free with tn_assessment_free. */
tn_status tn_assess(const tn_predictions *predictions, const tn_assess_options *options,
                    tn_assessment *out);
void tn_assessment_free(tn_assessment *assessment);

/* What needs no net: always answering the class that occurs most often (the first of equals) and,
 * for loss, Brier score and calibration error, always giving the classes' shares as probabilities,
 * than which no answer that does not look at the image does better. */
typedef struct tn_baseline {
    int answer; /* the class */
    double figure[TN_FIGURES];
} tn_baseline;
tn_baseline tn_baseline_of(const tn_assessment *assessment, double prevalence);

/* The drop of a figure from one set to another of different images, with its interval: both sets
 * are resampled, each by itself (AUC: from both DeLong variances). NaN where either is undefined.
 */
typedef struct tn_drop {
    double drop; /* from - to */
    tn_interval interval;
} tn_drop;
tn_status tn_assess_drop(const tn_predictions *from, const int *from_cluster,
                         const tn_predictions *to, const int *to_cluster,
                         const tn_assess_options *options, tn_drop drop[TN_FIGURES]);

#ifdef __cplusplus
}
#endif
#endif

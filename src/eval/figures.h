/* The figures of a set of predictions, computed for the set itself and, the same way, for each of
 * its resamples.
 *
 * What is undefined (the sensitivity of no positive case, a ratio of nothing) is NaN. */
#ifndef TN_EVAL_FIGURES_H
#define TN_EVAL_FIGURES_H

#include "src/eval/predictions.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With a positive class, what is marked + is of that class against all others; without one, the
 * mean over the classes that occur (macro), and sensitivity, specificity, predictive values and
 * specificities at a sensitivity are undefined. */
typedef enum tn_figure {
    TN_FIGURE_LOSS,              /* mean of -ln p(truth), p not below FLT_MIN */
    TN_FIGURE_ACCURACY,          /* answers that are right */
    TN_FIGURE_BALANCED_ACCURACY, /* mean recall of the classes that occur */
    TN_FIGURE_SENSITIVITY,       /* + TP / (TP + FN) */
    TN_FIGURE_SPECIFICITY,       /* + TN / (TN + FP) */
    TN_FIGURE_PRECISION,         /* + TP / (TP + FP); undefined when never answered */
    TN_FIGURE_NPV,               /* + TN / (TN + FN) */
    TN_FIGURE_F1,                /* + 2 TP / (2 TP + FP + FN) */
    TN_FIGURE_MCC,               /* Matthews; of several classes as J. Gorodkin, 2004 (R_K) */
    TN_FIGURE_AUC,               /* + area under the ROC curve */
    TN_FIGURE_AVERAGE_PRECISION, /* + */
    TN_FIGURE_BRIER,          /* + mean (p - y)^2; without a positive class the sum over classes */
    TN_FIGURE_ECE,            /* expected calibration error of the answer's probability, 15 bins */
    TN_FIGURE_SPECIFICITY_90, /* + highest specificity with a sensitivity of 90 % or more */
    TN_FIGURE_SPECIFICITY_95, /* + ... of 95 % or more */
    TN_FIGURE_PPV_AT,         /* + chance that a positive answer is right at `prevalence` */
    TN_FIGURE_NPV_AT,         /* + chance that a negative answer is right at `prevalence` */
    TN_FIGURES
} tn_figure;

enum { TN_ECE_BINS = 15 }; /* (0, 1/15], (1/15, 2/15], ... as C. Guo et al., ICML 2017 */

/* "auc", as keys in JSON; "AUC", for people. */
const char *tn_figure_key(tn_figure figure);
const char *tn_figure_name(tn_figure figure);

/* How probabilities become answers and what is counted. */
typedef struct tn_decision {
    int positive;      /* -1: none */
    double threshold;  /* NaN: the most probable class; else `positive` from this probability on,
                          else the most probable of the others */
    double prevalence; /* share of positives for TN_FIGURE_PPV_AT; NaN: not asked for */
} tn_decision;

/* The most probable class (the first of equals), as always. */
tn_decision tn_decision_default(int positive);

typedef struct tn_evaluator tn_evaluator;

/* Prepares `predictions`, which must outlive the evaluator. Fails on an empty set and on a decision
 * that makes no sense. Free with tn_evaluator_free. */
tn_status tn_evaluator_create(const tn_predictions *predictions, const tn_decision *decision,
                              tn_evaluator **out);
void tn_evaluator_free(tn_evaluator *evaluator);

/* figure[TN_FIGURES] with sample i counted times[i] times; NULL: once each. Several threads may
 * call it at once. A tn_statistic_fn with the evaluator as its context. */
tn_status tn_evaluate(const void *evaluator, const uint32_t *times, double *figure);

/* count (classes, classes): [truth][answer]. */
void tn_evaluator_confusion(const tn_evaluator *evaluator, size_t *count);

/* The answer to image i. */
int tn_evaluator_answer(const tn_evaluator *evaluator, size_t i);

/* Share of images whose truth is among the `top` most probable classes; of equals the first. */
double tn_top_accuracy(const tn_predictions *predictions, int top);

/* One bin of a reliability diagram: of `n` answers given with about this probability, how probable
 * they were said to be (mean) and how many were right (share); NaN when n is 0. */
typedef struct tn_reliability_bin {
    size_t n;
    double confidence, accuracy;
} tn_reliability_bin;
void tn_evaluator_reliability(const tn_evaluator *evaluator, tn_reliability_bin bin[TN_ECE_BINS]);

#ifdef __cplusplus
}
#endif
#endif

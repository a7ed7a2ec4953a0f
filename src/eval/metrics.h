/* How well probabilities match truths: the quick figures of training's epochs. What valid reports,
 * with intervals, is in assessment.h.
 *
 * What is undefined (the sensitivity of no positive case, the precision of a class never predicted)
 * is NaN, never a number that looks like a result; tn_metric_text shows it as null. */
#ifndef TN_EVAL_METRICS_H
#define TN_EVAL_METRICS_H

#include "layers/device/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Predictions gathered one by one: sample i has `classes` probabilities and one true class. */
typedef struct tn_scores {
    int classes;
    size_t n, capacity;
    float *probability; /* (n, classes) */
    int *truth;         /* (n), 0..classes-1 */
} tn_scores;

tn_status tn_scores_create(tn_scores *scores, int classes, size_t capacity);
void tn_scores_free(tn_scores *scores);
/* Fails, naming the sample, on a class that is none and on a probability that is not finite. */
tn_status tn_scores_add(tn_scores *scores, const float *probability, int truth);

typedef struct tn_class_metrics {
    size_t truths, predictions, correct;
    double precision; /* correct / predictions */
    double recall;    /* correct / truths */
    double f1;        /* 2*correct / (truths + predictions) */
    double auc;       /* this class against all others */
} tn_class_metrics;

typedef struct tn_metrics {
    size_t n;
    int classes, positive; /* -1: no class is the positive one */
    int top;
    double loss;              /* mean of -ln p(truth), p not below FLT_MIN */
    double accuracy;          /* the most probable class; the first of equals, as Darknet */
    double top_accuracy;      /* the truth is among the `top` most probable */
    double balanced_accuracy; /* mean recall of the classes that occur */
    double f1;                /* of the positive class; without one, mean over classes that occur */
    double auc;               /* likewise */
    double sensitivity, specificity; /* of the positive class at the most probable class */
    size_t *confusion;               /* (classes, classes): [truth][predicted] */
    tn_class_metrics *by_class;
} tn_metrics;

/* Fails on no scores, on `positive` or `top` out of range. Free with tn_metrics_free. */
tn_status tn_metrics_compute(const tn_scores *scores, int positive, int top, tn_metrics *out);
void tn_metrics_free(tn_metrics *metrics);

/* Area under the ROC curve as the Mann-Whitney statistic: the chance that a random positive scores
 * above a random negative, ties counting half. Score i is score[i*stride]; positives are those with
 * truth[i] == positive. NaN when either kind is missing. Fails when memory is out. */
tn_status tn_auc(const float *score, size_t stride, const int *truth, size_t n, int positive,
                 double *auc);

/* The most probable class; the first of equals. */
int tn_argmax(const float *probability, int classes);

/* "0.8125", or "null" where undefined; `text` has room for 32. Returns text. */
char *tn_metric_text(double value, char *text);

#ifdef __cplusplus
}
#endif
#endif

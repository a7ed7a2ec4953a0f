/* Several nets that answer the same question: their mean, and how far they are apart. */
#ifndef TN_EVAL_MEMBERS_H
#define TN_EVAL_MEMBERS_H

#include "src/eval/predictions.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The mean probabilities of `n` sets of predictions over the same images, in the same order and of
 * the same truths and classes; fails, naming the image, where they are not. Free *out with
 * tn_predictions_free. */
tn_status tn_predictions_mean(const tn_predictions *set, int n, tn_predictions *out);

/* How far members are apart on one image, in the probability of one class. */
typedef struct tn_disagreement {
    double deviation; /* standard deviation over the members (n - 1); 0 for a single one */
    double low, high;
    bool divided; /* some members answer (most probable class) with this class and some do not */
} tn_disagreement;

/* probability: (n, classes), a row a member. `looked_at` is the class. */
tn_disagreement tn_members_disagree(const double *probability, int n, int classes, int looked_at);

/* The class to look at: the positive one, else (positive < 0) the first most probable of `mean`. */
int tn_members_class(int positive, const double *mean, int classes);

/* Mean deviation over all images and how many divide the members, of sets as tn_predictions_mean
 * takes and made into `mean`. */
typedef struct tn_members_summary {
    double deviation; /* mean over the images */
    double most;      /* the largest range (high - low) */
    size_t divided;
} tn_members_summary;
tn_status tn_members_summarise(const tn_predictions *set, int n, const tn_predictions *mean,
                               int positive, tn_members_summary *out);

/* Mean and standard deviation (n - 1) of the values that are not NaN; `counted` of them. NaN where
 * there are too few. */
typedef struct tn_spread {
    double mean, deviation;
    int counted;
} tn_spread;
tn_spread tn_spread_of(const double *value, int n);

#ifdef __cplusplus
}
#endif
#endif

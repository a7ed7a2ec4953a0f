/* Temperature scaling: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural
 * networks", ICML 2017. One number, fitted on images that the net did not learn from, softens or
 * sharpens all probabilities; which class is the most probable does not change. */
#ifndef TN_EVAL_CALIBRATION_H
#define TN_EVAL_CALIBRATION_H

#include "src/eval/predictions.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_temperature {
    double value;       /* above 1: the net was too sure of itself */
    double loss_before; /* mean of -ln p(truth) on the images it was fitted on */
    double loss_after;
} tn_temperature;

/* The temperature with the least loss; the loss is convex in 1/temperature, so there is one. Fails
 * when it lies outside 0.01 to 100: every answer is right, or answers tell nothing. */
tn_status tn_temperature_fit(const tn_predictions *predictions, tn_temperature *out);

/* probability[c]^(1/temperature), made to add up to 1 again. */
void tn_temperature_apply(double temperature, int classes, float *probability);
/* The same for a whole set. */
void tn_temperature_apply_all(double temperature, tn_predictions *predictions);

#ifdef __cplusplus
}
#endif
#endif

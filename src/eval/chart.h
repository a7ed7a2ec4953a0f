/* The learning curves of a run as a picture. */
#ifndef TN_EVAL_CHART_H
#define TN_EVAL_CHART_H

#include "src/data/image.h"
#include "src/eval/history.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Three panels over epochs: loss, accuracy, and F1 with the AUC of the validation list; training
 * and validation in each, the best epoch marked. RGB, 1500 x 540. The caller frees the image. */
tn_status tn_chart_draw(const tn_history *history, const char *title, tn_image *out);

/* Draws and writes the same PNG to both places (`also` may be NULL); files that were there are
 * replaced in one step. */
tn_status tn_chart_save(const tn_history *history, const char *title, const char *path,
                        const char *also);

#ifdef __cplusplus
}
#endif
#endif

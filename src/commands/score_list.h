/* What a net answers to every image of a list: the one way in which valid and crossval score. */
#ifndef TN_COMMANDS_SCORE_LIST_H
#define TN_COMMANDS_SCORE_LIST_H

#include "src/commands/model.h"
#include "src/commands/views.h"
#include "src/eval/predictions.h"

#ifdef __cplusplus
extern "C" {
#endif

/* *out receives a prediction an image, in the list's order, named by its path there; free it with
 * tn_predictions_free, after a failure too. Fails as tn_views_run does. */
tn_status tn_score_list(const tn_model *model, const tn_list *list, tn_views views,
                        tn_predictions *out);

#ifdef __cplusplus
}
#endif
#endif

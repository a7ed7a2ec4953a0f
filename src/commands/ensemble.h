/* One net or several of one cfg, whose probabilities are averaged: what predict and valid answer
 * with. With one member everything is as with that model alone. */
#ifndef TN_COMMANDS_ENSEMBLE_H
#define TN_COMMANDS_ENSEMBLE_H

#include "src/commands/model.h"
#include "src/commands/views.h"
#include "src/eval/members.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_ensemble {
    tn_model *member; /* [n]; the first stands for all in what they have in common */
    int n;
    int used; /* words taken of the command line; what follows is the command's own */
} tn_ensemble;

/* Opens [DATA] CFG WEIGHTS and every further word behind it that ends in .weights. Members must
 * answer with the same classes in the same order, have the same positive class and learned from
 * images prepared in the same way, and no two may hold the same bytes: each is an error that names
 * both. Where a member has an operating threshold, stderr says that it is not used. Free with
 * tn_ensemble_close, after a failure too. */
tn_status tn_ensemble_open(tn_ensemble *ensemble, const tn_model_options *options,
                           tn_model_needs needs);
void tn_ensemble_close(tn_ensemble *ensemble);

/* Replicas of all members, run[n], for tn_ensemble_forward; the caller frees each with tn_run_free,
 * after a failure too. */
tn_status tn_ensemble_runs_create(const tn_ensemble *ensemble, int batch, tn_run **run);

/* tn_model_forward of each member, at its own temperature where its probabilities are calibrated:
 * each (n, n_valid, classes); their mean: (n_valid, classes). */
tn_status tn_ensemble_forward(const tn_ensemble *ensemble, tn_run *const *run, const float *x,
                              int n_valid, float *each, float *mean);

/* The same for a list, as tn_score_list. *summary says how far the members are apart. */
tn_status tn_ensemble_score_list(const tn_ensemble *ensemble, const tn_list *list, tn_views views,
                                 tn_predictions *out, tn_members_summary *summary);

/* Whether every member's probabilities are calibrated. */
bool tn_ensemble_calibrated(const tn_ensemble *ensemble);
/* The threshold of a single model; NaN where there is none, and for several: one that was chosen
 * for one net's scores says nothing of their mean. */
double tn_ensemble_threshold(const tn_ensemble *ensemble);
/* One line, without its end, as tn_model_calibration_text; the caller frees it. */
char *tn_ensemble_calibration_text(const tn_ensemble *ensemble);

#ifdef __cplusplus
}
#endif
#endif

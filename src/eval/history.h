/* How a training run went: one record an epoch, kept in the .state file and written as
 * metrics.jsonl.
 *
 * The whole file is written anew each time from what is in memory, so that a resumed run neither
 * loses nor repeats a line. */
#ifndef TN_EVAL_HISTORY_H
#define TN_EVAL_HISTORY_H

#include "src/eval/metrics.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The figures of one list at one moment; NaN where there are none. */
typedef struct tn_summary {
    double loss, accuracy, f1, auc, balanced_accuracy, sensitivity, specificity;
} tn_summary;

extern const tn_summary tn_summary_none; /* all NaN */
tn_summary tn_summary_of(const tn_metrics *metrics);

typedef struct tn_epoch_record {
    double epoch;    /* passes over the training list; a fraction where the run ended inside one */
    uint64_t step;   /* updates done */
    uint64_t images; /* images trained on */
    double rate;     /* learning rate of the last update */
    double seconds;  /* of this epoch, validation included */
    double images_per_second; /* in training */
    uint64_t best;            /* 1: the best of the validation list so far */
    tn_summary train, valid;
} tn_epoch_record;

typedef struct tn_history {
    tn_epoch_record *record;
    size_t n, capacity;
} tn_history;

tn_status tn_history_add(tn_history *history, const tn_epoch_record *record);
void tn_history_free(tn_history *history);

/* One JSON object a line: {"epoch":1,"step":40,...,"train":{"loss":..},"valid":{..},"best":true}.
 * Atomic: a failure leaves the old file. */
tn_status tn_history_save(const tn_history *history, const char *path);

/* Reads such a file back, NaN where it says null. Fails with FILE:LINE on a line that is no such
 * object. Free with tn_history_free. */
tn_status tn_history_load(const char *path, tn_history *out);

#ifdef __cplusplus
}
#endif
#endif

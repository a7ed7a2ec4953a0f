/* What predict prints of an image: text after AlexeyAB's manner, JSON lines or CSV. */
#ifndef TN_COMMANDS_PREDICT_PRINT_H
#define TN_COMMANDS_PREDICT_PRINT_H

#include "src/commands/ensemble.h"
#include "src/commands/picture.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_print_form { TN_PRINT_TEXT, TN_PRINT_JSON, TN_PRINT_CSV } tn_print_form;

typedef struct tn_print_options {
    tn_print_form form;
    int top; /* classes shown, the most probable first; CSV has all, in their own order */
} tn_print_options;

typedef struct tn_answer {
    const char *image;
    tn_picture_kind kind;
    double milliseconds;      /* of the net, its share of a mini-batch */
    const float *probability; /* (classes) */
    /* of several nets: the class that they are compared by, and how far they are apart in it */
    int looked_at;
    tn_disagreement members;
} tn_answer;

/* All to stdout: what stands before the answers, an answer, what stands behind them. */
void tn_print_begin(const tn_ensemble *ensemble, const tn_print_options *options);
tn_status tn_print_answer(const tn_ensemble *ensemble, const tn_print_options *options,
                          const tn_answer *answer);
/* Fails when stdout could not be written. */
tn_status tn_print_end(const tn_ensemble *ensemble, const tn_print_options *options);

#ifdef __cplusplus
}
#endif
#endif

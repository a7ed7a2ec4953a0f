/* A cross-validation: what it is made of, and its stages, a file each. For cmd_crossval.c and
 * crossval_*.c.
 *
 * Every image is scored exactly once a repeat, by a net that has seen none of its case. Repeat r
 * (from 1) deals the folds anew with seed + r - 1, which also is the seed that its nets are trained
 * with. What is scored never reaches the trainer: its .data file names no valid= list, or, with
 * -inner, one that was taken out of the training part.
 *
 *   OUT/settings.json         what was asked for; -resume compares
 *   OUT/r1-f2/                fold 2 of repeat 1: train.list, scored.list, inner.list, fold.data,
 *                             train.log, NAME_final.weights or _best, metrics.jsonl, probs.csv,
 *                             and, last of all, done.json
 *   OUT/r1/probs.csv          the out-of-fold predictions of repeat 1, in the list's order
 *   OUT/probs.csv             their means over the repeats
 *   OUT/crossval.json         everything that was found
 */
#ifndef TN_COMMANDS_CROSSVAL_H
#define TN_COMMANDS_CROSSVAL_H

#include "src/commands/train.h"
#include "src/commands/valid_report.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_crossval_options {
    tn_train_options train; /* words, net, seed, threads, kernels, clear, partial, valid_every */
    int argc;
    char **argv; /* the command line, for the record */
    const char *out, *list, *manifest;
    int folds, repeats;
    double inner;  /* share of the training part to choose by; 0: none, the last epoch counts */
    int views;     /* tn_views */
    int resamples; /* of the bootstrap; -1: by the list's size */
    int resume, json;
} tn_crossval_options;

/* Images, and cases among them, of a part. */
typedef struct tn_crossval_count {
    int images, cases;
} tn_crossval_count;

typedef struct tn_crossval_fold {
    int repeat, fold; /* from 1 */
    uint64_t seed;
    char *folder;
    tn_crossval_count train, inner, scored;
    char *weights;    /* that are scored */
    uint64_t updates; /* that they have seen */
    double loss;      /* of training, Darknet's running mean at its end */
    tn_valid_set set; /* of the scored part */
} tn_crossval_fold;

typedef struct tn_crossval {
    const tn_crossval_options *options;
    tn_trainer base; /* cfg, data, labels, names as read and checked; its net is freed early */
    double ema_alpha;
    int threads;
    tn_list list;
    char *manifest; /* NULL: none, and every image is a case of its own */
    tn_cases cases;
    int *cluster; /* [list.n] what must stay together: a case, and what is joined to it */
    tn_crossval_count all;
    tn_crossval_count *of_class; /* [classes] */
    int *fold_of;                /* (repeats, list.n) */
    bool *inner;                 /* (repeats, folds, list.n); NULL without -inner */
    uint64_t settings;           /* tells whether a fold was made for this cross-validation */
    tn_crossval_fold *fold;      /* (repeats, folds) */
    tn_valid_set *repeat;        /* [repeats] */
    tn_valid_set mean;           /* over the repeats */
    int left;                    /* updates that -stop-after still allows; 0: not asked for */
} tn_crossval;

/* Free with tn_crossval_close, after a failure too. */
tn_status tn_crossval_open(tn_crossval *c, const tn_crossval_options *options);
void tn_crossval_close(tn_crossval *c);

/* crossval_plan.c: reads the list and its cases, deals the folds. tn_crossval_lists writes their
 * folders and lists. */
tn_status tn_crossval_plan(tn_crossval *c);
tn_status tn_crossval_lists(tn_crossval *c);
/* Inner part of a fold (from 0); NULL without -inner. */
const bool *tn_crossval_inner(const tn_crossval *c, int repeat, int fold);

/* crossval_settings.c: computes c->settings, and writes settings.json, or with -resume compares it
 * and fails where anything differs that decides about the result. More -repeats may be asked for.
 */
tn_status tn_crossval_settings(tn_crossval *c, const tn_net *net);
/* OUT/rR-fF/done.json: *done is false where there is none; one of other settings is an error. */
tn_status tn_crossval_mark(const tn_crossval *c, const tn_crossval_fold *fold);
tn_status tn_crossval_marked(const tn_crossval *c, tn_crossval_fold *fold, bool *done);

/* crossval_fold.c: trains and scores one fold unless it is done; goes on with one that was stopped.
 * *interrupted as tn_trainer_run's. */
tn_status tn_crossval_run(tn_crossval *c, tn_crossval_fold *fold, int *interrupted);

/* crossval_assess.c: reads the folds' predictions, writes those of the repeats and their mean, and
 * computes every figure. */
tn_status tn_crossval_assess(tn_crossval *c);
/* Figure f by image, or by case, of every fold, or every repeat: value[folds * repeats], or
 * value[repeats]; NaN where undefined. */
void tn_crossval_of_folds(const tn_crossval *c, bool by_case, tn_figure f, double *value);
void tn_crossval_of_repeats(const tn_crossval *c, bool by_case, tn_figure f, double *value);

/* crossval_report.c, crossval_json.c */
tn_status tn_crossval_text(const tn_crossval *c, FILE *to);
/* The caller frees *text with free. */
tn_status tn_crossval_json(const tn_crossval *c, char **text);

#ifdef __cplusplus
}
#endif
#endif

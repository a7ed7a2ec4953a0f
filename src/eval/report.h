/* What run folders hold, gathered and written as one page of XHTML that needs nothing else.
 *
 * A run folder is what `train` filled: metrics.jsonl, WEIGHTS.json; beside them probs.csv
 * (`valid -probs`) and valid.json (`valid -json`), and, where somebody put them there, NAME.cfg,
 * command.txt (command lines, one a line), machine.txt (what `version` printed), group.txt (one
 * line: what the run is compared within), external.csv (`valid -probs` of another collection) and
 * gradcam/ (pictures of `gradcam`; a probs.csv in it says what was answered to them, else the run's
 * does). A folder with crossval.json is a cross-validation: its folds' r<R>-f<F>/ are read too.
 * What is not there is said on the page; what is there and damaged is an error. */
#ifndef TN_EVAL_REPORT_H
#define TN_EVAL_REPORT_H

#include "layers/device/memory.h"
#include "src/eval/figures.h"
#include "src/eval/history.h"
#include "src/eval/interval.h"

#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The figures of one set of images or cases, as valid -json has them. */
typedef struct tn_report_figures {
    bool there;
    double n, independent;
    double figure[TN_FIGURES];
    tn_interval interval[TN_FIGURES];
    double sd[TN_FIGURES];      /* over the repeats of a cross-validation; else NaN */
    const char *baseline_class; /* what the trivial answer is */
    double baseline[TN_FIGURES];
} tn_report_figures;

typedef struct tn_report_run {
    const char *path, *net, *group; /* net: the cfg's name without .cfg; group: "" where none */
    const char *cfg;                /* NAME.cfg in the folder; NULL: none */
    const char *commands, *machine; /* texts; NULL: none */
    const char *list, *manifest, *views, *weights, *external_list; /* of valid.json; or NULL */
    const char *preprocess;                                        /* of the sidecar; or NULL */
    const char *gradcam; /* the folder with pictures; NULL: none */
    bool has_seed, calibrated;
    uint64_t seed;
    int width, height, channels; /* 0: no sidecar */
    double epochs;               /* NaN: no sidecar */
    bool crossval;
    double folds, repeats; /* of a cross-validation; else NaN */
    const char *choice;    /* of its weights: "last" or "inner"; else NULL */
    tn_history *history;   /* [histories] one; one a fold and repeat of a cross-validation */
    int histories;
    tn_predictions predictions; /* n is 0 where there is no probs.csv */
    int positive;               /* class that the figures ask about; -1: none */
    tn_report_figures images, cases, external, external_cases;
} tn_report_run;

/* Runs of one net in one group: they differ in their seed. */
typedef struct tn_report_row {
    const char *group, *net;
    int *run; /* [runs] */
    int runs;
} tn_report_row;

/* One number that the paper gives. */
typedef struct tn_report_claim {
    const char *net, *figure, *note;
    double value;
} tn_report_claim;

typedef struct tn_report {
    const char *title, *notice, *date, *program; /* not owned */
    bool pictures;
    tn_report_run *run; /* [runs] in the order of their folders */
    int runs;
    tn_report_row *row; /* [rows] group after group */
    int rows;
    const char **group; /* [groups] */
    int groups;
    tn_report_claim *claim; /* [claims] */
    int claims;
    int resamples; /* of figures that are computed from a probs.csv alone */
    tn_arena memory;
} tn_report;

/* Reads the folders. `order` names nets, which come first and in this order. Fails, naming file
 * and line, on what is damaged and on a folder that holds no run. Zero the report before; free it
 * with tn_report_free, after a failure too. */
tn_status tn_report_load(tn_report *report, const char *const *folder, int folders,
                         const char *const *order, int orders);

/* Reads a CSV file with the columns net, figure, value and note; lines that begin with '#' are
 * comments. `figure` is a key of valid -json, or that after "external_". */
tn_status tn_report_load_claims(tn_report *report, const char *path);

/* Writes the page. Fails when a picture, a manifest or a cfg that is there cannot be read. */
tn_status tn_report_write(const tn_report *report, FILE *to);

void tn_report_free(tn_report *report);

#ifdef __cplusplus
}
#endif
#endif

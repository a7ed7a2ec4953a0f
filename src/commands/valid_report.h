/* What valid finds out from a net's predictions, and how it prints it: every figure with its
 * interval beside what the trivial answer gets, by image and by case. */
#ifndef TN_COMMANDS_VALID_REPORT_H
#define TN_COMMANDS_VALID_REPORT_H

#include "src/commands/ensemble.h"
#include "src/commands/views.h"
#include "src/eval/assessment.h"
#include "src/eval/cases.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_valid_options {
    const char *manifest; /* NULL: manifest.csv beside the list, where there is one */
    const char *by;       /* column of the manifest; NULL: no subgroups */
    double prevalence;    /* NaN: not asked for */
    int resamples;        /* -1: by the list's size */
    unsigned long long seed;
    int top;
} tn_valid_options;

/* One list and what the net answers to it. */
typedef struct tn_valid_set {
    const char *list;
    tn_predictions predictions;
    tn_members_summary members; /* of several nets */
    tn_cases cases;             /* cases.known: the manifest groups the images */
    bool has_manifest;
    tn_assessment images;
    tn_baseline baseline;
    bool has_cases; /* then of cases, each the mean over its images: */
    tn_assessment by_case;
    tn_baseline case_baseline;
    size_t mixed; /* cases left out: images of several classes */
} tn_valid_set;

/* Computes the figures of set->predictions, by image and, where a manifest tells the cases, by
 * case: `manifest`, which must fit, else (NULL) the one beside set->list, which is left out with a
 * warning when it does not. Free with tn_valid_set_free, after a failure too. */
tn_status tn_valid_assess_set(int positive, const tn_valid_options *options, tn_valid_set *set,
                              const char *manifest);
void tn_valid_set_free(tn_valid_set *set);

typedef struct tn_valid_group {
    const char *value; /* of the column */
    tn_assessment images;
} tn_valid_group;

typedef struct tn_valid_report {
    const tn_ensemble *ensemble;
    const tn_model *model; /* its first member: names, positive class, preprocessing of all */
    const tn_valid_options *options;
    tn_views views;
    double seconds;
    double top_accuracy;
    tn_valid_set internal;
    bool calibrated_here; /* temperature and threshold were chosen on this very list */
    bool has_threshold;
    tn_assessment operating; /* internal, at the operating threshold */
    tn_valid_group *group;   /* subgroups of `by` */
    int groups;
    bool has_external;
    tn_valid_set external;
    bool external_has_threshold;
    tn_assessment external_operating;
    tn_drop drop[TN_FIGURES];
} tn_valid_report;

/* Computes everything from internal.predictions, internal.list and, with has_external, from those
 * of external. Warnings go to stderr. Free with tn_valid_report_free, after a failure too. */
tn_status tn_valid_assess(tn_valid_report *report);
void tn_valid_report_free(tn_valid_report *report);

/* Tables for people. Fails when `to` cannot be written. */
tn_status tn_valid_report_text(const tn_valid_report *report, FILE *to);
/* One object on one line. */
tn_status tn_valid_report_json(const tn_valid_report *report, FILE *to);

#ifdef __cplusplus
}
#endif
#endif

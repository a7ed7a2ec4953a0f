/* What the files of the report share; report.h is what others see. */
#ifndef TN_EVAL_REPORT_PARTS_H
#define TN_EVAL_REPORT_PARTS_H

#include "src/eval/report.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* folder/name in the report's memory; NULL (with an error) without memory. */
char *tn_report_path(tn_report *report, const char *folder, const char *name);
/* The first file of the folder, by name, that ends in `end`; NULL when there is none. */
char *tn_report_find(tn_report *report, const char *folder, const char *end);

/* Reading (report_load.c, report_figures.c, report_crossval.c). */
tn_status tn_report_read_run(tn_report *report, const char *folder, tn_report_run *run);
tn_status tn_report_read_crossval(tn_report *report, tn_report_run *run);
tn_status tn_report_read_figures(tn_report *report, const cJSON *object, const char *where,
                                 tn_report_figures *out);
/* There, with nothing known. */
void tn_report_no_figures(tn_report_figures *figures);
/* The pair called `name`; left alone where it is missing or null. */
tn_status tn_report_read_interval(const cJSON *object, const char *where, const char *name,
                                  tn_interval *out);
/* A copy of the text called `name`; *out is left alone where there is none, or no object. */
tn_status tn_report_keep(tn_report *report, const cJSON *object, const char *name,
                         const char **out);
/* Figures of run->predictions where there is no valid.json; images are independent. */
tn_status tn_report_assess(tn_report *report, tn_report_run *run);
/* Those of the run's answers to another collection. */
tn_status tn_report_assess_external(tn_report *report, tn_report_run *run,
                                    const tn_predictions *predictions);

/* A figure over the runs of a row: mean, standard deviation over seeds (or a cross-validation's
 * over its repeats; NaN of one), how many runs have it; the interval of a single run. */
typedef struct tn_report_spread {
    double mean, sd, baseline;
    int n;
    tn_interval interval;
} tn_report_spread;

/* Which of a run's four sets. */
typedef enum tn_report_set {
    TN_REPORT_IMAGES,
    TN_REPORT_CASES,
    TN_REPORT_EXTERNAL,
    TN_REPORT_EXTERNAL_CASES
} tn_report_set;
const tn_report_figures *tn_report_set_of(const tn_report_run *run, tn_report_set set);
tn_report_spread tn_report_spread_of(const tn_report *report, const tn_report_row *row,
                                     tn_report_set set, tn_figure figure);

/* The sections of the page. */
tn_status tn_report_put_tables(const tn_report *report, FILE *to);
tn_status tn_report_put_claims(const tn_report *report, FILE *to);
tn_status tn_report_put_curves(const tn_report *report, FILE *to);
tn_status tn_report_put_rankings(const tn_report *report, FILE *to);
tn_status tn_report_put_counts(const tn_report *report, FILE *to);
tn_status tn_report_put_pictures(const tn_report *report, FILE *to);
tn_status tn_report_put_nets(const tn_report *report, FILE *to);
tn_status tn_report_put_runs(const tn_report *report, FILE *to);

/* "0.8125", "-" where undefined. */
const char *tn_report_number(double value, char text[32]);
/* "thyronet", or "thyronet, seed 1" where its row has several runs. */
void tn_report_put_name(const tn_report *report, const tn_report_run *run, FILE *to);
/* A heading before each group, nothing where there is only "". */
void tn_report_put_group(const tn_report *report, const char *group, FILE *to);

#ifdef __cplusplus
}
#endif
#endif

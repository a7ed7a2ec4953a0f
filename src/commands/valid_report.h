/* What valid prints: figures beside those of the trivial answer. */
#ifndef TN_COMMANDS_VALID_REPORT_H
#define TN_COMMANDS_VALID_REPORT_H

#include "src/commands/model.h"
#include "src/commands/views.h"
#include "src/eval/metrics.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_valid_report {
    const tn_model *model;
    const tn_list *list;
    tn_views views;
    double seconds;
    const tn_metrics *metrics;
} tn_valid_report;

/* Tables for people. Fails when `to` cannot be written. */
tn_status tn_valid_report_text(const tn_valid_report *report, FILE *to);
/* One object on one line. */
tn_status tn_valid_report_json(const tn_valid_report *report, FILE *to);

#ifdef __cplusplus
}
#endif
#endif

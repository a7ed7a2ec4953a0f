/* assess FILE.csv POSITIVE|- [THRESHOLD]: every figure of a file of predictions as JSON, for checks
 * by other programs. */
#include "src/eval/assessment.h"
#include "src/eval/calibration.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(const char *name, double value) {
    if (isnan(value))
        printf("\"%s\":null,", name);
    else
        printf("\"%s\":%.17g,", name, value);
}

static void put_classes(const tn_assessment *a) {
    for (int c = 0; c < a->classes; c++) {
        const tn_class_figures *k = &a->by_class[c];
        printf("%s{", c ? "," : "");
        put("precision", k->precision);
        put("recall", k->recall);
        put("f1", k->f1);
        put("auc", k->auc);
        put("low", k->auc_interval.low);
        put("high", k->auc_interval.high);
        put("average_precision", k->average_precision);
        printf("\"n\":%zu}", k->truths);
    }
}

static tn_status assess(const char *path, const char *positive, const char *threshold) {
    tn_predictions p;
    tn_assessment a;
    tn_temperature t;
    TN_TRY(tn_predictions_read(path, &p));
    tn_assess_options o = {.decision = tn_decision_default(
                               strcmp(positive, "-") ? tn_predictions_class(&p, positive) : -1)};
    if (threshold) o.decision.threshold = strtod(threshold, NULL);
    TN_TRY(tn_assess(&p, &o, &a));
    printf("{");
    for (int f = 0; f < TN_FIGURES; f++) put(tn_figure_key((tn_figure)f), a.figure[f]);
    put("temperature", tn_temperature_fit(&p, &t) == TN_OK ? t.value : NAN);
    printf("\"classes\":[");
    put_classes(&a);
    printf("]}\n");
    tn_assessment_free(&a);
    tn_predictions_free(&p);
    return TN_OK;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: assess FILE.csv POSITIVE|- [THRESHOLD]\n");
        return 2;
    }
    if (assess(argv[1], argv[2], argc > 3 ? argv[3] : NULL) == TN_OK) return 0;
    fprintf(stderr, "assess: %s\n", tn_error());
    return 1;
}

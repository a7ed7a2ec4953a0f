#include "src/commands/valid_report.h"

#include "src/commands/figure_text.h"
#include "src/commands/notice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 12, /* of a confusion matrix on a terminal */ FEW = 10 };

static tn_status written(FILE *to) {
    if (fflush(to) != 0 || ferror(to)) return tn_fail("the report cannot be written");
    return TN_OK;
}

/* ---- one set's figures ---- */

static bool is_shown(const tn_assessment *a, const tn_valid_report *r, tn_figure f) {
    return tn_figure_is_shown(f, a->positive, r->options->prevalence);
}

static void print_figures(const tn_valid_report *r, const tn_assessment *a, const tn_baseline *b,
                          FILE *to) {
    char x[32], y[32], z[32];
    fprintf(to, "%-20s %8s   %-16s   always \"%s\"\n", "", "net", "95 % interval",
            r->model->names[b->answer]);
    for (size_t i = 0; i < TN_FIGURES; i++) {
        const tn_figure f = tn_figure_order[i];
        if (!is_shown(a, r, f)) continue;
        fprintf(to, "%-20s %8s   %-16s   %8s\n", tn_figure_name(f), tn_figure_text(a->figure[f], x),
                tn_interval_text(a->interval[f], y), tn_figure_text(b->figure[f], z));
    }
}

static void print_size(const tn_valid_set *s, FILE *to) {
    fprintf(to, "%zu images", s->predictions.n);
    if (s->cases.known) fprintf(to, " (%d cases)", s->cases.cases);
    fprintf(to, " of %s", s->list);
}

/* What the reader must know to take the figures for what they are. */
static void print_caveats(const tn_valid_report *r, const tn_valid_set *s, FILE *to) {
    const tn_assessment *a = &s->images;
    const char *units = s->cases.known ? "cases" : "images";
    if (a->positive >= 0)
        fprintf(to,
                "AUC, sensitivity, specificity, precision, F1 and average precision are those of "
                "\"%s\".\n",
                r->model->names[a->positive]);
    else
        fprintf(to, "AUC, precision, F1 and average precision are means over the classes.\n");
    fprintf(to, "Intervals: AUC%s, the rest bootstrap (%d resamples of %s, stratified, seed %llu)",
            a->positive >= 0 || a->classes == 2 ? " DeLong" : " too", a->resamples, units,
            r->options->seed);
    fprintf(to, "%s.\n", s->cases.known ? "" : "; images are taken as independent");
    if (a->fewest < FEW)
        fprintf(to, "Only %d %s of the smallest class: these intervals are rough and too narrow.\n",
                a->fewest, units);
    if (!isnan(r->options->prevalence))
        fprintf(to, "PPV and NPV are for a prevalence of %g, not for this list's.\n",
                r->options->prevalence);
    fprintf(to, "On the right: loss, Brier score and calibration error of always giving the "
                "classes' shares.\n");
}

static void print_cases(const tn_valid_report *r, const tn_valid_set *s, FILE *to) {
    if (!s->has_cases) return;
    fprintf(to, "\nBy case (mean over its images): %zu cases\n", s->by_case.n);
    print_figures(r, &s->by_case, &s->case_baseline, to);
    if (s->mixed)
        fprintf(to, "%zu cases are left out: their images are of several classes.\n", s->mixed);
}

/* ---- the operating point ---- */

static void print_operating(const tn_valid_report *r, const tn_assessment *a, FILE *to) {
    static const tn_figure shown[] = {TN_FIGURE_SENSITIVITY, TN_FIGURE_SPECIFICITY,
                                      TN_FIGURE_PRECISION,   TN_FIGURE_NPV,
                                      TN_FIGURE_ACCURACY,    TN_FIGURE_BALANCED_ACCURACY,
                                      TN_FIGURE_F1,          TN_FIGURE_MCC,
                                      TN_FIGURE_PPV_AT,      TN_FIGURE_NPV_AT};
    const tn_calibration *c = r->model->calibration;
    char x[32], y[32];
    fprintf(to,
            "\nAt the operating threshold: \"%s\" from %.4g on, chosen for a sensitivity of %g on "
            "%s\n",
            r->model->names[r->model->positive], c->threshold, c->wanted_sensitivity, c->list);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (is_shown(a, r, shown[i]))
            fprintf(to, "%-20s %8s   %s\n", tn_figure_name(shown[i]),
                    tn_figure_text(a->figure[shown[i]], x),
                    tn_interval_text(a->interval[shown[i]], y));
}

/* How far several nets are apart. */
static void print_members(const tn_valid_report *r, const tn_valid_set *s, FILE *to) {
    const int positive = r->model->positive;
    if (r->ensemble->n == 1) return;
    fprintf(to, "Mean of %d nets. They give ", r->ensemble->n);
    if (positive >= 0)
        fprintf(to, "\"%s\"", r->model->names[positive]);
    else
        fprintf(to, "the answer");
    fprintf(to,
            " probabilities with a standard deviation of %.4f (mean over images) and at most "
            "%.4f apart; on %zu of %zu images some answer so and some do not.\n",
            s->members.deviation, s->members.most, s->members.divided, s->predictions.n);
}

static void print_calibration(const tn_valid_report *r, FILE *to) {
    char *text = tn_ensemble_calibration_text(r->ensemble);
    fprintf(to, "scores: %s\n", text ? text : "out of memory");
    if (strcmp(tn_model_precision(r->model), "fp32") != 0)
        fprintf(to, "computed in %s\n", tn_model_precision(r->model));
    free(text);
    if (r->calibrated_here)
        fprintf(to, "Temperature and threshold were chosen on this very list: loss, Brier score, "
                    "calibration error and the operating point flatter here.\n");
}

/* ---- classes ---- */

static void print_classes(const tn_valid_report *r, const tn_assessment *a, FILE *to) {
    char text[6][32];
    double mean[5] = {0}, occurring = 0;
    fprintf(to, "\n%-20s %8s %9s %8s %8s %8s   %-16s %8s\n", "class", "images", "precision",
            "recall", "F1", "AUC", "95 % interval", "AP");
    for (int c = 0; c < a->classes; c++) {
        const tn_class_figures *k = &a->by_class[c];
        const double value[5] = {k->precision, k->recall, k->f1, k->auc, k->average_precision};
        for (int i = 0; i < 5 && k->truths; i++) mean[i] += value[i];
        occurring += k->truths > 0;
        fprintf(to, "%-20s %8zu %9s %8s %8s %8s   %-16s %8s\n", r->model->names[c], k->truths,
                tn_figure_text(value[0], text[0]), tn_figure_text(value[1], text[1]),
                tn_figure_text(value[2], text[2]), tn_figure_text(value[3], text[3]),
                tn_interval_text(k->auc_interval, text[4]), tn_figure_text(value[4], text[5]));
    }
    for (int i = 0; i < 5; i++) mean[i] /= occurring;
    fprintf(to, "%-20s %8zu %9s %8s %8s %8s   %-16s %8s\n", "macro", a->n,
            tn_figure_text(mean[0], text[0]), tn_figure_text(mean[1], text[1]),
            tn_figure_text(mean[2], text[2]), tn_figure_text(mean[3], text[3]), "",
            tn_figure_text(mean[4], text[4]));
}

static void print_confusion(const tn_valid_report *r, const tn_assessment *a, FILE *to) {
    if (a->classes > MOST_COLUMNS) {
        fprintf(to, "\nThe confusion matrix of %d classes is in -json.\n", a->classes);
        return;
    }
    fprintf(to, "\n%-20s", "truth \\ answer");
    for (int c = 0; c < a->classes; c++) fprintf(to, " %12.12s", r->model->names[c]);
    fprintf(to, "\n");
    for (int t = 0; t < a->classes; t++) {
        fprintf(to, "%-20s", r->model->names[t]);
        for (int c = 0; c < a->classes; c++)
            fprintf(to, " %12zu", a->confusion[(size_t)t * (size_t)a->classes + (size_t)c]);
        fprintf(to, "\n");
    }
}

/* ---- subgroups ---- */

static void print_groups(const tn_valid_report *r, FILE *to) {
    if (!r->groups) return;
    char x[32], y[32], z[32], u[32], v[32];
    fprintf(to, "\n%-24.24s %7s %8s %8s %8s   %-16s %8s\n", r->options->by, "images", "sens.",
            "spec.", "AUC", "95 % interval", "accuracy");
    for (int i = 0; i < r->groups; i++) {
        const tn_assessment *a = &r->group[i].images;
        const char *value = r->group[i].value;
        fprintf(to, "%-24.24s %7zu %8s %8s %8s   %-16s %8s\n", *value ? value : "(not given)", a->n,
                tn_figure_text(a->figure[TN_FIGURE_SENSITIVITY], x),
                tn_figure_text(a->figure[TN_FIGURE_SPECIFICITY], y),
                tn_figure_text(a->figure[TN_FIGURE_AUC], z),
                tn_interval_text(a->interval[TN_FIGURE_AUC], u),
                tn_figure_text(a->figure[TN_FIGURE_ACCURACY], v));
    }
    fprintf(to, "Subgroups that were looked at to find one that stands out prove nothing: overlap "
                "of intervals is the rule.\n");
}

/* ---- external ---- */

static void print_external(const tn_valid_report *r, FILE *to) {
    if (!r->has_external) return;
    const tn_valid_set *s = &r->external;
    char x[32], y[32], z[32], u[32];
    fprintf(to, "\nExternal, unverified: ");
    print_size(s, to);
    fprintf(to, "\nHow these images came by their labels is not known here: no headline, but a "
                "sign of what a net loses elsewhere.\n");
    if (r->model->preprocess.crop == TN_CROP_NODULE)
        fprintf(to, "The net was trained on nodule crops; these images are taken as they are.\n");
    print_figures(r, &s->images, &s->baseline, to);
    print_members(r, s, to);
    print_cases(r, s, to);
    if (r->external_has_threshold) print_operating(r, &r->external_operating, to);
    fprintf(to, "\n%-20s %8s %8s %9s   %s\n", "drop against internal", "internal", "external",
            "drop", "95 % interval");
    for (size_t i = 0; i < TN_FIGURES; i++) {
        const tn_figure f = tn_figure_order[i];
        if (!is_shown(&s->images, r, f)) continue;
        fprintf(to, "%-21s %8s %8s %9s   %s\n", tn_figure_name(f),
                tn_figure_text(r->internal.images.figure[f], x),
                tn_figure_text(s->images.figure[f], y), tn_figure_text(r->drop[f].drop, z),
                tn_interval_text(r->drop[f].interval, u));
    }
    const int positive = r->model->positive;
    if (positive >= 0) {
        const tn_assessment *a = &r->internal.images, *b = &s->images;
        fprintf(
            to,
            "\"%s\" is %.1f %% of the internal list and %.1f %% of the external one: accuracy, "
            "predictive values, F1, average precision, loss and Brier score move with that share "
            "alone; AUC, balanced accuracy, sensitivity and specificity do not.\n",
            r->model->names[positive], 100 * (double)a->by_class[positive].truths / (double)a->n,
            100 * (double)b->by_class[positive].truths / (double)b->n);
    }
    fprintf(to, "A positive drop of loss, Brier score or calibration error is a gain.\n");
}

tn_status tn_valid_report_text(const tn_valid_report *r, FILE *to) {
    const tn_valid_set *s = &r->internal;
    char text[32];
    print_size(s, to);
    fprintf(to, ", %.1f images/s",
            (double)(s->predictions.n + r->external.predictions.n) / r->seconds);
    if (r->views != TN_VIEWS_ONE) fprintf(to, " (views: %s)", tn_views_name(r->views));
    fprintf(to, "\n");
    print_figures(r, &s->images, &s->baseline, to);
    if (r->options->top > 1 && r->options->top < s->images.classes)
        fprintf(to, "top %d accuracy       %8s\n", r->options->top,
                tn_figure_text(r->top_accuracy, text));
    print_caveats(r, s, to);
    print_members(r, s, to);
    print_calibration(r, to);
    print_classes(r, &s->images, to);
    print_confusion(r, &s->images, to);
    print_cases(r, s, to);
    if (r->has_threshold) print_operating(r, &r->operating, to);
    print_groups(r, to);
    print_external(r, to);
    fprintf(to, "%s\n", TN_NOTICE);
    return written(to);
}

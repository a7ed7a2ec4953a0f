/* A cross-validation's tables for people. */
#include "src/commands/crossval.h"
#include "src/commands/figure_text.h"
#include "src/commands/notice.h"
#include "src/eval/members.h"

#include <math.h>
#include <stdlib.h>

enum { FEW = 10 };

/* One line a figure: a net of one fold, a repeat, the mean over repeats, and no net. */
static void print_row(const tn_crossval *c, bool by_case, tn_figure f, double *value, FILE *to) {
    const int repeats = c->options->repeats;
    const tn_assessment *a = by_case ? &c->mean.by_case : &c->mean.images;
    const tn_baseline *b = by_case ? &c->mean.case_baseline : &c->mean.baseline;
    char text[7][32];
    tn_crossval_of_folds(c, by_case, f, value);
    const tn_spread fold = tn_spread_of(value, c->options->folds * repeats);
    tn_crossval_of_repeats(c, by_case, f, value);
    const tn_spread repeat = tn_spread_of(value, repeats);
    fprintf(to, "%-20s %8s %8s   %8s", tn_figure_name(f), tn_figure_text(fold.mean, text[0]),
            tn_figure_text(fold.deviation, text[1]), tn_figure_text(repeat.mean, text[2]));
    if (repeats > 1)
        fprintf(to, " %8s   %8s", tn_figure_text(repeat.deviation, text[3]),
                tn_figure_text(a->figure[f], text[4]));
    fprintf(to, "   %-16s   %8s\n", tn_interval_text(a->interval[f], text[5]),
            tn_figure_text(b->figure[f], text[6]));
}

static void print_table(const tn_crossval *c, bool by_case, double *value, FILE *to) {
    const tn_baseline *b = by_case ? &c->mean.case_baseline : &c->mean.baseline;
    fprintf(to, "%-20s %8s %8s   %8s", "", "per fold", "sd", "pooled");
    if (c->options->repeats > 1) fprintf(to, " %8s   %8s", "sd seeds", "averaged");
    fprintf(to, "   %-16s   always \"%s\"\n", "95 % interval", c->base.names.name[b->answer]);
    for (size_t i = 0; i < TN_FIGURES; i++)
        if (tn_figure_is_shown(tn_figure_order[i], c->base.positive, NAN))
            print_row(c, by_case, tn_figure_order[i], value, to);
}

static void print_size(const tn_crossval *c, FILE *to) {
    const tn_crossval_options *o = c->options;
    fprintf(to, "%d images", c->all.images);
    if (c->cases.known) fprintf(to, " (%d cases)", c->all.cases);
    fprintf(to, " of %s:", c->list.path_of_list);
    for (int k = 0; k < c->base.classes && k < 8; k++) {
        fprintf(to, "%s %s %d", k ? "," : "", c->base.names.name[k], c->of_class[k].images);
        if (c->cases.known) fprintf(to, " (%d)", c->of_class[k].cases);
    }
    fprintf(to, "\n%d folds by case, %d repeat%s, seed", o->folds, o->repeats,
            o->repeats > 1 ? "s" : "");
    if (o->repeats > 1)
        fprintf(to, "s %llu to %llu", o->train.seed,
                o->train.seed + (unsigned long long)o->repeats - 1);
    else
        fprintf(to, " %llu", o->train.seed);
    fprintf(to, "; scored: ");
    if (c->inner)
        fprintf(to, "the epoch that was best on %.3g of each training part, kept back by case",
                o->inner);
    else
        fprintf(to, "the last epoch's weights");
    if (c->ema_alpha > 0) fprintf(to, ", averaged over updates (ema_alpha=%g)", c->ema_alpha);
    if (o->views != TN_VIEWS_ONE) fprintf(to, " (views: %s)", tn_views_name((tn_views)o->views));
    fprintf(to, "\n");
}

/* Whether some fold leaves undefined what others have. */
static bool is_gappy(const tn_crossval *c, double *value) {
    const int nets = c->options->folds * c->options->repeats;
    for (int f = 0; f < TN_FIGURES; f++) {
        tn_crossval_of_folds(c, false, (tn_figure)f, value);
        const int counted = tn_spread_of(value, nets).counted;
        if (counted && counted < nets) return true;
    }
    return false;
}

/* What the reader must know to take the figures for what they are. */
static void print_caveats(const tn_crossval *c, double *value, FILE *to) {
    const tn_assessment *a = &c->mean.images;
    const int repeats = c->options->repeats, nets = c->options->folds * repeats;
    const char *units = c->cases.known ? "cases" : "images";
    if (c->base.positive >= 0)
        fprintf(to,
                "AUC, sensitivity, specificity, precision, F1 and average precision are those of "
                "\"%s\".\n",
                c->base.names.name[c->base.positive]);
    fprintf(to,
            "per fold, sd: mean and standard deviation of %d nets, each on its own fold. Folds "
            "share training data: sd is no standard error, nor becomes one when divided.\n"
            "pooled: each image by the net that has not seen its case%s.\n",
            nets,
            repeats > 1 ? "; mean of the repeats, and sd over them (other folds and seeds)" : "");
    if (is_gappy(c, value))
        fprintf(to, "Where a fold leaves a figure undefined (the precision of a class never "
                    "answered), it is left out of \"per fold\".\n");
    if (repeats > 1)
        fprintf(to,
                "averaged: each image's mean probability over the %d repeats. That is an ensemble "
                "of %d nets, not one net; the interval is of it.\n",
                repeats, repeats);
    fprintf(to,
            "Intervals: AUC%s, the rest bootstrap (%d resamples of %s, stratified, seed %llu)%s. "
            "They count which %s were drawn, not what training adds.\n",
            c->base.positive >= 0 || a->classes == 2 ? " DeLong" : " too", a->resamples, units,
            c->options->train.seed, c->cases.known ? "" : "; images are taken as independent",
            units);
    if (a->fewest < FEW)
        fprintf(to, "Only %d %s of the smallest class: these intervals are rough and too narrow.\n",
                a->fewest, units);
    fprintf(to, "On the right: loss, Brier score and calibration error of always giving the "
                "classes' shares.\nscores: uncalibrated\n");
}

static void print_folds(const tn_crossval *c, FILE *to) {
    char auc[32], balanced[32], sensitivity[32], specificity[32];
    fprintf(to, "\n%-8s %7s %7s %8s %10s %8s %8s %8s %8s\n", "fold", "trained", "scored", "updates",
            "train loss", "AUC", "balanced", "sens.", "spec.");
    for (int i = 0; i < c->options->folds * c->options->repeats; i++) {
        const tn_crossval_fold *x = &c->fold[i];
        const double *f = x->set.images.figure;
        char name[32];
        snprintf(name, sizeof name, "r%d-f%d", x->repeat, x->fold);
        fprintf(to, "%-8s %7d %7d %8llu %10.4f %8s %8s %8s %8s\n", name, x->train.images,
                x->scored.images, (unsigned long long)x->updates, x->loss,
                tn_figure_text(f[TN_FIGURE_AUC], auc),
                tn_figure_text(f[TN_FIGURE_BALANCED_ACCURACY], balanced),
                tn_figure_text(f[TN_FIGURE_SENSITIVITY], sensitivity),
                tn_figure_text(f[TN_FIGURE_SPECIFICITY], specificity));
    }
}

tn_status tn_crossval_text(const tn_crossval *c, FILE *to) {
    const int most = c->options->folds * c->options->repeats;
    double *value = calloc((size_t)most, sizeof *value);
    if (!value) return tn_fail("out of memory");
    print_size(c, to);
    print_table(c, false, value, to);
    print_caveats(c, value, to);
    if (c->mean.has_cases) {
        fprintf(to, "\nBy case (mean over its images): %zu cases\n", c->mean.by_case.n);
        print_table(c, true, value, to);
        if (c->mean.mixed)
            fprintf(to, "%zu cases are left out: their images are of several classes.\n",
                    c->mean.mixed);
    }
    print_folds(c, to);
    fprintf(to, "%s\n", TN_NOTICE);
    free(value);
    if (fflush(to) != 0 || ferror(to)) return tn_fail("the report cannot be written");
    return TN_OK;
}

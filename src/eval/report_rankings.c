/* ROC curves, calibration and confusion matrices, from probs.csv. */
#include "src/eval/html.h"
#include "src/eval/report_parts.h"
#include "src/eval/roc.h"
#include "src/eval/svg_plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two classes have one AUC, whichever is looked at; of more, one has to be the positive one. */
static int ranked_class(const tn_report_run *run) {
    if (run->positive >= 0) return run->positive;
    return run->predictions.classes == 2 ? 1 : -1;
}

/* The first run of a row with predictions; NULL: none. */
static const tn_report_run *shown(const tn_report *r, const tn_report_row *row) {
    for (int i = 0; i < row->runs; i++)
        if (r->run[row->run[i]].predictions.n) return &r->run[row->run[i]];
    return NULL;
}

/* ---- ROC ---- */

typedef struct curve {
    double *x, *y;
    size_t n;
    char name[160];
} curve;

static tn_status make_curve(const tn_report_run *run, curve *c) {
    const tn_predictions *p = &run->predictions;
    const int class = ranked_class(run);
    tn_ranking ranking;
    TN_TRY(tn_ranking_create(p->probability + class, (size_t)p->classes, p->truth, class, p->n,
                             &ranking));
    size_t *tp = calloc(p->n + 1, sizeof *tp), *fp = calloc(p->n + 1, sizeof *fp);
    double *threshold = calloc(p->n + 1, sizeof *threshold);
    c->x = calloc(p->n + 1, sizeof *c->x);
    c->y = calloc(p->n + 1, sizeof *c->y);
    const bool ok = tp && fp && threshold && c->x && c->y;
    if (ok) c->n = tn_ranking_curve(&ranking, threshold, tp, fp);
    for (size_t i = 0; ok && i < c->n; i++) {
        c->x[i] = (double)fp[i] / (double)fp[c->n - 1]; /* NaN, a gap, where a kind is missing */
        c->y[i] = (double)tp[i] / (double)tp[c->n - 1];
    }
    free(tp);
    free(fp);
    free(threshold);
    tn_ranking_free(&ranking);
    return ok ? TN_OK : tn_fail("ROC: out of memory for %zu images", p->n);
}

static void name_curve(const tn_report_run *run, curve *c) {
    const double auc = run->images.figure[TN_FIGURE_AUC];
    const tn_interval i = run->images.interval[TN_FIGURE_AUC];
    char text[32], range[64] = "";
    if (tn_interval_is(i)) snprintf(range, sizeof range, " (%.3f to %.3f)", i.low, i.high);
    snprintf(c->name, sizeof c->name, "%.60s: AUC %s%s", run->net, tn_report_number(auc, text),
             range);
}

static tn_status put_roc(const tn_report *r, const char *group, curve *c, tn_svg_series *s,
                         FILE *to) {
    int n = 0;
    for (int i = 0; i < r->rows; i++) {
        const tn_report_run *run = shown(r, &r->row[i]);
        if (strcmp(r->row[i].group, group) != 0 || !run || ranked_class(run) < 0) continue;
        TN_TRY(make_curve(run, &c[n]));
        name_curve(run, &c[n]);
        s[n] = (tn_svg_series){.name = c[n].name,
                               .colour = n,
                               .kind = n < 8 ? TN_SVG_LINE : TN_SVG_DASHED,
                               .n = c[n].n,
                               .x = c[n].x,
                               .y = c[n].y};
        n++;
    }
    if (!n) {
        fputs("<p class=\"missing\">No probs.csv with a class to ask about, so no curve.</p>\n",
              to);
        return TN_OK;
    }
    const tn_svg_plot plot = {.title = "ROC",
                              .x_label = "1 - specificity",
                              .y_label = "sensitivity",
                              .x_high = 1,
                              .y_high = 1,
                              .width = 380,
                              .height = 380,
                              .diagonal = true,
                              .series = s,
                              .n_series = n};
    fputs("<figure>", to);
    const tn_status status = tn_svg_plot_write(&plot, to);
    fputs("<figcaption>The first run of each net, by image; the thin diagonal is what a coin does: "
          "AUC 0.5.</figcaption></figure>\n",
          to);
    return status;
}

static tn_status put_rocs(const tn_report *r, const char *group, FILE *to) {
    curve *c = calloc((size_t)r->rows + 1, sizeof *c);
    tn_svg_series *s = calloc((size_t)r->rows + 1, sizeof *s);
    const tn_status status = c && s ? put_roc(r, group, c, s, to) : tn_fail("ROC: out of memory");
    for (int i = 0; c && i < r->rows; i++) {
        free(c[i].x);
        free(c[i].y);
    }
    free(c);
    free(s);
    return status;
}

/* ---- calibration and confusion ---- */

static tn_status put_reliability(const tn_evaluator *e, const tn_report_run *run, FILE *to) {
    tn_reliability_bin bin[TN_ECE_BINS];
    double middle[TN_ECE_BINS], share[TN_ECE_BINS], said[TN_ECE_BINS];
    char title[96], text[32];
    tn_evaluator_reliability(e, bin);
    for (int b = 0; b < TN_ECE_BINS; b++) {
        middle[b] = (b + 0.5) / TN_ECE_BINS;
        share[b] = bin[b].accuracy;
        said[b] = bin[b].confidence;
    }
    const tn_svg_series series[] = {
        {"right answers in the bin", 0, TN_SVG_BARS, TN_ECE_BINS, middle, share, 1.0 / TN_ECE_BINS},
        {"mean probability, share right", 1, TN_SVG_DOTS, TN_ECE_BINS, said, share, 0}};
    snprintf(title, sizeof title, "%.40s: ECE %s", run->net,
             tn_report_number(run->images.figure[TN_FIGURE_ECE], text));
    const tn_svg_plot plot = {.title = title,
                              .x_label = "probability of the answer",
                              .y_label = "share right",
                              .x_high = 1,
                              .y_high = 1,
                              .width = 210,
                              .height = 210,
                              .diagonal = true,
                              .series = series,
                              .n_series = 2};
    return tn_svg_plot_write(&plot, to);
}

static tn_status put_confusion(const tn_evaluator *e, const tn_report_run *run, FILE *to) {
    const tn_predictions *p = &run->predictions;
    const size_t k = (size_t)p->classes;
    if (p->classes > TN_SVG_MOST_CLASSES) {
        fprintf(to, "<p class=\"missing\">%d classes: too many for a matrix.</p>\n", p->classes);
        return TN_OK;
    }
    size_t *count = calloc(k * k, sizeof *count);
    if (!count) return tn_fail("confusion matrix: out of memory");
    tn_evaluator_confusion(e, count);
    const tn_status status = tn_svg_confusion_write(run->net, p->name, p->classes, count, to);
    free(count);
    return status;
}

typedef tn_status put_fn(const tn_evaluator *e, const tn_report_run *run, FILE *to);

static tn_status put_each(const tn_report *r, const char *group, put_fn *put, FILE *to) {
    fputs("<figure>", to);
    for (int i = 0; i < r->rows; i++) {
        if (strcmp(r->row[i].group, group) != 0) continue;
        const tn_report_run *run = shown(r, &r->row[i]);
        if (!run) {
            fputs("<p class=\"missing\">", to);
            tn_html_text(to, r->row[i].net);
            fputs(": no probs.csv.</p>\n", to);
            continue;
        }
        const tn_decision decision = tn_decision_default(run->positive);
        tn_evaluator *e;
        TN_TRY(tn_evaluator_create(&run->predictions, &decision, &e));
        const tn_status status = put(e, run, to);
        tn_evaluator_free(e);
        TN_TRY(status);
    }
    fputs("</figure>\n", to);
    return TN_OK;
}

tn_status tn_report_put_rankings(const tn_report *r, FILE *to) {
    fputs("<h2>ROC curves</h2>\n", to);
    for (int g = 0; g < r->groups; g++) {
        tn_report_put_group(r, r->group[g], to);
        TN_TRY(put_rocs(r, r->group[g], to));
    }
    fputs("<h2>Calibration</h2>\n<p>When a net says 0.8, is it right 8 times in 10? ECE: expected "
          "calibration error, 15 bins. First run of each net, by image.</p>\n",
          to);
    for (int g = 0; g < r->groups; g++) {
        tn_report_put_group(r, r->group[g], to);
        TN_TRY(put_each(r, r->group[g], put_reliability, to));
    }
    fputs("<h2>Confusion matrices</h2>\n<p>The most probable class is the answer; shares are of "
          "each row. First run of each net, by image.</p>\n",
          to);
    for (int g = 0; g < r->groups; g++) {
        tn_report_put_group(r, r->group[g], to);
        TN_TRY(put_each(r, r->group[g], put_confusion, to));
    }
    return TN_OK;
}

/* The figures as tables: over seeds, and run by run with intervals. */
#include "src/eval/html.h"
#include "src/eval/report_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const tn_figure columns[] = {
    TN_FIGURE_AUC,         TN_FIGURE_BALANCED_ACCURACY,
    TN_FIGURE_ACCURACY,    TN_FIGURE_SENSITIVITY,
    TN_FIGURE_SPECIFICITY, TN_FIGURE_F1,
    TN_FIGURE_MCC,         TN_FIGURE_PRECISION,
    TN_FIGURE_LOSS,        TN_FIGURE_BRIER,
    TN_FIGURE_ECE,
};
enum { COLUMNS = sizeof columns / sizeof *columns };

const char *tn_report_number(double value, char text[32]) {
    if (isnan(value)) return "-";
    snprintf(text, 32, "%.4f", value);
    return text;
}

void tn_report_put_name(const tn_report *r, const tn_report_run *run, FILE *to) {
    tn_html_text(to, run->net);
    for (int i = 0; i < r->rows; i++)
        if (r->row[i].runs > 1 && strcmp(r->row[i].net, run->net) == 0 &&
            strcmp(r->row[i].group, run->group) == 0 && run->has_seed)
            fprintf(to, ", seed %" PRIu64, run->seed);
}

void tn_report_put_group(const tn_report *r, const char *group, FILE *to) {
    if (r->groups < 2 && !*group) return;
    fputs("<h3>", to);
    tn_html_text(to, *group ? group : "(no group)");
    fputs("</h3>\n", to);
}

static void put_head(const char *more, FILE *to) {
    fprintf(to, "<tr><th>net</th>%s", more);
    for (int c = 0; c < COLUMNS; c++) fprintf(to, "<th>%s</th>", tn_figure_name(columns[c]));
    fputs("</tr>\n", to);
}

static bool any(const tn_report *r, const char *group, tn_report_set set) {
    for (int i = 0; i < r->runs; i++)
        if (strcmp(r->run[i].group, group) == 0 && tn_report_set_of(&r->run[i], set)->there)
            return true;
    return false;
}

/* ---- over seeds ---- */

static void put_spread(const tn_report_spread *s, FILE *to) {
    char text[32];
    fprintf(to, "<td>%s", tn_report_number(s->mean, text));
    if (!isnan(s->sd)) fprintf(to, "<small>&#177; %s</small>", tn_report_number(s->sd, text));
    if (tn_interval_is(s->interval))
        fprintf(to, "<small>%.4f to %.4f</small>", s->interval.low, s->interval.high);
    fputs("</td>", to);
}

static void put_row(const tn_report *r, const tn_report_row *row, tn_report_set set, FILE *to) {
    int n = 0;
    for (int i = 0; i < row->runs; i++) n += tn_report_set_of(&r->run[row->run[i]], set)->there;
    fputs("<tr><th>", to);
    tn_html_text(to, row->net);
    fprintf(to, "</th><td>%d</td>", n);
    for (int c = 0; c < COLUMNS; c++) {
        const tn_report_spread s = tn_report_spread_of(r, row, set, columns[c]);
        put_spread(&s, to);
    }
    fputs("</tr>\n", to);
}

/* The trivial answers of a group: one row for each that differs, as lists do. */
static void put_baselines(const tn_report *r, const char *group, tn_report_set set, FILE *to) {
    const tn_report_figures *last = NULL;
    char text[32];
    for (int i = 0; i < r->runs; i++) {
        const tn_report_figures *f = tn_report_set_of(&r->run[i], set);
        if (strcmp(r->run[i].group, group) != 0 || !f->there || !f->baseline_class) continue;
        if (last && last->n == f->n &&
            last->baseline[TN_FIGURE_ACCURACY] == f->baseline[TN_FIGURE_ACCURACY])
            continue;
        last = f;
        fputs("<tr class=\"trivial\"><th>always answering ", to);
        tn_html_text(to, f->baseline_class);
        fputs("</th><td>-</td>", to);
        for (int c = 0; c < COLUMNS; c++)
            fprintf(to, "<td>%s</td>", tn_report_number(f->baseline[columns[c]], text));
        fputs("</tr>\n", to);
    }
}

static void put_set(const tn_report *r, const char *group, tn_report_set set, const char *title,
                    FILE *to) {
    if (!any(r, group, set)) {
        fprintf(to, "<p class=\"missing\">%s: no run here has them.</p>\n", title);
        return;
    }
    fprintf(to, "<table><caption>%s</caption>", title);
    put_head("<th>runs</th>", to);
    for (int i = 0; i < r->rows; i++)
        if (strcmp(r->row[i].group, group) == 0) put_row(r, &r->row[i], set, to);
    put_baselines(r, group, set, to);
    fputs("</table>\n", to);
}

/* ---- run by run ---- */

static void put_run(const tn_report *r, const tn_report_run *run, FILE *to) {
    const tn_report_figures *f = &run->images;
    char text[32];
    fputs("<tr><th>", to);
    tn_report_put_name(r, run, to);
    fputs("</th>", to);
    if (!f->there) {
        fprintf(to, "<td class=\"missing\" colspan=\"%d\">no valid.json, no probs.csv</td></tr>\n",
                COLUMNS + 2);
        return;
    }
    fprintf(to, "<td>%.0f</td><td>%.0f</td>", f->n, f->independent);
    for (int c = 0; c < COLUMNS; c++) {
        const tn_interval i = f->interval[columns[c]];
        fprintf(to, "<td>%s", tn_report_number(f->figure[columns[c]], text));
        if (tn_interval_is(i)) fprintf(to, "<small>%.4f to %.4f</small>", i.low, i.high);
        fputs("</td>", to);
    }
    fputs("</tr>\n", to);
}

static void put_runs(const tn_report *r, const char *group, FILE *to) {
    fputs("<table><caption>Each run, by image, with 95 % intervals</caption>", to);
    put_head("<th>images</th><th>independent</th>", to);
    for (int i = 0; i < r->rows; i++)
        for (int k = 0; k < r->row[i].runs; k++)
            if (strcmp(r->row[i].group, group) == 0) put_run(r, &r->run[r->row[i].run[k]], to);
    fputs("</table>\n", to);
}

tn_status tn_report_put_tables(const tn_report *r, FILE *to) {
    fputs(
        "<h2>Figures</h2>\n<p>Mean over runs, which differ in their seed; &#177; is the standard "
        "deviation over seeds. Where there is one run, its 95 % interval. A cross-validation's "
        "figure is that of each image's mean over the repeats: with more than one, of an ensemble "
        "of so many nets, not of one; &#177; is then the deviation of the single repeats. The last "
        "row needs no net.</p>\n",
        to);
    for (int g = 0; g < r->groups; g++) {
        const char *group = r->group[g];
        tn_report_put_group(r, group, to);
        put_set(r, group, TN_REPORT_IMAGES, "By image", to);
        put_set(r, group, TN_REPORT_CASES, "By case (mean over its images)", to);
        put_runs(r, group, to);
    }
    fputs("<h2>Another collection, unverified</h2>\n<p>Images from elsewhere, whose labels nobody "
          "here has checked: no headline.</p>\n",
          to);
    for (int g = 0; g < r->groups; g++) {
        tn_report_put_group(r, r->group[g], to);
        put_set(r, r->group[g], TN_REPORT_EXTERNAL, "External set, by image, unverified", to);
    }
    return ferror(to) ? tn_fail("the tables cannot be written") : TN_OK;
}

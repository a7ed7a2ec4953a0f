/* Learning curves: loss, accuracy and F1 over epochs. */
#include "src/eval/axis.h"
#include "src/eval/html.h"
#include "src/eval/report_parts.h"
#include "src/eval/svg_plot.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct panel {
    const char *title;
    size_t field; /* offset in tn_summary */
} panel;

static const panel panels[] = {{"Loss", offsetof(tn_summary, loss)},
                               {"Accuracy", offsetof(tn_summary, accuracy)},
                               {"F1", offsetof(tn_summary, f1)}};

static double field(const tn_summary *s, const panel *p) {
    double value;
    memcpy(&value, (const char *)s + p->field, sizeof value);
    return value;
}

/* All histories of a row, end to end. */
typedef struct curves {
    tn_svg_series *series; /* two a history: training and validation */
    int n;
    double *x, *y, *sorted;
    size_t points;
    double last; /* epoch */
} curves;

static int histories_of(const tn_report *r, const tn_report_row *row, size_t *records) {
    int n = 0;
    *records = 0;
    for (int i = 0; i < row->runs; i++) {
        const tn_report_run *run = &r->run[row->run[i]];
        n += run->histories;
        for (int h = 0; h < run->histories; h++) *records += run->history[h].n;
    }
    return n;
}

static void add_history(curves *c, const tn_history *h, const panel *p) {
    for (int list = 0; list < 2; list++) {
        tn_svg_series *s = &c->series[c->n];
        *s = (tn_svg_series){.name = c->n > 1 ? NULL
                                     : list   ? "validation"
                                              : "training",
                             .colour = list,
                             .n = h->n,
                             .x = c->x + c->points,
                             .y = c->y + c->points};
        c->n++;
        for (size_t i = 0; i < h->n; i++) {
            const tn_epoch_record *e = &h->record[i];
            c->x[c->points] = e->epoch;
            c->y[c->points++] = field(list ? &e->valid : &e->train, p);
            c->last = fmax(c->last, e->epoch);
        }
    }
}

static tn_status put_panel(const tn_report *r, const tn_report_row *row, const panel *p, curves *c,
                           FILE *to) {
    c->n = 0;
    c->points = 0;
    c->last = 1;
    for (int i = 0; i < row->runs; i++) {
        const tn_report_run *run = &r->run[row->run[i]];
        for (int h = 0; h < run->histories; h++) add_history(c, &run->history[h], p);
    }
    memcpy(c->sorted, c->y, c->points * sizeof *c->y);
    const tn_svg_plot plot = {.title = p->title,
                              .x_label = "epoch",
                              .x_high = c->last,
                              .y_high = p == panels ? tn_axis_top(c->sorted, c->points) : 1,
                              .width = 240,
                              .height = 170,
                              .series = c->series,
                              .n_series = c->n};
    return tn_svg_plot_write(&plot, to);
}

static void put_caption(const tn_report_row *row, int n, FILE *to) {
    fputs("<figcaption>", to);
    tn_html_text(to, row->net);
    fprintf(to, ": %d run%s</figcaption></figure>\n", n, n == 1 ? "" : "s or folds");
}

static tn_status put_row(const tn_report *r, const tn_report_row *row, FILE *to) {
    size_t records;
    const int n = histories_of(r, row, &records);
    if (!records) {
        fputs("<p class=\"missing\">", to);
        tn_html_text(to, row->net);
        fputs(": no metrics.jsonl with an epoch in it, so no curves.</p>\n", to);
        return TN_OK;
    }
    curves c = {.series = calloc(2 * (size_t)n + 1, sizeof *c.series),
                .x = calloc(2 * records + 1, sizeof *c.x),
                .y = calloc(2 * records + 1, sizeof *c.y),
                .sorted = calloc(2 * records + 1, sizeof *c.sorted)};
    tn_status status = c.series && c.x && c.y && c.sorted
                           ? TN_OK
                           : tn_fail("curves: out of memory for %zu epochs", records);
    fputs("<figure>", to);
    for (size_t p = 0; p < sizeof panels / sizeof *panels && status == TN_OK; p++)
        status = put_panel(r, row, &panels[p], &c, to);
    put_caption(row, n, to);
    free(c.series);
    free(c.x);
    free(c.y);
    free(c.sorted);
    return status;
}

tn_status tn_report_put_curves(const tn_report *r, FILE *to) {
    fputs("<h2>Curves over epochs</h2>\n<p>One line a run. The validation list is that of "
          "training; a loss beyond four times the median is drawn at the upper edge.</p>\n",
          to);
    for (int g = 0; g < r->groups; g++) {
        tn_report_put_group(r, r->group[g], to);
        for (int i = 0; i < r->rows; i++)
            if (strcmp(r->row[i].group, r->group[g]) == 0) TN_TRY(put_row(r, &r->row[i], to));
    }
    return TN_OK;
}

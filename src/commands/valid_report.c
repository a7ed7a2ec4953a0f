#include "src/commands/valid_report.h"

#include "src/commands/notice.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

enum { MOST_COLUMNS = 12 }; /* of a confusion matrix on a terminal */

static tn_status written(FILE *to) {
    if (fflush(to) != 0 || ferror(to)) return tn_fail("the report cannot be written");
    return TN_OK;
}

/* The class that occurs most often; the first of equals. */
static int majority(const tn_metrics *m) {
    int best = 0;
    for (int c = 1; c < m->classes; c++)
        if (m->by_class[c].truths > m->by_class[best].truths) best = c;
    return best;
}

static double share(const tn_metrics *m, int c) {
    return (double)m->by_class[c].truths / (double)m->n;
}

/* The loss of answering every image with the list's own class shares: no answer that does not look
 * at the image has a lower one. */
static double blind_loss(const tn_metrics *m) {
    double loss = 0;
    for (int c = 0; c < m->classes; c++) {
        const double p = share(m, c);
        if (p > 0) loss -= p * log(p);
    }
    return loss;
}

static double blind_balanced(const tn_metrics *m) {
    int occurring = 0;
    for (int c = 0; c < m->classes; c++) occurring += m->by_class[c].truths > 0;
    return 1.0 / occurring;
}

/* ---- text ---- */

static const char *figure(double value, char text[32]) {
    if (isnan(value)) return "-";
    snprintf(text, 32, "%.4f", value);
    return text;
}

static void row(FILE *to, const char *name, double value, double blind) {
    char a[32], b[32];
    fprintf(to, "%-20s %8s", name, figure(value, a));
    if (!isnan(blind)) fprintf(to, "   %8s", figure(blind, b));
    fprintf(to, "\n");
}

static void print_figures(const tn_valid_report *r, FILE *to) {
    const tn_metrics *m = r->metrics;
    const int most = majority(m);
    char name[64];
    fprintf(to, "%-20s %8s   always \"%s\"\n", "", "net", r->model->names[most]);
    row(to, "accuracy", m->accuracy, share(m, most));
    if (m->top > 1 && m->top < m->classes) {
        snprintf(name, sizeof name, "top %d accuracy", m->top);
        row(to, name, m->top_accuracy, NAN);
    }
    row(to, "balanced accuracy", m->balanced_accuracy, blind_balanced(m));
    row(to, "AUC", m->auc, 0.5);
    if (m->positive >= 0) {
        row(to, "sensitivity", m->sensitivity, m->positive == most);
        row(to, "specificity", m->specificity, m->positive != most);
    }
    row(to, "F1", m->f1, NAN);
    row(to, "loss", m->loss, blind_loss(m));
    if (m->positive >= 0)
        fprintf(to, "AUC, sensitivity, specificity and F1 are those of \"%s\".\n",
                r->model->names[m->positive]);
    fprintf(to, "The loss on the right is that of always answering the classes' shares.\n");
}

static void print_classes(const tn_valid_report *r, FILE *to) {
    char text[4][32];
    fprintf(to, "\n%-20s %8s %9s %8s %8s %8s\n", "class", "images", "precision", "recall", "F1",
            "AUC");
    for (int c = 0; c < r->metrics->classes; c++) {
        const tn_class_metrics *k = &r->metrics->by_class[c];
        fprintf(to, "%-20s %8zu %9s %8s %8s %8s\n", r->model->names[c], k->truths,
                figure(k->precision, text[0]), figure(k->recall, text[1]), figure(k->f1, text[2]),
                figure(k->auc, text[3]));
    }
}

static void print_confusion(const tn_valid_report *r, FILE *to) {
    const tn_metrics *m = r->metrics;
    if (m->classes > MOST_COLUMNS) {
        fprintf(to, "\nThe confusion matrix of %d classes is in -json.\n", m->classes);
        return;
    }
    fprintf(to, "\n%-20s", "truth \\ answer");
    for (int c = 0; c < m->classes; c++) fprintf(to, " %12.12s", r->model->names[c]);
    fprintf(to, "\n");
    for (int t = 0; t < m->classes; t++) {
        fprintf(to, "%-20s", r->model->names[t]);
        for (int c = 0; c < m->classes; c++)
            fprintf(to, " %12zu", m->confusion[(size_t)t * (size_t)m->classes + (size_t)c]);
        fprintf(to, "\n");
    }
}

tn_status tn_valid_report_text(const tn_valid_report *r, FILE *to) {
    const tn_metrics *m = r->metrics;
    fprintf(to, "%zu images of %s, %.1f images/s", m->n, r->list->path_of_list,
            (double)m->n / r->seconds);
    if (r->views != TN_VIEWS_ONE) fprintf(to, " (views: %s)", tn_views_name(r->views));
    fprintf(to, "\n");
    print_figures(r, to);
    print_classes(r, to);
    print_confusion(r, to);
    fprintf(to, "%s\n", TN_NOTICE);
    return written(to);
}

/* ---- JSON ---- */

static tn_status put_text(FILE *to, const char *before, const char *text) {
    cJSON *item = cJSON_CreateString(text);
    char *quoted = item ? cJSON_PrintUnformatted(item) : NULL;
    if (quoted) fprintf(to, "%s%s", before, quoted);
    cJSON_free(quoted);
    cJSON_Delete(item);
    return quoted ? TN_OK : tn_fail("out of memory");
}

static tn_status put_names(const tn_valid_report *r, FILE *to) {
    for (int c = 0; c < r->metrics->classes; c++)
        TN_TRY(put_text(to, c ? "," : ",\"classes\":[", r->model->names[c]));
    fputs("]", to);
    return r->metrics->positive < 0
               ? TN_OK
               : put_text(to, ",\"positive\":", r->model->names[r->metrics->positive]);
}

static tn_status put_blind(const tn_valid_report *r, FILE *to) {
    const tn_metrics *m = r->metrics;
    const int most = majority(m);
    TN_TRY(put_text(to, ",\"baseline\":{\"class\":", r->model->names[most]));
    fprintf(to, ",\"accuracy\":%.6g,\"balanced_accuracy\":%.6g,\"auc\":0.5,\"loss\":%.6g}",
            share(m, most), blind_balanced(m), blind_loss(m));
    return TN_OK;
}

tn_status tn_valid_report_json(const tn_valid_report *r, FILE *to) {
    fputs("{", to);
    tn_metrics_json(r->metrics, to);
    fprintf(to, ",\"top\":%d,\"top_accuracy\":%.6g", r->metrics->top, r->metrics->top_accuracy);
    TN_TRY(put_names(r, to));
    TN_TRY(put_blind(r, to));
    TN_TRY(put_text(to, ",\"list\":", r->list->path_of_list));
    TN_TRY(put_text(to, ",\"weights\":", r->model->args.weights));
    TN_TRY(put_text(to, ",\"views\":", tn_views_name(r->views)));
    fprintf(to, ",\"seconds\":%.3f", r->seconds);
    TN_TRY(put_text(to, ",\"notice\":", TN_NOTICE));
    fputs("}\n", to);
    return written(to);
}

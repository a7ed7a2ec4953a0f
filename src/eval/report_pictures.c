/* Pictures: where nets look, hits and misses apart, and what the images are like. */
#include "src/data/csv.h"
#include "src/data/text.h"
#include "src/eval/html.h"
#include "src/eval/report_parts.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_HEAT = 6, MOST_SAMPLES = 5 };    /* hits and misses each; of each class */
enum { HEAT_SIDE = 640, SAMPLE_SIDE = 256 }; /* pixels */

/* ---- heat maps ---- */

/* Length of a file name without folders and extension, and where it begins. */
static size_t stem_of(const char *path, const char **begin) {
    const char *slash = strrchr(path, '/');
    *begin = slash ? slash + 1 : path;
    const char *dot = strrchr(*begin, '.');
    return dot ? (size_t)(dot - *begin) : strlen(*begin);
}

/* The image whose picture this is; predictions.n: none. */
static size_t image_of(const tn_predictions *p, const char *picture) {
    const char *a, *b;
    const size_t n = stem_of(picture, &a);
    size_t i = 0;
    for (; i < p->n; i++)
        if (stem_of(p->image[i], &b) == n && strncmp(a, b, n) == 0) break;
    return i;
}

static tn_status put_heat(const tn_predictions *p, const char *path, const char *name, FILE *to) {
    const size_t i = image_of(p, name);
    fputs("<figure class=\"picture\">", to);
    TN_TRY(tn_html_picture(to, path, name, HEAT_SIDE));
    fputs("<figcaption>", to);
    if (i < p->n) {
        const double *q = p->probability + i * (size_t)p->classes;
        int answer = 0;
        for (int c = 1; c < p->classes; c++)
            if (q[c] > q[answer]) answer = c;
        tn_html_print(to, "%s: %s, answered %s (%.3f)", name, p->name[p->truth[i]], p->name[answer],
                      q[answer]);
    } else {
        tn_html_text(to, name);
    }
    fputs("</figcaption></figure>\n", to);
    return TN_OK;
}

/* 1: the net was right about it, 0: wrong, -1: probs.csv does not know it. */
static int hit(const tn_predictions *p, const char *name) {
    const size_t i = image_of(p, name);
    if (i == p->n) return -1;
    const double *q = p->probability + i * (size_t)p->classes;
    int answer = 0;
    for (int c = 1; c < p->classes; c++)
        if (q[c] > q[answer]) answer = c;
    return answer == p->truth[i];
}

static bool is_picture(const char *name) {
    const size_t n = strlen(name);
    const bool raw = n > 9 && strcmp(name + n - 9, "_heat.png") == 0;
    return n > 4 && strcmp(name + n - 4, ".png") == 0 && !raw;
}

static tn_status put_kind(const tn_report_run *run, const tn_predictions *p, struct dirent **entry,
                          int n, int kind, FILE *to) {
    static const char *const title[] = {"not in probs.csv", "misses", "hits"};
    int shown = 0;
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name;
        if (!is_picture(name) || hit(p, name) != kind || shown == MOST_HEAT) continue;
        if (!shown++) {
            fputs("<h4>", to);
            tn_html_print(to, "%s: %s", run->net, title[kind + 1]);
            fputs("</h4>\n", to);
        }
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", run->gradcam, name);
        TN_TRY(put_heat(p, path, name, to));
    }
    if (!shown && kind >= 0) {
        fputs("<p class=\"missing\">", to);
        tn_html_print(to, "%s: no picture of %s.", run->net, title[kind + 1]);
        fputs("</p>\n", to);
    }
    return TN_OK;
}

/* probs.csv in the folder says what the net that was looked at answered, else the run's does. */
static tn_status put_entries(const tn_report_run *run, struct dirent **entry, int n, FILE *to) {
    tn_predictions own = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/probs.csv", run->gradcam);
    if (access(path, F_OK) == 0) TN_TRY(tn_predictions_read(path, &own));
    const tn_predictions *p = own.n ? &own : &run->predictions;
    tn_status status = TN_OK;
    for (int kind = 1; kind >= -1 && status == TN_OK; kind--)
        status = put_kind(run, p, entry, n, kind, to);
    tn_predictions_free(&own);
    return status;
}

static tn_status put_folder(const tn_report_run *run, FILE *to) {
    struct dirent **entry;
    const int n = scandir(run->gradcam, &entry, NULL, alphasort);
    if (n < 0) return tn_fail_errno("%s: cannot be read", run->gradcam);
    const tn_status status = put_entries(run, entry, n, to);
    for (int i = 0; i < n; i++) free(entry[i]);
    free(entry);
    return status;
}

static tn_status put_heats(const tn_report *r, const char *group, FILE *to) {
    for (int i = 0; i < r->rows; i++) {
        const tn_report_run *run = NULL;
        if (strcmp(r->row[i].group, group) != 0) continue;
        for (int k = 0; k < r->row[i].runs && !run; k++)
            if (r->run[r->row[i].run[k]].gradcam) run = &r->run[r->row[i].run[k]];
        if (run) {
            TN_TRY(put_folder(run, to));
            continue;
        }
        fputs("<p class=\"missing\">", to);
        tn_html_text(to, r->row[i].net);
        fputs(": no folder gradcam/, so no heat maps.</p>\n", to);
    }
    return TN_OK;
}

/* ---- samples ---- */

static tn_status put_sample(const tn_csv *csv, size_t row, int image, FILE *to) {
    const char *name = tn_csv_cell(csv, row, image);
    char *path;
    TN_TRY(tn_find_beside(name, csv->path, &path));
    fputs("<figure class=\"picture sample\">", to);
    const tn_status status = tn_html_picture(to, path, name, SAMPLE_SIDE);
    free(path);
    fputs("<figcaption>", to);
    const char *base;
    const size_t n = stem_of(name, &base);
    tn_html_print(to, "%.*s", (int)n, base);
    const int grade = tn_csv_find(csv, "tirads");
    if (grade >= 0) tn_html_print(to, ", TI-RADS %s", tn_csv_cell(csv, row, grade));
    fputs("</figcaption></figure>\n", to);
    return status;
}

/* The first images of a class, each of another case and none a copy. */
static tn_status put_class(const tn_csv *csv, int label, const char *value, FILE *to) {
    const int image = tn_csv_find(csv, "image"), copy = tn_csv_find(csv, "copy");
    const int of_case = tn_csv_find(csv, "case");
    const char *last = "";
    int shown = 0;
    fputs("<h4>", to);
    tn_html_text(to, value);
    fputs("</h4>\n", to);
    for (size_t i = 0; i < csv->rows && shown < MOST_SAMPLES; i++) {
        if (strcmp(tn_csv_cell(csv, i, label), value) != 0 || !*tn_csv_cell(csv, i, image))
            continue;
        if (copy >= 0 && *tn_csv_cell(csv, i, copy) && strcmp(tn_csv_cell(csv, i, copy), "0") != 0)
            continue;
        if (of_case >= 0 && *last && strcmp(tn_csv_cell(csv, i, of_case), last) == 0) continue;
        if (of_case >= 0) last = tn_csv_cell(csv, i, of_case);
        TN_TRY(put_sample(csv, i, image, to));
        shown++;
    }
    return TN_OK;
}

static tn_status put_samples_of(const tn_csv *csv, FILE *to) {
    const int label = tn_csv_find(csv, "label");
    if (label < 0 || tn_csv_find(csv, "image") < 0) {
        fputs("<p class=\"missing\">", to);
        tn_html_print(to, "%s has no columns image and label, so no samples.", csv->path);
        fputs("</p>\n", to);
        return TN_OK;
    }
    const char *seen[8];
    int classes = 0;
    for (size_t i = 0; i < csv->rows && classes < 8; i++) {
        const char *value = tn_csv_cell(csv, i, label);
        bool is_new = *value != 0;
        for (int c = 0; c < classes; c++) is_new = is_new && strcmp(seen[c], value) != 0;
        if (!is_new) continue;
        seen[classes++] = value;
        TN_TRY(put_class(csv, label, value, to));
    }
    return TN_OK;
}

static tn_status put_samples(const tn_report *r, FILE *to) {
    const char *path = NULL;
    for (int i = 0; i < r->runs && !path; i++) path = r->run[i].manifest;
    if (!path || access(path, F_OK) != 0) {
        fputs("<p class=\"missing\">No manifest.csv is known of these runs, so no samples.</p>\n",
              to);
        return TN_OK;
    }
    tn_csv csv;
    TN_TRY(tn_csv_load(path, &csv));
    const tn_status status = put_samples_of(&csv, to);
    tn_csv_free(&csv);
    return status;
}

tn_status tn_report_put_pictures(const tn_report *r, FILE *to) {
    fputs("<h2>Where the nets look</h2>\n", to);
    if (!r->pictures) {
        fputs("<p class=\"missing\">Heat maps and sample images are left out (-no-images).</p>\n",
              to);
        return TN_OK;
    }
    for (int g = 0; g < r->groups; g++) {
        tn_report_put_group(r, r->group[g], to);
        TN_TRY(put_heats(r, r->group[g], to));
    }
    fputs("<h2>Sample images</h2>\n<p>The first of each class, each of another case, as the nets "
          "are given them.</p>\n",
          to);
    return put_samples(r, to);
}

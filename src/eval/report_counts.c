/* From cases to sets: what a manifest.csv says of how many images there are, and why. */
#include "src/data/csv.h"
#include "src/eval/report_parts.h"
#include "src/eval/svg_plot.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LINES = 40, LINE = 160 };

/* Spaces that SVG does not swallow. */
static const char indent[] = "\xc2\xa0\xc2\xa0\xc2\xa0\xc2\xa0";

typedef struct lines {
    char text[MOST_LINES][LINE];
    const char *at[MOST_LINES];
    int n;
} lines;

static char *next(lines *l) {
    if (l->n == MOST_LINES) return NULL;
    l->at[l->n] = l->text[l->n];
    return l->text[l->n++];
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Cells of a column in rows that `keep` marks, sorted; *n of them. The caller frees. */
static const char **cells(const tn_csv *csv, int column, const unsigned char *keep, size_t *n) {
    const char **cell = calloc(csv->rows + 1, sizeof *cell);
    *n = 0;
    for (size_t i = 0; cell && i < csv->rows; i++)
        if (keep[i]) cell[(*n)++] = tn_csv_cell(csv, i, column);
    if (cell) qsort(cell, *n, sizeof *cell, by_text);
    return cell;
}

static size_t distinct(const tn_csv *csv, const char *name, const unsigned char *keep) {
    const int column = tn_csv_find(csv, name);
    size_t n, different = 0;
    if (column < 0) return 0;
    const char **cell = cells(csv, column, keep, &n);
    for (size_t i = 0; cell && i < n; i++) different += !i || strcmp(cell[i], cell[i - 1]) != 0;
    free(cell);
    return different;
}

/* "no TI-RADS grade: 131" for each value of a column; long ones up to their first colon. */
static tn_status add_values(const tn_csv *csv, const char *name, const unsigned char *keep,
                            const char *before, lines *l) {
    const int column = tn_csv_find(csv, name);
    size_t n;
    if (column < 0) return TN_OK;
    const char **cell = cells(csv, column, keep, &n);
    if (!cell) return tn_fail("%s: out of memory", csv->path);
    for (size_t begin = 0, end; begin < n; begin = end) {
        const size_t length = strcspn(cell[begin], ":");
        for (end = begin + 1; end < n && strcspn(cell[end], ":") == length &&
                              !strncmp(cell[end], cell[begin], length);)
            end++;
        char *line = next(l);
        if (line)
            snprintf(line, LINE, "%s%.*s: %zu", before, (int)(length < 100 ? length : 100),
                     cell[begin], end - begin);
    }
    free(cell);
    return TN_OK;
}

typedef struct counting {
    const tn_csv *csv;
    unsigned char *all, *used, *left, *some;
    lines first, second, third;
} counting;

/* Rows of one value of a column among those used. */
static size_t mark(counting *c, int column, const char *value) {
    size_t n = 0;
    for (size_t i = 0; i < c->csv->rows; i++) {
        c->some[i] = c->used[i] && !strcmp(tn_csv_cell(c->csv, i, column), value);
        n += c->some[i];
    }
    return n;
}

static tn_status add_part(counting *c, const char *column, const char *value, const char *what) {
    const int at = tn_csv_find(c->csv, column);
    const size_t n = at < 0 ? 0 : mark(c, at, value);
    char *line = n ? next(&c->third) : NULL;
    if (!line) return TN_OK;
    snprintf(line, LINE, "%s %s: %zu images of %zu cases", what, value, n,
             distinct(c->csv, "case", c->some));
    return add_values(c->csv, "label", c->some, indent, &c->third);
}

static tn_status add_parts(counting *c) {
    const int fold = tn_csv_find(c->csv, "fold");
    size_t n;
    TN_TRY(add_part(c, "split", "train", "to"));
    TN_TRY(add_part(c, "split", "valid", "to"));
    if (fold < 0) return TN_OK;
    const char **cell = cells(c->csv, fold, c->used, &n);
    if (!cell) return tn_fail("%s: out of memory", c->csv->path);
    tn_status status = TN_OK;
    for (size_t i = 0; i < n && status == TN_OK; i++)
        if (*cell[i] && (!i || strcmp(cell[i], cell[i - 1]) != 0))
            status = add_part(c, "fold", cell[i], "fold");
    free(cell);
    return status;
}

static tn_status count(counting *c) {
    const tn_csv *csv = c->csv;
    const int excluded = tn_csv_find(csv, "excluded");
    size_t used = 0;
    for (size_t i = 0; i < csv->rows; i++) {
        c->all[i] = 1;
        c->left[i] = excluded >= 0 && *tn_csv_cell(csv, i, excluded);
        c->used[i] = !c->left[i];
        used += c->used[i];
    }
    snprintf(next(&c->first), LINE, "%zu cases, %zu images", distinct(csv, "case", c->all),
             distinct(csv, tn_csv_find(csv, "source") < 0 ? "image" : "source", c->all));
    if (csv->rows > used) {
        snprintf(next(&c->first), LINE, "left out: %zu rows of the manifest", csv->rows - used);
        TN_TRY(add_values(csv, "excluded", c->left, indent, &c->first));
    }
    snprintf(next(&c->second), LINE, "%zu images to train and validate with, of %zu cases", used,
             distinct(csv, "case", c->used));
    TN_TRY(add_values(csv, "label", c->used, indent, &c->second));
    const int copy = tn_csv_find(csv, "copy");
    if (copy >= 0 && used) {
        const size_t originals = mark(c, copy, "0") + mark(c, copy, "");
        if (originals < used)
            snprintf(next(&c->second), LINE, "%zu of them turned, scaled or mirrored copies",
                     used - originals);
    }
    return add_parts(c);
}

static tn_status put_manifest(const tn_csv *csv, FILE *to) {
    counting *c = calloc(1, sizeof *c);
    unsigned char *marks = calloc(4, csv->rows + 1);
    tn_status status =
        c && marks ? TN_OK : tn_fail("%s: out of memory for %zu rows", csv->path, csv->rows);
    if (status == TN_OK) {
        c->csv = csv;
        c->all = marks;
        c->used = marks + csv->rows;
        c->left = marks + 2 * csv->rows;
        c->some = marks + 3 * csv->rows;
        status = count(c);
    }
    if (status == TN_OK) {
        const tn_svg_box box[] = {
            {c->first.at, c->first.n}, {c->second.at, c->second.n}, {c->third.at, c->third.n}};
        fputs("<figure>", to);
        status = tn_svg_flow_write(box, c->third.n ? 3 : 2, to);
        fputs("</figure>\n", to);
    }
    free(c);
    free(marks);
    return status;
}

/* The first run of a group whose manifest is known. */
static const char *manifest_of(const tn_report *r, const char *group) {
    for (int i = 0; i < r->runs; i++)
        if (strcmp(r->run[i].group, group) == 0 && r->run[i].manifest) return r->run[i].manifest;
    return NULL;
}

tn_status tn_report_put_counts(const tn_report *r, FILE *to) {
    fputs("<h2>From cases to sets</h2>\n", to);
    for (int g = 0; g < r->groups; g++) {
        const char *path = manifest_of(r, r->group[g]);
        tn_report_put_group(r, r->group[g], to);
        if (!path || access(path, F_OK) != 0) {
            fputs("<p class=\"missing\">No manifest.csv is known of these runs, so no "
                  "counts.</p>\n",
                  to);
            continue;
        }
        tn_csv csv;
        TN_TRY(tn_csv_load(path, &csv));
        const tn_status status = put_manifest(&csv, to);
        tn_csv_free(&csv);
        TN_TRY(status);
    }
    return TN_OK;
}

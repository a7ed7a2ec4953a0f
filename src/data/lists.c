#include "src/data/lists.h"

#include "src/data/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE_BYTES = 1 << 30 };

/* --- labels ---------------------------------------------------------------------------------- */

static size_t count_lines(const char *text) {
    size_t n = *text != 0;
    for (; *text; text++) n += *text == '\n' && text[1];
    return n;
}

static bool is_padded(const char *text) {
    const char *blank = " \t\r";
    return *text && (strchr(blank, *text) || strchr(blank, text[strlen(text) - 1]));
}

static tn_status check_label(const tn_labels *labels, const char *name, bool unique) {
    if (!*name || strspn(name, " \t\r") == strlen(name))
        return tn_fail("blank line: a class needs a label");
    if (is_padded(name))
        return tn_fail("label '%s' has white space at an end: it would match no path", name);
    int twin = unique ? tn_labels_find(labels, name) : -1;
    if (twin >= 0) return tn_fail("label '%s' is that of line %d too", name, twin + 1);
    return TN_OK;
}

static tn_status read_labels(char *text, int classes, bool unique, tn_labels *out) {
    char *cursor = text, *line;
    while (out->n < classes && (line = tn_next_line(&cursor))) {
        if (check_label(out, line, unique) != TN_OK)
            return tn_fail_in("%s:%d", out->path, out->n + 1);
        if (!(out->name[out->n] = strdup(line))) return tn_fail("%s: no memory", out->path);
        out->n++;
    }
    if (out->n < classes) return tn_fail("%s: %d lines for classes=%d", out->path, out->n, classes);
    return TN_OK;
}

tn_status tn_labels_parse(const char *text, size_t size, const char *path, int classes, bool unique,
                          tn_labels *out) {
    *out = (tn_labels){0};
    if (classes < 1) return tn_fail("%s: classes=%d: at least 1 expected", path, classes);
    char *copy;
    TN_TRY(tn_text_from(text, size, path, &copy));
    out->path = strdup(path);
    out->name = calloc((size_t)classes, sizeof *out->name);
    tn_status status = out->path && out->name ? read_labels(copy, classes, unique, out)
                                              : tn_fail("%s: no memory for its labels", path);
    free(copy);
    if (status != TN_OK) tn_labels_free(out);
    return status;
}

static tn_status load_labels(const char *path, int classes, bool unique, tn_labels *out) {
    *out = (tn_labels){0};
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(path, MAX_FILE_BYTES, &bytes, &size));
    tn_status status = tn_labels_parse((const char *)bytes, size, path, classes, unique, out);
    free(bytes);
    return status;
}

tn_status tn_labels_load(const char *path, int classes, tn_labels *out) {
    return load_labels(path, classes, true, out);
}

tn_status tn_names_load(const char *path, int classes, tn_labels *out) {
    return load_labels(path, classes, false, out);
}

void tn_labels_free(tn_labels *labels) {
    if (!labels) return;
    for (int i = 0; i < labels->n; i++) free(labels->name[i]);
    free(labels->name);
    free(labels->path);
    *labels = (tn_labels){0};
}

int tn_labels_find(const tn_labels *labels, const char *name) {
    for (int i = 0; i < labels->n; i++)
        if (!strcmp(labels->name[i], name)) return i;
    return -1;
}

/* --- the label of a path --------------------------------------------------------------------- */

/* Labels chained by their first byte, so that a path of a set of a thousand classes is compared
 * with few of them. */
typedef struct matcher {
    const tn_labels *labels;
    int first[256]; /* a label starting with this byte, or -1 */
    int *next;      /* [labels->n] */
    int *seen;      /* [labels->n] number of the path that this label matched last */
} matcher;

static tn_status matcher_create(const tn_labels *labels, matcher *m) {
    *m = (matcher){.labels = labels};
    m->next = malloc(sizeof *m->next * (size_t)labels->n);
    m->seen = calloc((size_t)labels->n, sizeof *m->seen);
    if (!m->next || !m->seen) return tn_fail("no memory for %d labels", labels->n);
    for (int i = 0; i < 256; i++) m->first[i] = -1;
    for (int i = labels->n - 1; i >= 0; i--) {
        unsigned char c = (unsigned char)labels->name[i][0];
        m->next[i] = m->first[c];
        m->first[c] = i;
    }
    return TN_OK;
}

static void matcher_free(matcher *m) {
    free(m->next);
    free(m->seen);
}

/* Finds the labels that occur in the path: their number, and two of them. `turn` differs from path
 * to path. */
static int match(matcher *m, const char *path, int turn, int found[2]) {
    int n = 0;
    for (const char *p = path; *p; p++)
        for (int i = m->first[(unsigned char)*p]; i >= 0; i = m->next[i]) {
            const char *name = m->labels->name[i];
            if (m->seen[i] == turn || strncmp(p, name, strlen(name)) != 0) continue;
            m->seen[i] = turn;
            if (n < 2) found[n] = i;
            n++;
        }
    return n;
}

static tn_status label_of_path(matcher *m, const char *path, int turn, int *label) {
    const tn_labels *labels = m->labels;
    int found[2] = {0};
    int n = match(m, path, turn, found);
    *label = found[0];
    if (n == 1) return TN_OK;
    if (n == 0)
        return tn_fail("'%s' matches none of the %d labels of %s (labels are looked for anywhere "
                       "in the path; PATH<tab>LABEL names one outright)",
                       path, labels->n, labels->path);
    const char *a = labels->name[found[0]], *b = labels->name[found[1]];
    if (strstr(a, b) || strstr(b, a))
        return tn_fail("'%s' matches %d labels of %s, '%s' and '%s': one is a part of the other; "
                       "rename one, or name the label outright: PATH<tab>LABEL",
                       path, n, labels->path, a, b);
    return tn_fail("'%s' matches %d labels of %s, '%s' and '%s'; rename a file or folder, or name "
                   "the label outright: PATH<tab>LABEL",
                   path, n, labels->path, a, b);
}

/* --- lists ----------------------------------------------------------------------------------- */

static tn_status look_for(const char *path, const char *written) {
    struct stat info;
    if (stat(path, &info) != 0) {
        if (is_padded(written))
            return tn_fail_errno("'%s' has white space at an end and cannot be opened", written);
        return tn_fail_errno("%s: cannot be opened", path);
    }
    if (!S_ISREG(info.st_mode)) return tn_fail("%s: not a file", path);
    return TN_OK;
}

/* One line of a list into slot out->n, which is counted only when all is well. */
static tn_status read_entry(char *text, int line, matcher *m, bool look, tn_list *out) {
    char *tab = strchr(text, '\t');
    if (tab) *tab++ = 0;
    int label = -1;
    if (m && tab) {
        label = tn_labels_find(m->labels, tab);
        if (label < 0) return tn_fail("'%s' is not a label of %s", tab, m->labels->path);
    } else if (m) {
        TN_TRY(label_of_path(m, text, line, &label));
    }
    char *path;
    TN_TRY(tn_find_beside(text, out->path_of_list, &path));
    if (look && look_for(path, text) != TN_OK) {
        free(path);
        return TN_FAIL;
    }
    out->path[out->n] = path;
    out->label[out->n] = label;
    out->line[out->n] = line;
    out->n++;
    return TN_OK;
}

/* Goes through the whole list; the message is the first wrong line's, with the number of others. */
static tn_status read_entries(char *text, matcher *m, bool look, tn_list *out) {
    char *cursor = text, *line, first[1024] = "";
    int wrong = 0;
    for (int n = 1; (line = tn_next_line(&cursor)); n++) {
        if (strspn(line, " \t\r") == strlen(line)) continue;
        if (read_entry(line, n, m, look, out) == TN_OK) continue;
        if (wrong++ == 0)
            snprintf(first, sizeof first, "%s:%d: %s", out->path_of_list, n, tn_error());
    }
    if (wrong == 1) return tn_fail("%s", first);
    if (wrong > 1)
        return tn_fail("%s (and %d more line%s of this list)", first, wrong - 1,
                       wrong == 2 ? "" : "s");
    if (out->n == 0) return tn_fail("%s: no image in this list", out->path_of_list);
    return TN_OK;
}

static tn_status parse_copy(char *copy, const char *path, const tn_labels *labels, bool look,
                            tn_list *out) {
    size_t lines = count_lines(copy) + 1;
    if (lines > INT32_MAX) return tn_fail("%s: %zu lines are too many", path, lines);
    out->path_of_list = strdup(path);
    out->path = calloc(lines, sizeof *out->path);
    out->label = calloc(lines, sizeof *out->label);
    out->line = calloc(lines, sizeof *out->line);
    if (!out->path_of_list || !out->path || !out->label || !out->line)
        return tn_fail("%s: no memory for %zu lines", path, lines);
    if (!labels) return read_entries(copy, NULL, look, out);
    matcher m;
    tn_status status = matcher_create(labels, &m);
    if (status == TN_OK) status = read_entries(copy, &m, look, out);
    matcher_free(&m);
    return status;
}

tn_status tn_list_parse(const char *text, size_t size, const char *path, const tn_labels *labels,
                        bool look, tn_list *out) {
    *out = (tn_list){0};
    char *copy;
    TN_TRY(tn_text_from(text, size, path, &copy));
    tn_status status = parse_copy(copy, path, labels, look, out);
    free(copy);
    if (status != TN_OK) tn_list_free(out);
    return status;
}

tn_status tn_list_load(const char *path, const tn_labels *labels, tn_list *out) {
    *out = (tn_list){0};
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(path, MAX_FILE_BYTES, &bytes, &size));
    tn_status status = tn_list_parse((const char *)bytes, size, path, labels, true, out);
    free(bytes);
    return status;
}

void tn_list_free(tn_list *list) {
    if (!list) return;
    for (int i = 0; i < list->n; i++) free(list->path[i]);
    free(list->path);
    free(list->label);
    free(list->line);
    free(list->path_of_list);
    *list = (tn_list){0};
}

void tn_list_count(const tn_list *list, int n, int *counts) {
    memset(counts, 0, sizeof *counts * (size_t)n);
    for (int i = 0; i < list->n; i++)
        if (list->label[i] >= 0 && list->label[i] < n) counts[list->label[i]]++;
}

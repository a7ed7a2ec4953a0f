#include "src/eval/cases.h"

#include "src/data/files.h"
#include "src/data/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- finding rows ---- */

typedef struct entry {
    char *key;
    size_t at;
} entry;

typedef struct row_index {
    entry *item;
    size_t n;
    bool owns_keys;
} row_index;

static int by_key(const void *a, const void *b) {
    const entry *x = a, *y = b;
    const int order = strcmp(x->key, y->key);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static void index_free(row_index *x) {
    for (size_t i = 0; x->owns_keys && i < x->n; i++) free(x->item[i].key);
    free(x->item);
    *x = (row_index){0};
}

/* The rows that name an image, by that name; `real`: by the file that it means, where there is one.
 */
static tn_status index_rows(const tn_csv *csv, int column, bool real, row_index *out) {
    *out = (row_index){.owns_keys = real};
    out->item = calloc(csv->rows + 1, sizeof *out->item);
    if (!out->item) return tn_fail("%s: out of memory", csv->path);
    for (size_t row = 0; row < csv->rows; row++) {
        char *key = csv->cell[(row + 1) * (size_t)csv->columns + (size_t)column];
        if (!*key) continue;
        if (real) {
            char *found;
            TN_TRY(tn_find_beside(key, csv->path, &found));
            key = realpath(found, NULL);
            free(found);
            if (!key) continue;
        }
        out->item[out->n++] = (entry){key, row};
    }
    qsort(out->item, out->n, sizeof *out->item, by_key);
    return TN_OK;
}

static const entry *look_up(const row_index *x, char *key) {
    const entry *end = x->item + x->n;
    size_t low = 0, high = x->n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(x->item[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const entry *found = x->item + low;
    return found < end && strcmp(found->key, key) == 0 ? found : NULL;
}

static tn_status take(const tn_csv *csv, const row_index *x, const entry *e, size_t *row) {
    if (e + 1 < x->item + x->n && strcmp(e[0].key, e[1].key) == 0)
        return tn_fail("%s: lines %zu and %zu are of the same image, %s", csv->path,
                       tn_csv_line(csv, e[0].at), tn_csv_line(csv, e[1].at), e->key);
    *row = e->at;
    return TN_OK;
}

static tn_status find_by_file(tn_cases *c, int column, const char *const *image, size_t first) {
    const tn_csv *csv = &c->manifest;
    row_index x;
    tn_status status = index_rows(csv, column, true, &x);
    for (size_t i = first; i < c->n && status == TN_OK; i++) {
        if (c->row[i] != (size_t)-1) continue;
        char *file = realpath(image[i], NULL);
        const entry *e = file ? look_up(&x, file) : NULL;
        free(file);
        status =
            e ? take(csv, &x, e, &c->row[i]) : tn_fail("%s: %s is not in it", csv->path, image[i]);
    }
    index_free(&x);
    return status;
}

static tn_status find_rows(tn_cases *c, const char *const *image) {
    const tn_csv *csv = &c->manifest;
    const int column = tn_csv_find(csv, "image");
    if (column < 0) return tn_fail("%s:1: no column is called \"image\"", csv->path);
    c->row = calloc(c->n + 1, sizeof *c->row);
    if (!c->row) return tn_fail("%s: out of memory", csv->path);
    row_index x;
    size_t missing = c->n;
    tn_status status = index_rows(csv, column, false, &x);
    for (size_t i = c->n; i-- > 0 && status == TN_OK;) {
        const entry *e = look_up(&x, (char *)image[i]);
        c->row[i] = (size_t)-1;
        if (e)
            status = take(csv, &x, e, &c->row[i]);
        else
            missing = i;
    }
    index_free(&x);
    TN_TRY(status);
    return missing < c->n ? find_by_file(c, column, image, missing) : TN_OK;
}

/* ---- numbering ---- */

typedef struct value {
    const char *text;
    size_t image;
} value;

static int by_text(const void *a, const void *b) {
    const value *x = a, *y = b;
    const int order = strcmp(x->text, y->text);
    return order ? order : (x->image > y->image) - (x->image < y->image);
}

/* Equal texts of a column get equal numbers, in the order of first images; an empty one its own.
 * name, when not NULL, receives each number's text. */
static tn_status number(const tn_cases *c, int column, int **of, int *count, const char ***name) {
    value *v = calloc(c->n + 1, sizeof *v);
    int *first = calloc(c->n + 1, sizeof *first), *numbers = calloc(c->n + 1, sizeof *numbers);
    const char **names = calloc(c->n + 1, sizeof *names);
    const bool ok = v && first && numbers && names;
    *count = 0;
    for (size_t i = 0; ok && i < c->n; i++)
        v[i] = (value){tn_csv_cell(&c->manifest, c->row[i], column), i};
    if (ok) qsort(v, c->n, sizeof *v, by_text);
    for (size_t i = 0; ok && i < c->n; i++) {
        const bool same = i && *v[i].text && strcmp(v[i].text, v[i - 1].text) == 0;
        first[v[i].image] = same ? first[v[i - 1].image] : (int)v[i].image;
    }
    for (size_t i = 0; ok && i < c->n; i++) {
        if ((size_t)first[i] == i) names[*count] = tn_csv_cell(&c->manifest, c->row[i], column);
        numbers[i] = (size_t)first[i] == i ? (*count)++ : numbers[first[i]];
    }
    free(v);
    free(first);
    if (ok && name)
        *name = names;
    else
        free(names);
    if (ok)
        *of = numbers;
    else
        free(numbers);
    return ok ? TN_OK : tn_fail("%s: out of memory", c->manifest.path);
}

static bool says_something(const tn_cases *c, int column) {
    for (size_t i = 0; column >= 0 && i < c->n; i++)
        if (*tn_csv_cell(&c->manifest, c->row[i], column)) return true;
    return false;
}

static tn_status read_cases(tn_cases *c) {
    int of_case = tn_csv_find(&c->manifest, "case"), group = tn_csv_find(&c->manifest, "group");
    if (!says_something(c, of_case)) of_case = -1;
    if (!says_something(c, group)) group = -1;
    if (of_case < 0 && group < 0) return TN_OK;
    c->known = true;
    TN_TRY(number(c, of_case >= 0 ? of_case : group, &c->of, &c->cases, &c->name));
    return number(c, group >= 0 ? group : of_case, &c->cluster, &c->clusters, NULL);
}

tn_status tn_cases_load(const char *manifest, const char *const *image, size_t n, tn_cases *out) {
    *out = (tn_cases){.n = n};
    TN_TRY(tn_csv_load(manifest, &out->manifest));
    tn_status status = find_rows(out, image);
    if (status == TN_OK) status = read_cases(out);
    if (status != TN_OK) tn_cases_free(out);
    return status;
}

void tn_cases_free(tn_cases *c) {
    tn_csv_free(&c->manifest);
    free(c->row);
    free(c->of);
    free(c->name);
    free(c->cluster);
    *c = (tn_cases){0};
}

tn_status tn_cases_find(const char *list, char **out) {
    static const char *const places[] = {"manifest.csv", "../manifest.csv"};
    const char *slash = strrchr(list, '/');
    const int folder = slash ? (int)(slash - list) + 1 : 0;
    *out = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = tn_text("%.*s%s", folder, list, places[i]);
        if (!path) return tn_fail("%s: out of memory", list);
        if (access(path, F_OK) == 0) {
            *out = path;
            return TN_OK;
        }
        free(path);
    }
    return TN_OK;
}

/* ---- one prediction a case ---- */

typedef struct sums {
    double *probability; /* (cases, classes) */
    size_t *images;      /* [cases] */
    int *truth;          /* [cases] -1: images of several classes */
    int *cluster;        /* [cases] */
} sums;

static void add_up(const tn_cases *c, const tn_predictions *p, sums *s) {
    const size_t k = (size_t)p->classes;
    for (size_t i = 0; i < p->n; i++) {
        const size_t j = (size_t)c->of[i];
        if (s->images[j]++ == 0) {
            s->truth[j] = p->truth[i];
            s->cluster[j] = c->cluster[i];
        } else if (s->truth[j] != p->truth[i]) {
            s->truth[j] = -1;
        }
        for (size_t x = 0; x < k; x++) s->probability[j * k + x] += p->probability[i * k + x];
    }
}

static tn_status add_means(const tn_cases *c, const tn_predictions *p, sums *s, tn_predictions *out,
                           size_t *mixed) {
    const size_t k = (size_t)p->classes;
    for (size_t j = 0; j < (size_t)c->cases; j++) {
        if (s->truth[j] < 0) {
            ++*mixed;
            continue;
        }
        double *mean = s->probability + j * k;
        for (size_t x = 0; x < k; x++) mean[x] /= (double)s->images[j];
        s->cluster[out->n] = s->cluster[j]; /* out->n <= j */
        TN_TRY(tn_predictions_add(out, c->name[j], s->truth[j], mean));
    }
    return TN_OK;
}

tn_status tn_cases_average(const tn_cases *c, const tn_predictions *p, tn_predictions *out,
                           int **cluster, size_t *mixed) {
    const size_t cases = (size_t)c->cases, k = (size_t)p->classes;
    *out = (tn_predictions){0};
    *mixed = 0;
    if (!c->known || c->n != p->n)
        return tn_fail("%s: no cases for these %zu images", c->manifest.path, p->n);
    sums s = {.probability = calloc(cases * k + 1, sizeof *s.probability),
              .images = calloc(cases + 1, sizeof *s.images),
              .truth = calloc(cases + 1, sizeof *s.truth),
              .cluster = calloc(cases + 1, sizeof *s.cluster)};
    tn_status status = s.probability && s.images && s.truth && s.cluster
                           ? tn_predictions_create(out, p->name, p->classes, cases)
                           : tn_fail("out of memory for %zu cases", cases);
    if (status == TN_OK) {
        add_up(c, p, &s);
        status = add_means(c, p, &s, out, mixed);
        if (status != TN_OK) tn_predictions_free(out);
    }
    free(s.probability);
    free(s.images);
    free(s.truth);
    if (status == TN_OK && cluster)
        *cluster = s.cluster;
    else
        free(s.cluster);
    return status;
}

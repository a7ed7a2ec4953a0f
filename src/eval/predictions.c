#include "src/eval/predictions.h"

#include "src/data/csv.h"
#include "src/data/files.h"
#include "src/data/listing.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CLASS = 2 }; /* column: image and truth stand before */

/* ---- in memory ---- */

static tn_status make_room(tn_predictions *p, size_t capacity) {
    const size_t k = (size_t)p->classes;
    if (capacity > SIZE_MAX / sizeof(double) / k)
        return tn_fail("predictions: %zu images of %zu classes are too many", capacity, k);
    const char **image = realloc(p->image, (capacity + 1) * sizeof *image);
    if (image) p->image = image;
    int *truth = realloc(p->truth, (capacity + 1) * sizeof *truth);
    if (truth) p->truth = truth;
    double *probability = realloc(p->probability, (capacity * k + 1) * sizeof *probability);
    if (probability) p->probability = probability;
    if (!image || !truth || !probability)
        return tn_fail("predictions: out of memory for %zu images", capacity);
    p->capacity = capacity;
    return TN_OK;
}

static tn_status copy_names(tn_predictions *p, const char *const *name) {
    p->name = calloc((size_t)p->classes, sizeof *p->name);
    if (!p->name) return tn_fail("predictions: out of memory for %d classes", p->classes);
    for (int c = 0; c < p->classes; c++) {
        p->name[c] = tn_arena_text(&p->memory, name[c]);
        if (!p->name[c]) return TN_FAIL;
    }
    return TN_OK;
}

tn_status tn_predictions_create(tn_predictions *p, const char *const *name, int classes,
                                size_t capacity) {
    *p = (tn_predictions){.classes = classes};
    if (classes < 1) return tn_fail("predictions: %d classes", classes);
    tn_status status = copy_names(p, name);
    if (status == TN_OK) status = make_room(p, capacity);
    if (status != TN_OK) tn_predictions_free(p);
    return status;
}

void tn_predictions_free(tn_predictions *p) {
    free(p->name);
    free(p->image);
    free(p->truth);
    free(p->probability);
    tn_arena_free(&p->memory);
    *p = (tn_predictions){0};
}

static tn_status check_distribution(const tn_predictions *p, const char *image,
                                    const double *probability) {
    double sum = 0;
    for (int c = 0; c < p->classes; c++) {
        const double v = probability[c];
        if (!(v >= 0 && v <= 1 + 1e-6))
            return tn_fail("%s: the probability of \"%s\" is %g, expected 0 to 1", image,
                           p->name[c], v);
        sum += v;
    }
    if (fabs(sum - 1) < 1e-3) return TN_OK;
    return tn_fail("%s: the probabilities add up to %g, expected 1", image, sum);
}

tn_status tn_predictions_add(tn_predictions *p, const char *image, int truth,
                             const double *probability) {
    if (truth < 0 || truth >= p->classes)
        return tn_fail("%s: the truth is class %d, expected 0 to %d", image, truth, p->classes - 1);
    TN_TRY(check_distribution(p, image, probability));
    if (p->n == p->capacity) TN_TRY(make_room(p, p->n ? 2 * p->n : 64));
    const char *name = tn_arena_text(&p->memory, image);
    if (!name) return TN_FAIL;
    p->image[p->n] = name;
    p->truth[p->n] = truth;
    memcpy(p->probability + p->n * (size_t)p->classes, probability,
           (size_t)p->classes * sizeof *probability);
    p->n++;
    return TN_OK;
}

tn_status tn_predictions_add_float(tn_predictions *p, const char *image, int truth,
                                   const float *probability) {
    double small[16] = {0}, *wide = small;
    if (p->classes > 16) wide = calloc((size_t)p->classes, sizeof *wide);
    if (!wide) return tn_fail("predictions: out of memory for %d classes", p->classes);
    for (int c = 0; c < p->classes; c++) wide[c] = (double)probability[c];
    const tn_status status = tn_predictions_add(p, image, truth, wide);
    if (wide != small) free(wide);
    return status;
}

int tn_predictions_class(const tn_predictions *p, const char *name) {
    for (int c = 0; c < p->classes; c++)
        if (strcmp(p->name[c], name) == 0) return c;
    return -1;
}

tn_status tn_predictions_select(const tn_predictions *from, const size_t *row, size_t count,
                                tn_predictions *out) {
    TN_TRY(tn_predictions_create(out, from->name, from->classes, count));
    for (size_t i = 0; i < count; i++) {
        const size_t r = row[i];
        const tn_status status = tn_predictions_add(out, from->image[r], from->truth[r],
                                                    from->probability + r * (size_t)from->classes);
        if (status == TN_OK) continue;
        tn_predictions_free(out);
        return status;
    }
    return TN_OK;
}

/* ---- the file ---- */

/* As few digits as bring a float back; all of a double's where it is no float. */
static void put_probability(FILE *to, double value, char separator) {
    const int digits = value == (double)(float)value ? 9 : 17;
    fprintf(to, "%.*g%c", digits, value, separator);
}

tn_status tn_predictions_write(const tn_predictions *p, const char *path) {
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s", path));
    fputs("image,truth,", file.to);
    const int last = p->classes - 1;
    for (int c = 0; c <= last; c++) tn_csv_field(file.to, p->name[c], c < last ? ',' : '\n');
    for (size_t i = 0; i < p->n; i++) {
        const double *row = p->probability + i * (size_t)p->classes;
        tn_csv_field(file.to, p->image[i], ',');
        tn_csv_field(file.to, p->name[p->truth[i]], ',');
        for (int c = 0; c <= last; c++) put_probability(file.to, row[c], c < last ? ',' : '\n');
    }
    return tn_text_file_commit(&file);
}

static tn_status read_number(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return *text && *end == 0 ? TN_OK : tn_fail("\"%s\" is no number", text);
}

static tn_status read_row(const tn_csv *csv, size_t row, double *probability, tn_predictions *p) {
    const char *truth = tn_csv_cell(csv, row, 1);
    const int class = tn_predictions_class(p, truth);
    if (class < 0) return tn_fail("truth \"%s\" is none of the classes in the header", truth);
    for (int c = 0; c < p->classes; c++)
        TN_TRY(read_number(tn_csv_cell(csv, row, FIRST_CLASS + c), &probability[c]));
    return tn_predictions_add(p, tn_csv_cell(csv, row, 0), class, probability);
}

static tn_status read_rows(const tn_csv *csv, tn_predictions *p) {
    double *probability = calloc((size_t)p->classes, sizeof *probability);
    if (!probability) return tn_fail("%s: out of memory", csv->path);
    tn_status status = TN_OK;
    for (size_t row = 0; row < csv->rows && status == TN_OK; row++) {
        status = read_row(csv, row, probability, p);
        if (status != TN_OK) tn_fail_in("%s:%zu", csv->path, tn_csv_line(csv, row));
    }
    free(probability);
    return status;
}

static tn_status from_csv(const tn_csv *csv, tn_predictions *out) {
    if (csv->columns < FIRST_CLASS + 2 || strcmp(tn_csv_header(csv, 0), "image") != 0 ||
        strcmp(tn_csv_header(csv, 1), "truth") != 0)
        return tn_fail("%s:1: expected the header image,truth,CLASS,CLASS,... as valid -probs "
                       "writes it",
                       csv->path);
    if (csv->rows == 0) return tn_fail("%s: no predictions below the header", csv->path);
    TN_TRY(tn_predictions_create(out, (const char *const *)csv->cell + FIRST_CLASS,
                                 csv->columns - FIRST_CLASS, csv->rows));
    const tn_status status = read_rows(csv, out);
    if (status != TN_OK) tn_predictions_free(out);
    return status;
}

tn_status tn_predictions_read(const char *path, tn_predictions *out) {
    tn_csv csv;
    *out = (tn_predictions){0};
    TN_TRY(tn_csv_load(path, &csv));
    const tn_status status = from_csv(&csv, out);
    tn_csv_free(&csv);
    return status;
}

/* ---- matching ---- */

typedef struct entry {
    const char *image;
    size_t row;
} entry;

static int by_image(const void *a, const void *b) {
    return strcmp(((const entry *)a)->image, ((const entry *)b)->image);
}

/* The rows by image, each once; the caller frees *out. */
static tn_status index_images(const tn_predictions *p, const char *name, entry **out) {
    entry *e = calloc(p->n + 1, sizeof *e);
    if (!e) return tn_fail("%s: out of memory", name);
    for (size_t i = 0; i < p->n; i++) e[i] = (entry){p->image[i], i};
    qsort(e, p->n, sizeof *e, by_image);
    for (size_t i = 1; i < p->n; i++) {
        if (strcmp(e[i - 1].image, e[i].image) != 0) continue;
        const tn_status status = tn_fail("%s: %s occurs twice", name, e[i].image);
        free(e);
        return status;
    }
    *out = e;
    return TN_OK;
}

static tn_status match_classes(const tn_predictions *a, const char *a_name, const tn_predictions *b,
                               const char *b_name) {
    if (a->classes != b->classes)
        return tn_fail("%s has %d classes and %s %d", a_name, a->classes, b_name, b->classes);
    for (int c = 0; c < a->classes; c++)
        if (tn_predictions_class(b, a->name[c]) < 0)
            return tn_fail("class \"%s\" of %s is not in %s", a->name[c], a_name, b_name);
    return TN_OK;
}

/* Walks through both sorted lists and stops at the first image that only one of them has. */
static tn_status match_images(const entry *a, const char *a_name, size_t a_n, const entry *b,
                              const char *b_name, size_t b_n, size_t *at) {
    size_t only_a = 0, only_b = 0, i = 0, j = 0;
    const char *first = NULL, *has = NULL, *lacks = NULL;
    while (i < a_n || j < b_n) {
        const int order = i == a_n ? 1 : j == b_n ? -1 : strcmp(a[i].image, b[j].image);
        if (order == 0) {
            at[a[i++].row] = b[j++].row;
            continue;
        }
        if (!first) {
            first = order < 0 ? a[i].image : b[j].image;
            has = order < 0 ? a_name : b_name;
            lacks = order < 0 ? b_name : a_name;
        }
        if (order < 0)
            only_a++, i++;
        else
            only_b++, j++;
    }
    if (!first) return TN_OK;
    return tn_fail("not the same images: %s is in %s but not in %s (%zu only in %s, %zu only in "
                   "%s, of %zu and %zu)",
                   first, has, lacks, only_a, a_name, only_b, b_name, a_n, b_n);
}

static tn_status match_truths(const tn_predictions *a, const char *a_name, const tn_predictions *b,
                              const char *b_name, const size_t *at) {
    for (size_t i = 0; i < a->n; i++) {
        const char *x = a->name[a->truth[i]], *y = b->name[b->truth[at[i]]];
        if (strcmp(x, y) != 0)
            return tn_fail("%s is \"%s\" in %s and \"%s\" in %s", a->image[i], x, a_name, y,
                           b_name);
    }
    return TN_OK;
}

tn_status tn_predictions_match(const tn_predictions *a, const char *a_name, const tn_predictions *b,
                               const char *b_name, size_t *at) {
    entry *x = NULL, *y = NULL;
    TN_TRY(match_classes(a, a_name, b, b_name));
    tn_status status = index_images(a, a_name, &x);
    if (status == TN_OK) status = index_images(b, b_name, &y);
    if (status == TN_OK) status = match_images(x, a_name, a->n, y, b_name, b->n, at);
    if (status == TN_OK) status = match_truths(a, a_name, b, b_name, at);
    free(x);
    free(y);
    return status;
}

static tn_status add_reordered(const tn_predictions *from, const tn_predictions *like,
                               const size_t *at, const int *class, double *row,
                               tn_predictions *out) {
    for (size_t i = 0; i < like->n; i++) {
        const double *source = from->probability + at[i] * (size_t)from->classes;
        for (int c = 0; c < like->classes; c++) row[c] = source[class[c]];
        TN_TRY(tn_predictions_add(out, like->image[i], like->truth[i], row));
    }
    return TN_OK;
}

tn_status tn_predictions_reorder(const tn_predictions *from, const tn_predictions *like,
                                 const size_t *at, tn_predictions *out) {
    TN_TRY(tn_predictions_create(out, like->name, like->classes, like->n));
    int *class = calloc((size_t)like->classes, sizeof *class);
    double *row = calloc((size_t)like->classes, sizeof *row);
    tn_status status = class && row ? TN_OK : tn_fail("predictions: out of memory");
    if (status == TN_OK) {
        for (int c = 0; c < like->classes; c++)
            class[c] = tn_predictions_class(from, like->name[c]);
        status = add_reordered(from, like, at, class, row, out);
    }
    free(class);
    free(row);
    if (status != TN_OK) tn_predictions_free(out);
    return status;
}

#include "src/data/leaks.h"

#include "src/data/files.h"
#include "src/data/perceptual_hash.h"
#include "src/data/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { END = 4096 /* bytes of each end of a file */, LARGEST = 1 << 30 };

void tn_leaks_free(tn_leaks *leaks) {
    free(leaks->leak);
    *leaks = (tn_leaks){0};
}

/* ---- the same bytes ---- */

typedef struct file_mark {
    long size;
    uint64_t ends; /* digest of both */
    int index;
} file_mark;

static tn_status mark_file(const char *path, int index, file_mark *mark) {
    char bytes[2 * END];
    *mark = (file_mark){.size = -1, .index = index};
    FILE *from = fopen(path, "rbe");
    if (!from) return tn_fail_errno("%s", path);
    size_t n = fread(bytes, 1, END, from);
    bool good = fseek(from, 0, SEEK_END) == 0 && (mark->size = ftell(from)) >= 0;
    const long tail = mark->size > 2 * END ? END : mark->size - (long)n;
    if (good && tail > 0) {
        good = fseek(from, -tail, SEEK_END) == 0;
        n += fread(bytes + n, 1, (size_t)tail, from);
    }
    good = good && !ferror(from);
    fclose(from);
    mark->ends = tn_digest(bytes, n);
    return good ? TN_OK : tn_fail("%s cannot be read", path);
}

static int by_mark(const void *x, const void *y) {
    const file_mark *a = x, *b = y;
    if (a->size != b->size) return a->size < b->size ? -1 : 1;
    if (a->ends != b->ends) return a->ends < b->ends ? -1 : 1;
    return a->index - b->index;
}

static tn_status mark_list(const tn_list *list, file_mark **out) {
    file_mark *marks = calloc((size_t)list->n + 1, sizeof *marks);
    if (!marks) return tn_fail("out of memory for %d images", list->n);
    for (int i = 0; i < list->n; i++) {
        if (mark_file(list->path[i], i, &marks[i]) == TN_OK) continue;
        free(marks);
        return TN_FAIL;
    }
    qsort(marks, (size_t)list->n, sizeof *marks, by_mark);
    *out = marks;
    return TN_OK;
}

static tn_status same_bytes(const char *a, const char *b, bool *same) {
    uint8_t *x = NULL, *y = NULL;
    size_t n = 0, m = 0;
    *same = strcmp(a, b) == 0;
    if (*same) return TN_OK;
    tn_status status = tn_read_file(a, LARGEST, &x, &n);
    if (status == TN_OK) status = tn_read_file(b, LARGEST, &y, &m);
    *same = status == TN_OK && n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return status;
}

/* Both sorted: one walk finds all that may be equal. */
static tn_status find_bytes(const tn_list *a, const tn_list *b, tn_leaks *out) {
    file_mark *x = NULL, *y = NULL;
    tn_status status = mark_list(a, &x);
    if (status == TN_OK) status = mark_list(b, &y);
    for (int i = 0, j = 0; i < b->n && status == TN_OK; i++) {
        tn_leak *leak = &out->leak[y[i].index];
        file_mark key = y[i];
        key.index = 0;
        while (j < a->n && by_mark(&x[j], &key) < 0) j++;
        for (int k = j; k < a->n && leak->bytes < 0 && status == TN_OK; k++) {
            bool same;
            if (x[k].size != key.size || x[k].ends != key.ends) break;
            status = same_bytes(a->path[x[k].index], b->path[y[i].index], &same);
            if (status == TN_OK && same) leak->bytes = x[k].index;
        }
    }
    free(x);
    free(y);
    return status;
}

/* ---- looks ---- */

static tn_status hash_list(const tn_list *list, int threads, tn_perceptual_hash **out) {
    tn_perceptual_hash *hash = calloc((size_t)list->n + 1, sizeof *hash);
    if (!hash) return tn_fail("out of memory for %d images", list->n);
    char why[1024] = "";
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int i = 0; i < list->n; i++) {
        tn_image image;
        tn_status status = tn_image_load(list->path[i], 1, &image);
        if (status == TN_OK) {
            status = tn_perceptual_hash_of(&image, &hash[i]);
            tn_image_free(&image);
        }
        if (status == TN_OK) continue;
#pragma omp critical(tn_leaks_why)
        snprintf(why, sizeof why, "%s:%d: %s", list->path_of_list, list->line[i], tn_error());
    }
    if (*why) {
        free(hash);
        return tn_fail("%s", why);
    }
    *out = hash;
    return TN_OK;
}

static tn_status find_near(const tn_list *a, const tn_list *b, int threads, tn_leaks *out) {
    tn_perceptual_hash *x = NULL, *y = NULL;
    tn_status status = hash_list(a, threads, &x);
    if (status == TN_OK) status = hash_list(b, threads, &y);
    for (int i = 0; i < b->n && status == TN_OK; i++) {
        tn_leak *leak = &out->leak[i];
        int least = TN_PERCEPTUAL_NEAR + 1;
        for (int j = 0; j < a->n && leak->bytes < 0; j++) {
            const int distance = tn_perceptual_distance(&x[j], &y[i]);
            if (distance >= least) continue;
            least = leak->distance = distance;
            leak->near = j;
        }
    }
    free(x);
    free(y);
    return status;
}

/* ---- cases ---- */

typedef struct case_mark {
    int number, index;
} case_mark;

static int by_case(const void *x, const void *y) {
    const case_mark *a = x, *b = y;
    return a->number != b->number ? (a->number < b->number ? -1 : 1) : a->index - b->index;
}

static int by_number(const void *x, const void *y) {
    const int a = ((const case_mark *)x)->number, b = ((const case_mark *)y)->number;
    return (a > b) - (a < b);
}

static tn_status find_cases(const tn_list *a, const int *case_a, const int *case_b, tn_leaks *out) {
    case_mark *marks = calloc((size_t)a->n + 1, sizeof *marks);
    if (!marks) return tn_fail("out of memory for %d images", a->n);
    for (int i = 0; i < a->n; i++) marks[i] = (case_mark){case_a[i], i};
    qsort(marks, (size_t)a->n, sizeof *marks, by_case);
    for (int i = 0; i < out->n; i++) {
        const case_mark key = {case_b[i], 0};
        if (key.number < 0) continue;
        const case_mark *found = bsearch(&key, marks, (size_t)a->n, sizeof *marks, by_number);
        if (found) out->leak[i].same_case = found->index;
    }
    free(marks);
    return TN_OK;
}

tn_status tn_leaks_find(const tn_list *a, const tn_list *b, const int *case_a, const int *case_b,
                        int look, int threads, tn_leaks *out) {
    *out = (tn_leaks){.n = b->n, .looked = look, .knew_cases = case_a && case_b};
    out->leak = calloc((size_t)b->n + 1, sizeof *out->leak);
    if (!out->leak) return tn_fail("out of memory for %d images", b->n);
    for (int i = 0; i < b->n; i++) out->leak[i] = (tn_leak){-1, -1, 0, -1};
    tn_status status = find_bytes(a, b, out);
    if (status == TN_OK && look) status = find_near(a, b, threads, out);
    if (status == TN_OK && out->knew_cases) status = find_cases(a, case_a, case_b, out);
    for (int i = 0; i < b->n; i++) {
        const tn_leak *l = &out->leak[i];
        out->bytes += l->bytes >= 0;
        out->near += l->near >= 0;
        out->of_cases += l->same_case >= 0;
        out->any += l->bytes >= 0 || l->near >= 0 || l->same_case >= 0;
    }
    if (status != TN_OK) tn_leaks_free(out);
    return status;
}

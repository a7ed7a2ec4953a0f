#include "src/commands/leak_check.h"

#include "src/data/perceptual_hash.h"
#include "src/eval/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A manifest that is not there, or not of these lists, leaves the cases unknown. */
static tn_status load_cases(const tn_list *a, const tn_list *b, tn_cases *out) {
    char *manifest = NULL;
    const size_t n = (size_t)a->n, m = (size_t)b->n;
    *out = (tn_cases){0};
    TN_TRY(tn_cases_find(b->path_of_list, &manifest));
    if (!manifest) return TN_OK;
    const char **image = calloc(n + m, sizeof *image);
    tn_status status = image ? TN_OK : tn_fail("out of memory");
    if (status == TN_OK) {
        for (size_t i = 0; i < n + m; i++) image[i] = i < n ? a->path[i] : b->path[i - n];
        if (tn_cases_load(manifest, image, n + m, out) != TN_OK) *out = (tn_cases){0};
    }
    free(image);
    free(manifest);
    return status;
}

tn_status tn_leak_check(const tn_list *a, const tn_list *b, int look, int threads, tn_leaks *out) {
    tn_cases cases;
    TN_TRY(load_cases(a, b, &cases));
    const int *of = cases.known ? cases.cluster : NULL;
    const tn_status status = tn_leaks_find(a, b, of, of ? of + a->n : NULL, look, threads, out);
    tn_cases_free(&cases);
    return status;
}

/* The first image of b that leaks in the way that counts most. */
static int first_leak(const tn_leaks *leaks, int *other) {
    for (int i = 0; i < leaks->n; i++) {
        const tn_leak *l = &leaks->leak[i];
        *other = l->bytes >= 0 ? l->bytes : l->near >= 0 ? l->near : l->same_case;
        if (*other >= 0) return i;
    }
    return -1;
}

void tn_leak_warn(const tn_list *a, const tn_list *b, const char *name, const tn_leaks *leaks) {
    int other;
    const int i = first_leak(leaks, &other);
    if (i < 0) return;
    fprintf(stderr,
            "warning: %d of %d %s images LEAK: %d have the same bytes as a training image, %d are "
            "of a case that is in training too%s (first: %s:%d and %s:%d). Scores on them say "
            "nothing about new patients\n",
            leaks->any, leaks->n, name, leaks->bytes, leaks->of_cases,
            leaks->knew_cases ? "" : " (no manifest tells the cases)", b->path_of_list, b->line[i],
            a->path_of_list, a->line[other]);
}

static void print_leak(const tn_list *a, const tn_list *b, const tn_leak *l, int i) {
    if (l->bytes >= 0) printf("  %s = %s: the same bytes\n", b->path[i], a->path[l->bytes]);
    if (l->near >= 0)
        printf("  %s ~ %s: %d of %d bits differ\n", b->path[i], a->path[l->near], l->distance,
               TN_PERCEPTUAL_BITS);
    if (l->same_case >= 0 && l->bytes < 0)
        printf("  %s, %s: one case\n", b->path[i], a->path[l->same_case]);
}

void tn_leak_print(const tn_list *a, const tn_list *b, const tn_leaks *leaks) {
    printf("%s: %d images; %s: %d images\n", a->path_of_list, a->n, b->path_of_list, b->n);
    printf("leaks: %d images of the second list: %d with the bytes of one in the first, %d that "
           "look like one, ",
           leaks->any, leaks->bytes, leaks->near);
    if (leaks->knew_cases)
        printf("%d of a case that is in both\n", leaks->of_cases);
    else
        printf("cases unknown (no manifest.csv names all these images)\n");
    for (int i = 0; i < leaks->n; i++) print_leak(a, b, &leaks->leak[i], i);
}

#include "src/data/folds.h"

#include "src/data/groups.h"

#include <stdlib.h>

/* ---- what is there ---- */

typedef struct pair {
    int cluster, label;
} pair;

static int by_pair(const void *a, const void *b) {
    const pair *x = a, *y = b;
    if (x->cluster != y->cluster) return (x->cluster > y->cluster) - (x->cluster < y->cluster);
    return (x->label > y->label) - (x->label < y->label);
}

/* clusters[c] = how many clusters of the images for which skip is false hold an image of class c.
 */
static tn_status count_clusters(const tn_folds_input *in, const bool *skip, int *clusters) {
    pair *p = calloc((size_t)in->n + 1, sizeof *p);
    int n = 0;
    if (!p) return tn_fail("out of memory for %d images", in->n);
    for (int c = 0; c < in->classes; c++) clusters[c] = 0;
    for (int i = 0; i < in->n; i++)
        if (!skip || !skip[i]) p[n++] = (pair){in->cluster[i], in->label[i]};
    qsort(p, (size_t)n, sizeof *p, by_pair);
    for (int i = 0; i < n; i++) clusters[p[i].label] += i == 0 || by_pair(&p[i], &p[i - 1]) != 0;
    free(p);
    return TN_OK;
}

static tn_status check_classes(const tn_folds_input *in, int folds) {
    int *clusters = calloc((size_t)in->classes, sizeof *clusters);
    if (!clusters) return tn_fail("out of memory for %d classes", in->classes);
    tn_status status = count_clusters(in, NULL, clusters);
    for (int c = 0; status == TN_OK && c < in->classes; c++) {
        if (!clusters[c])
            status = tn_fail("no image is of class \"%s\": nothing can be learned or scored of it",
                             in->name[c]);
        else if (clusters[c] < folds)
            status = tn_fail("%d folds, but class \"%s\" is in %d cases only: a case is never "
                             "divided, so at most %d folds hold it",
                             folds, in->name[c], clusters[c], clusters[c]);
    }
    free(clusters);
    return status;
}

/* Whether each of `parts` parts holds each class; of image i, part[i] < 0 means none. */
static tn_status check_parts(const tn_folds_input *in, const int *part, int parts,
                             const char *what) {
    const size_t k = (size_t)in->classes;
    int *count = calloc((size_t)parts * k, sizeof *count);
    if (!count) return tn_fail("out of memory for %d parts", parts);
    for (int i = 0; i < in->n; i++)
        if (part[i] >= 0) count[(size_t)part[i] * k + (size_t)in->label[i]]++;
    tn_status status = TN_OK;
    for (size_t i = 0; status == TN_OK && i < (size_t)parts * k; i++)
        if (!count[i])
            status = tn_fail("%s: part %zu has no image of class \"%s\", since cases are never "
                             "divided: fewer or larger parts are needed",
                             what, i / k + 1, in->name[i % k]);
    free(count);
    return status;
}

/* ---- dealing ---- */

/* Deals the images for which skip is false; part[i] of the others becomes -1. */
static tn_status deal(const tn_folds_input *in, const bool *skip, const double *share, int parts,
                      uint64_t seed, int *part) {
    tn_split_sample *sample = calloc((size_t)in->n + 1, sizeof *sample);
    int *got = calloc((size_t)in->n + 1, sizeof *got), n = 0;
    tn_status status = sample && got ? TN_OK : tn_fail("out of memory for %d images", in->n);
    for (int i = 0; status == TN_OK && i < in->n; i++)
        if (!skip || !skip[i])
            sample[n++] = (tn_split_sample){in->cluster[i], in->label[i], in->label[i]};
    if (status == TN_OK) status = tn_split_groups(sample, n, share, parts, seed, got);
    for (int i = 0, at = 0; status == TN_OK && i < in->n; i++)
        part[i] = skip && skip[i] ? -1 : got[at++];
    free(sample);
    free(got);
    return status;
}

tn_status tn_folds_deal(const tn_folds_input *in, int folds, uint64_t seed, int *fold) {
    double share[TN_SPLIT_PARTS];
    if (folds < 2) return tn_fail("%d folds: at least 2 are needed, to train and to score", folds);
    if (folds > TN_SPLIT_PARTS) return tn_fail("%d folds: at most %d", folds, TN_SPLIT_PARTS);
    TN_TRY(check_classes(in, folds));
    for (int f = 0; f < folds; f++) share[f] = 1.0 / folds;
    TN_TRY(deal(in, NULL, share, folds, seed, fold));
    return check_parts(in, fold, folds, "folds");
}

static tn_status check_inner(const tn_folds_input *in, const bool *scored) {
    int *clusters = calloc((size_t)in->classes, sizeof *clusters);
    if (!clusters) return tn_fail("out of memory for %d classes", in->classes);
    tn_status status = count_clusters(in, scored, clusters);
    for (int c = 0; status == TN_OK && c < in->classes; c++)
        if (clusters[c] < 2)
            status = tn_fail("the training part has class \"%s\" in %d case only: none can be kept "
                             "back to choose by",
                             in->name[c], clusters[c]);
    free(clusters);
    return status;
}

tn_status tn_folds_inner(const tn_folds_input *in, const int *fold, int scored, double share,
                         uint64_t seed, bool *inner) {
    const double shares[2] = {1 - share, share};
    bool *skip = calloc((size_t)in->n + 1, sizeof *skip);
    int *part = calloc((size_t)in->n + 1, sizeof *part);
    tn_status status = skip && part ? TN_OK : tn_fail("out of memory for %d images", in->n);
    for (int i = 0; status == TN_OK && i < in->n; i++) skip[i] = fold[i] == scored;
    if (status == TN_OK) status = check_inner(in, skip);
    if (status == TN_OK) status = deal(in, skip, shares, 2, seed, part);
    if (status == TN_OK) status = check_parts(in, part, 2, "training part and inner part");
    for (int i = 0; status == TN_OK && i < in->n; i++) inner[i] = part[i] == 1;
    free(skip);
    free(part);
    return status;
}

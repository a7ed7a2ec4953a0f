/* Which images belong to one case, from the manifest.csv that `ddti convert` and `list` write.
 *
 * `image` names the rows. `case` (else `group`) says what a case is; `group` (else `case`) which
 * cases are not independent of each other (byte-identical images join them in DDTI), so that
 * intervals draw whole groups. An empty field is a case or group of its own. */
#ifndef TN_EVAL_CASES_H
#define TN_EVAL_CASES_H

#include "src/data/csv.h"
#include "src/eval/predictions.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_cases {
    tn_csv manifest;
    size_t n;    /* images */
    size_t *row; /* [n] row of the manifest */
    bool known;  /* the manifest says which images belong together; else what follows is NULL */
    int cases;
    int *of;           /* [n] case of image i, 0..cases-1 in the order of their first image */
    const char **name; /* [cases]; "" where the manifest gives none */
    int clusters;
    int *cluster; /* [n] group of image i, 0..clusters-1 */
} tn_cases;

/* Finds every image in the manifest: by the path as it is written there, else by the file that both
 * mean. Fails, naming the first, when images are not in it or are in it twice. */
tn_status tn_cases_load(const char *manifest, const char *const *image, size_t n, tn_cases *out);
void tn_cases_free(tn_cases *cases);

/* The manifest.csv beside a list or in the folder above it (lists of folds lie one deeper); *out is
 * NULL when there is none. The caller frees it. */
tn_status tn_cases_find(const char *list, char **out);

/* Each case as one prediction, the mean over its images, named by the case. Cases whose images are
 * not all of one class have no truth: they are left out and counted in *mixed. cluster, when not
 * NULL, receives an array [out->n] that the caller frees. */
tn_status tn_cases_average(const tn_cases *cases, const tn_predictions *predictions,
                           tn_predictions *out, int **cluster, size_t *mixed);

#ifdef __cplusplus
}
#endif
#endif

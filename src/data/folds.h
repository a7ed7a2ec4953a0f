/* The folds of a cross-validation: whole cases dealt out, stratified by class. */
#ifndef TN_DATA_FOLDS_H
#define TN_DATA_FOLDS_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is dealt out; nothing is owned. */
typedef struct tn_folds_input {
    int n, classes;
    const int *label;        /* [n] 0..classes-1 */
    const int *cluster;      /* [n] images of equal numbers (a case) stay together */
    const char *const *name; /* [classes], for messages */
} tn_folds_input;

/* fold[i] receives the fold that scores image i, 0..folds-1: every image has one, no cluster has
 * two, and each fold has images of every class. Dealing is tn_split_groups': the same for the same
 * input and seed on every machine. Fails, naming the class, where folds < 2, a class has no image
 * or is in fewer clusters than there are folds, and where whole clusters leave a fold without a
 * class.
 */
tn_status tn_folds_deal(const tn_folds_input *input, int folds, uint64_t seed, int *fold);

/* Takes about `share` (0 to 1) of the images that fold `scored` does not score out of its training
 * part, by cluster and stratified: inner[i] becomes true. Both parts hold every class, or it fails,
 * naming the class that has too few clusters. */
tn_status tn_folds_inner(const tn_folds_input *input, const int *fold, int scored, double share,
                         uint64_t seed, bool *inner);

#ifdef __cplusplus
}
#endif
#endif

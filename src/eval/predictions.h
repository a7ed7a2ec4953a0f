/* What a net answered to a list of images: in memory, and as the CSV file that `valid -probs`
 * writes and other commands and programs read.
 *
 *     image,truth,benign,malignant
 *     data/ddti/images/malignant/7_1_0.png,malignant,0.0625,0.9375
 */
#ifndef TN_EVAL_PREDICTIONS_H
#define TN_EVAL_PREDICTIONS_H

#include "layers/device/memory.h"
#include "layers/device/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_predictions {
    int classes;
    size_t n, capacity;
    const char **name;   /* [classes] */
    const char **image;  /* [n] */
    int *truth;          /* [n] 0..classes-1 */
    double *probability; /* (n, classes) */
    tn_arena memory;     /* private: what the texts lie in */
} tn_predictions;

/* An empty set with room for `capacity` images; it grows beyond. Names are copied. */
tn_status tn_predictions_create(tn_predictions *p, const char *const *name, int classes,
                                size_t capacity);
void tn_predictions_free(tn_predictions *p);

/* Fails, naming the image, on a truth that is no class and on probabilities that are none: not
 * finite, below 0, above 1, or of another sum than 1 (by more than 1e-3). */
tn_status tn_predictions_add(tn_predictions *p, const char *image, int truth,
                             const double *probability);
tn_status tn_predictions_add_float(tn_predictions *p, const char *image, int truth,
                                   const float *probability);

/* The file is put in place whole. Values read back are equal where they came from floats, and
 * always in the same order. */
tn_status tn_predictions_write(const tn_predictions *p, const char *path);

/* Fails, naming FILE:LINE, on whatever is not such a file, and on one without a row. */
tn_status tn_predictions_read(const char *path, tn_predictions *out);

/* The class of that name; -1 when there is none. */
int tn_predictions_class(const tn_predictions *p, const char *name);

/* Puts `b` in the order of `a`: at[i] is the row of b that holds a's image i. Fails unless both
 * have the same classes (in any order), the same images, each once, and the same truths; the
 * message names both files and the first image that differs. `at` has room for a->n. */
tn_status tn_predictions_match(const tn_predictions *a, const char *a_name, const tn_predictions *b,
                               const char *b_name, size_t *at);

/* `from`, its rows and classes in the order of `like`, which tn_predictions_match has found it to
 * match: out->probability[i] belongs to like->image[i]. Free with tn_predictions_free. */
tn_status tn_predictions_reorder(const tn_predictions *from, const tn_predictions *like,
                                 const size_t *at, tn_predictions *out);

/* Rows `row[0..count)` of `from` as a set of their own. */
tn_status tn_predictions_select(const tn_predictions *from, const size_t *row, size_t count,
                                tn_predictions *out);

#ifdef __cplusplus
}
#endif
#endif

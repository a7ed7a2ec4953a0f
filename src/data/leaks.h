/* Images of one list that another list knows already: what makes scores on them too good. */
#ifndef TN_DATA_LEAKS_H
#define TN_DATA_LEAKS_H

#include "src/data/lists.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What image i of the second list shares with the first: places there, -1 for none. */
typedef struct tn_leak {
    int bytes;    /* the same file, or a copy of it */
    int near;     /* looks alike (perceptual_hash.h) */
    int distance; /* bits by which it does */
    int same_case;
} tn_leak;

typedef struct tn_leaks {
    int n;
    tn_leak *leak;             /* [n] images of the second list */
    int bytes, near, of_cases; /* how many have each */
    int any;                   /* how many have at least one */
    int looked, knew_cases;    /* whether near and same_case were looked for */
} tn_leaks;

/* Bytes are compared where sizes and both ends of two files agree, so a large list costs one look
 * at each file. case_a and case_b (NULL: unknown) number each image's case; negative ones are none.
 * With `look`, images are decoded by `threads` threads and near-duplicates searched for: -1 in
 * `bytes` and within TN_PERCEPTUAL_NEAR. Fails, naming it, on an image that cannot be read. */
tn_status tn_leaks_find(const tn_list *a, const tn_list *b, const int *case_a, const int *case_b,
                        int look, int threads, tn_leaks *out);
void tn_leaks_free(tn_leaks *leaks);

#ifdef __cplusplus
}
#endif
#endif

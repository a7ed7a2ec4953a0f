/* In which order a list is seen: epochs, each a permutation that seed and epoch alone decide. */
#ifndef TN_DATA_ORDER_H
#define TN_DATA_ORDER_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_order {
    uint64_t seed;
    bool shuffled;
    uint32_t size;    /* samples of an epoch */
    int n, classes;   /* images of the list; classes when balanced, else 1 */
    int *member;      /* [n] images class after class */
    int *first;       /* [classes + 1] where each class starts in member */
    int *drawn;       /* [n] scratch: member shuffled inside its classes */
    int *permutation; /* [size] of the epoch that was asked for last */
    int64_t epoch;    /* that epoch, -1 at first */
} tn_order;

/* Order of n images. Not shuffled: as listed. Balanced (and shuffled): in each epoch every class
 * comes as often as the largest one, images of smaller classes being repeated equally often (to
 * within one). label[n] is read when balanced, and only then; a class without images is an error.
 */
tn_status tn_order_create(int n, const int *label, int classes, bool shuffled, bool balanced,
                          uint64_t seed, tn_order *out);
void tn_order_free(tn_order *order);

/* The image at a position of the endless stream of epochs. Cheap within an epoch. */
int tn_order_at(tn_order *order, uint64_t position);

#ifdef __cplusplus
}
#endif
#endif

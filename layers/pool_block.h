/* What [maxpool] and [local_avgpool] share: their keys and Darknet's window arithmetic. */
#ifndef TN_POOL_BLOCK_H
#define TN_POOL_BLOCK_H

#include "layers/ops/pool.h"
#include "layers/plan.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_pool_keys {
    int size, stride, stride_x, stride_y, padding;
} tn_pool_keys;

extern const tn_key tn_pool_key_table[];

/* size 0 means stride; padding -1 means size-1 (in all, not per side: the window starts padding/2
 * before the map). out = (in + padding - size) / stride + 1. */
tn_status tn_pool_plan(tn_plan *plan, const tn_section *section, const tn_pool_keys *keys,
                       tn_pool_type type);

/* Writes the section with every value said: defaults differ from program to program. */
void tn_pool_write(FILE *to, const char *name, const tn_pool_keys *keys);

/* Appends the op alone. */
int tn_pool_append(tn_plan *plan, const tn_pool_attr *attr, int in, int h, int w);

#ifdef __cplusplus
}
#endif
#endif

/* The keys that [convolutional] and [grouped_convolutional] share. */
#ifndef TN_CONVOLUTIONAL_H
#define TN_CONVOLUTIONAL_H

#include "layers/conv_block.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_convolutional_keys {
    int filters, size, stride, stride_x, stride_y, padding, groups, dilation;
    bool pad, batch_normalize;
    int activation;
    int unsupported; /* keys that must be 0 */
} tn_convolutional_keys;

/* Plans either; fills in the summary's detail. */
tn_status tn_convolutional_plan(tn_plan *plan, const tn_section *section, const void *values);

/* What the keys come to: pad=1 means "same size" (size/2, times dilation), as Darknet means it. */
tn_conv_block tn_convolutional_block(const tn_convolutional_keys *keys);

#ifdef __cplusplus
}
#endif
#endif

/* A convolution with what follows it (bias or batch norm, skip, activation): the piece that
 * [convolutional], [grouped_convolutional] and [expansion_residual] are made of. */
#ifndef TN_CONV_BLOCK_H
#define TN_CONV_BLOCK_H

#include "layers/ops/activation.h"
#include "layers/plan.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_conv_block {
    const char *part; /* name inside the layer: "conv2"; "" for the only one */
    int filters, size, stride_y, stride_x, padding, dilation, groups;
    bool batch_normalize;
    tn_activation activation;
} tn_conv_block;

/* A declared block: its parameters' places and its output's shape. */
typedef struct tn_conv_block_parts {
    tn_shape out;
    int weights, norm[4], n_norm;
} tn_conv_block_parts;

/* Declares the parameters in Darknet's order: biases, [scales, rolling mean, rolling variance,]
 * weights. Fails when groups do not divide the channels or the window does not fit the map. */
tn_status tn_conv_block_declare(tn_plan *plan, const tn_section *section,
                                const tn_conv_block *block, int in, tn_conv_block_parts *parts);

/* Appends the ops of a declared block, reading tensor `in`; `skip` (-1: none) is added before the
 * activation. Returns the output tensor. */
int tn_conv_block_append(tn_plan *plan, const tn_conv_block *block,
                         const tn_conv_block_parts *parts, int in, int skip);

/* Both at once, for blocks whose file order is their order of execution. */
tn_status tn_conv_block_add(tn_plan *plan, const tn_section *section, const tn_conv_block *block,
                            int in, int skip, int *out);

/* activation(in[0] + in[1] + ...), of any kind: [shortcut] and [activation]. Returns the output. */
int tn_activation_append(tn_plan *plan, const char *part, tn_activation activation, const int *in,
                         int n_in);
/* A channelwise activation by itself. */
int tn_channel_norm_append(tn_plan *plan, const char *part, tn_activation activation, int in);

/* Writes the block in stock sections and returns how many: one [convolutional], and before it a
 * [maxpool] size=1 that takes over the stride of a 1x1 (Debian's Darknet ignores it there). */
int tn_conv_block_write(FILE *to, const tn_conv_block *block);

#ifdef __cplusplus
}
#endif
#endif

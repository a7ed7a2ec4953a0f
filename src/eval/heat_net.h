/* Heat maps of a net: the layer looked at, the replica that keeps its values and gradients. */
#ifndef TN_EVAL_HEAT_NET_H
#define TN_EVAL_HEAT_NET_H

#include "src/eval/heat.h"
#include "src/net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_heat_options {
    tn_heat_method method;
    const char *layer; /* see tn_heat_find_layer; NULL: the default */
    int window;        /* occlusion: side of the patch in pixels; 0: a seventh of the input's */
    int threads;       /* 0: all */
    const char *kernels;
} tn_heat_options;

typedef struct tn_heat_net tn_heat_net;

/* A replica of the net for maps; parameters are shared and must outlive it. The class's score is
 * what the last [softmax] is given (the logit), or the net's output where it has none. */
tn_status tn_heat_net_open(const tn_net *net, const tn_heat_options *options, tn_heat_net **out);
void tn_heat_net_close(tn_heat_net *heat_net);

/* The map for class `class_index` (outputs in CHW order) of one image x, dense (h,w,c) as the net
 * reads it, at the layer's own size; occlusion: at one cell for half a window. Statistics are the
 * running ones, dropout is off. */
tn_status tn_heat_net_map(tn_heat_net *heat_net, const float *x, int class_index, tn_heat *out);

/* The layer looked at, for messages: "16 [expansion_residual]", "16.conv2"; "the input" for
 * occlusion. Belongs to heat_net. */
const char *tn_heat_net_layer(const tn_heat_net *heat_net);

/* The tensor of a layer by what users write: "16" is the output of layer 16 (as summary counts),
 * "16.conv2" a part of a block, after its batch norm and activation. It must be a map of more than
 * one pixel that the score depends on.
 *
 * NULL: the last layer that convolves to a map of more than one pixel, and then the [route],
 * [shortcut], [batchnorm], [activation] or [scale_channels] of the same size that takes it up: the
 * end of a residual block, or all branches of an inception block. A 1x1 convolution after [avgpool]
 * has no places and is passed over. Fails when a net has no such layer. */
tn_status tn_heat_find_layer(const tn_net *net, const char *layer, int *tensor);

#ifdef __cplusplus
}
#endif
#endif

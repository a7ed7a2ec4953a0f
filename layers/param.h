/* Parameters: master weights, their gradients and batch-norm statistics, in Darknet's file order.
 *
 * A net's parameters are an array in .weights order; saving, loading, initialising, the optimizer,
 * weight decay, averaging, summary and export are all loops over it. The memory behind `value` and
 * `grad` may belong to a host program. Kernels keep packed copies and refresh them when `version`
 * changes: whoever writes to `value` counts it up. */
#ifndef TN_PARAM_H
#define TN_PARAM_H

#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_param_kind {
    TN_PARAM_BIAS,     /* (filters); with batch norm this is its beta */
    TN_PARAM_SCALE,    /* batch norm's gamma (filters) */
    TN_PARAM_MEAN,     /* running mean (filters); no gradient */
    TN_PARAM_VARIANCE, /* running variance (filters); no gradient */
    TN_PARAM_WEIGHTS,  /* (O, I/groups, kh, kw); connected: (O, C*H*W) */
} tn_param_kind;

/* What the plan declares. */
typedef struct tn_param_spec {
    const char *name; /* "3.conv2.weights": layer index, part of the layer, kind */
    tn_param_kind kind;
    int layer; /* index of the section, 0 the first after [net] */
    int dim[4], n_dim;
    size_t count;
    int fan_in;  /* weights: inputs of one output, for initialisation */
    bool frozen; /* never updated, decayed or (statistics) moved */
    double rate; /* multiplies the learning rate */
} tn_param_spec;

/* What a net holds. */
typedef struct tn_param {
    const tn_param_spec *spec;
    tn_real *value;
    tn_real *grad;    /* NULL for statistics; backward adds to it, it is linear in delta */
    uint64_t version; /* counted up at every change of value */
} tn_param;

static inline bool tn_param_learns(const tn_param_spec *spec) {
    return spec->kind != TN_PARAM_MEAN && spec->kind != TN_PARAM_VARIANCE;
}

/* Weight decay applies to weights only. */
static inline bool tn_param_decays(const tn_param_spec *spec) {
    return spec->kind == TN_PARAM_WEIGHTS;
}

#ifdef __cplusplus
}
#endif
#endif

/* A net's plan: tensors, parameters and the list of ops, and the functions by which a layer adds
 * its own.
 *
 * Everything here is shapes and structure for one image; batch size, mode and memory come later, in
 * a replica. A finished plan is immutable and can serve any number of replicas. */
#ifndef TN_PLAN_H
#define TN_PLAN_H

#include "layers/keys.h"
#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_layer_type tn_layer_type;

/* Shape of one image's feature map. */
typedef struct tn_shape {
    int h, w, c;
} tn_shape;

static inline size_t tn_shape_count(tn_shape s) {
    return (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

typedef struct tn_plan_tensor {
    tn_shape shape;
    int layer;  /* section that made it; -1: the net's input */
    int writer; /* op that writes it; -1: the net's input */
} tn_plan_tensor;

typedef struct tn_plan_layer {
    const tn_section *section;
    const tn_layer_type *type;
    int in, out; /* tensors; equal when the layer adds no op ([cost] after [softmax]) */
    int first_op, n_ops;
    int first_param, n_params;
    char detail[64]; /* "64 5x5/2 g16 relu": for the summary */
} tn_plan_layer;

/* Keys that every layer takes (COMPAT: stopbackward, learning_rate, ...). */
typedef struct tn_common_keys {
    bool stop_backward; /* no gradient passes below this layer; it and all before it are frozen */
    double learning_rate;
} tn_common_keys;

typedef struct tn_plan {
    tn_arena arena;
    const tn_warner *warner;
    tn_plan_tensor *tensor;
    tn_op *op;
    tn_param_spec *param;
    tn_plan_layer *layer;
    int n_tensors, n_ops, n_params, n_layers;
    int capacity[4];
    int input;  /* tensor: the image */
    int output; /* tensor: what predict reports (the last layer's, [cost] aside) */
    int time_steps;
    tn_common_keys common; /* of the layer being planned */
    bool grad_input; /* a gradient with respect to the input is wanted (a block inside a host) */
    bool failed;     /* memory ran out in an append: checked once, at the end */
} tn_plan;

/* ---- for layers ---- */

/* The tensor before this layer: the previous layer's output, or the net's input. */
int tn_plan_previous(const tn_plan *plan);
/* Index of the layer being planned. */
int tn_plan_layer_index(const tn_plan *plan);
/* Output tensor of layer `reference` as cfg files count: negative is relative to the layer being
 * planned. Fails, naming the section, when there is no such earlier layer. */
tn_status tn_plan_layer_output(const tn_plan *plan, const tn_section *section, int reference,
                               int *tensor);
tn_shape tn_plan_shape(const tn_plan *plan, int tensor);

/* A new tensor of this shape. Appends never fail visibly: after running out of memory they return
 * index 0 and the plan as a whole fails. */
int tn_plan_tensor_add(tn_plan *plan, tn_shape shape);

/* Declares a parameter, in .weights order. `part` names it inside the layer ("conv2"; "" for the
 * only part). dim: up to 4 extents, 0-terminated when fewer. */
int tn_plan_param_add(tn_plan *plan, tn_param_kind kind, const char *part, const int dim[4],
                      int fan_in);

/* What is appended. attr is copied (attr_bytes) into the plan. */
typedef struct tn_op_spec {
    const tn_op_kind *kind;
    const char *part; /* name inside the layer; "" or NULL for the only one */
    const void *attr;
    size_t attr_bytes;
    const int *in;
    int n_in;
    int out;
    const int *param;
    int n_param;
} tn_op_spec;
void tn_plan_op_add(tn_plan *plan, const tn_op_spec *spec);

/* Appends an op without parameters that writes a new tensor of this shape; returns the tensor. */
int tn_plan_map(tn_plan *plan, const tn_op_kind *kind, const char *part, const void *attr,
                size_t attr_bytes, const int *in, int n_in, tn_shape out);

/* The layer's output: what the next layer reads. Each plan function calls it once. */
void tn_plan_set_output(tn_plan *plan, int tensor);
/* What the summary shows of the layer besides its shapes. */
void tn_plan_detail(tn_plan *plan, const char *format, ...) TN_PRINTF(2, 3);

/* ---- for whoever builds a net ---- */

/* Plans sections (those after [net]) for images of shape `input`. On failure the plan is freed. */
tn_status tn_plan_build(tn_plan *plan, tn_shape input, const tn_section *sections, int n_sections,
                        bool grad_input, const tn_warner *warner);
void tn_plan_free(tn_plan *plan);

/* Multiply-adds of one image; `live` (n_ops, may be NULL) selects ops. */
double tn_plan_op_multiply_adds(const tn_plan *plan, const tn_op *op);

#ifdef __cplusplus
}
#endif
#endif

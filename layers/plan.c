#include "layers/plan.h"

#include "layers/layer.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TENSORS, OPS, PARAMS, LAYERS };

/* Images larger than this in elements are refused: indices stay well inside int. */
#define MOST_ELEMENTS ((size_t)1 << 28)

/* Makes room for one more element. On failure the plan is marked and element 0 stays valid, so that
 * a layer's plan function needs no check at every append. */
static bool grow(tn_plan *plan, void **array, int n, int which, size_t element) {
    if (n < plan->capacity[which]) return true;
    const int capacity = plan->capacity[which] ? 2 * plan->capacity[which] : 64;
    void *larger = realloc(*array, (size_t)capacity * element);
    if (!larger) {
        tn_fail("out of memory while planning");
        plan->failed = true;
        return false;
    }
    *array = larger;
    plan->capacity[which] = capacity;
    return true;
}

int tn_plan_layer_index(const tn_plan *plan) {
    return plan->n_layers;
}

int tn_plan_previous(const tn_plan *plan) {
    return plan->n_layers ? plan->layer[plan->n_layers - 1].out : plan->input;
}

tn_status tn_plan_layer_output(const tn_plan *plan, const tn_section *section, int reference,
                               int *tensor) {
    const int here = plan->n_layers;
    const int index = reference < 0 ? here + reference : reference;
    if (here == 0)
        return tn_section_fail(section, "layer %d: there is no layer before this one", reference);
    if (index < 0 || index >= here) {
        return tn_section_fail(section,
                               "layer %d does not come before this one (this is layer %d; expected "
                               "0 to %d, or -1 to -%d)",
                               reference, here, here - 1, here);
    }
    *tensor = plan->layer[index].out;
    return TN_OK;
}

tn_shape tn_plan_shape(const tn_plan *plan, int tensor) {
    return plan->tensor[tensor].shape;
}

int tn_plan_tensor_add(tn_plan *plan, tn_shape shape) {
    if (!grow(plan, (void **)&plan->tensor, plan->n_tensors, TENSORS, sizeof *plan->tensor))
        return 0;
    plan->tensor[plan->n_tensors] =
        (tn_plan_tensor){.shape = shape, .layer = plan->n_layers, .writer = -1};
    return plan->n_tensors++;
}

static char *part_name(tn_plan *plan, const char *part, const char *what) {
    char name[96];
    const char *dot = part && *part ? "." : "";
    snprintf(name, sizeof name, "%d%s%s%s%s", plan->n_layers, dot, part ? part : "",
             *what ? "." : "", what);
    char *kept = tn_arena_text(&plan->arena, name);
    if (!kept) plan->failed = true;
    return kept;
}

int tn_plan_param_add(tn_plan *plan, tn_param_kind kind, const char *part, const int dim[4],
                      int fan_in) {
    static const char *const kinds[] = {"biases", "scales", "rolling_mean", "rolling_variance",
                                        "weights"};
    if (!grow(plan, (void **)&plan->param, plan->n_params, PARAMS, sizeof *plan->param)) return 0;
    tn_param_spec *p = &plan->param[plan->n_params];
    *p = (tn_param_spec){.name = part_name(plan, part, kinds[kind]),
                         .kind = kind,
                         .layer = plan->n_layers,
                         .count = 1,
                         .fan_in = fan_in,
                         .rate = plan->common.learning_rate};
    for (int i = 0; i < 4 && dim[i] > 0; i++) {
        p->dim[p->n_dim++] = dim[i];
        p->count *= (size_t)dim[i];
    }
    if (p->count > (size_t)INT_MAX) {
        tn_fail("%s has %zu values, expected at most %d", p->name, p->count, INT_MAX);
        plan->failed = true;
    }
    return plan->n_params++;
}

void tn_plan_op_add(tn_plan *plan, const tn_op_spec *spec) {
    if (!grow(plan, (void **)&plan->op, plan->n_ops, OPS, sizeof *plan->op)) return;
    int *in = tn_arena_alloc(&plan->arena, (size_t)spec->n_in * sizeof *in);
    void *attr = tn_arena_alloc(&plan->arena, spec->attr_bytes);
    const char *name = part_name(plan, spec->part, "");
    if (!in || !attr || !name) {
        plan->failed = true;
        return;
    }
    memcpy(in, spec->in, (size_t)spec->n_in * sizeof *in);
    if (spec->attr_bytes) memcpy(attr, spec->attr, spec->attr_bytes);
    tn_op *op = &plan->op[plan->n_ops];
    *op = (tn_op){.kind = spec->kind,
                  .attr = attr,
                  .index = plan->n_ops,
                  .layer = plan->n_layers,
                  .name = name,
                  .n_in = spec->n_in,
                  .in = in,
                  .out = spec->out,
                  .n_param = spec->n_param};
    for (int i = 0; i < spec->n_param; i++) op->param[i] = spec->param[i];
    plan->tensor[spec->out].writer = plan->n_ops++;
}

int tn_plan_map(tn_plan *plan, const tn_op_kind *kind, const char *part, const void *attr,
                size_t attr_bytes, const int *in, int n_in, tn_shape shape) {
    const int out = tn_plan_tensor_add(plan, shape);
    tn_plan_op_add(plan, &(tn_op_spec){.kind = kind,
                                       .part = part,
                                       .attr = attr,
                                       .attr_bytes = attr_bytes,
                                       .in = in,
                                       .n_in = n_in,
                                       .out = out});
    return out;
}

void tn_plan_set_output(tn_plan *plan, int tensor) {
    plan->layer[plan->n_layers].out = tensor;
}

void tn_plan_detail(tn_plan *plan, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tn_plan_layer *layer = &plan->layer[plan->n_layers];
    vsnprintf(layer->detail, sizeof layer->detail, format, args);
    va_end(args);
}

static tn_status check_shapes(const tn_plan *plan, const tn_section *section, int first_tensor) {
    for (int t = first_tensor; t < plan->n_tensors; t++) {
        const tn_shape s = plan->tensor[t].shape;
        if (s.h < 1 || s.w < 1 || s.c < 1) {
            return tn_section_fail(
                section, "its output would be %dx%dx%d (width x height x channels)", s.w, s.h, s.c);
        }
        if (tn_shape_count(s) > MOST_ELEMENTS) {
            return tn_section_fail(section,
                                   "its output of %dx%dx%d has more than %zu values an image", s.w,
                                   s.h, s.c, MOST_ELEMENTS);
        }
    }
    return TN_OK;
}

/* Everything learned up to and including the present layer stays as it is. */
static void freeze_so_far(tn_plan *plan) {
    for (int i = 0; i < plan->n_params; i++) plan->param[i].frozen = true;
}

static tn_status plan_layer(tn_plan *plan, const tn_section *section) {
    const tn_layer_type *type = tn_layer_find(section->name);
    if (!type) {
        const char *names[128];
        int n = 0;
        for (const tn_layer_type *const *t = tn_layer_types(); *t && n < 128; t++) {
            names[n++] = (*t)->name;
        }
        const char *near = tn_nearest(section->name, names, n);
        return tn_section_fail(section, "no such layer type%s%s%s", near ? "; did you mean [" : "",
                               near ? near : "", near ? "]?" : "");
    }
    if (!grow(plan, (void **)&plan->layer, plan->n_layers, LAYERS, sizeof *plan->layer))
        return TN_FAIL;
    void *values = tn_arena_alloc(&plan->arena, type->values_bytes);
    if (!values) return TN_FAIL;
    const tn_key_table tables[] = {{type->keys, values}, {tn_layer_common_keys, &plan->common}};
    TN_TRY(tn_keys_read(section, tables, 2, &plan->arena, plan->warner));

    const int first_tensor = plan->n_tensors;
    tn_plan_layer *layer = &plan->layer[plan->n_layers];
    *layer = (tn_plan_layer){.section = section,
                             .type = type,
                             .in = tn_plan_previous(plan),
                             .out = -1,
                             .first_op = plan->n_ops,
                             .first_param = plan->n_params};
    TN_TRY(type->plan(plan, section, values));
    if (plan->failed) return TN_FAIL;
    TN_TRY(check_shapes(plan, section, first_tensor));
    layer->n_ops = plan->n_ops - layer->first_op;
    layer->n_params = plan->n_params - layer->first_param;
    if (plan->common.stop_backward) freeze_so_far(plan);
    plan->n_layers++;
    return TN_OK;
}

static tn_status build(tn_plan *plan, tn_shape input, const tn_section *sections, int n_sections) {
    if (input.h < 1 || input.w < 1 || input.c < 1 || tn_shape_count(input) > MOST_ELEMENTS) {
        return tn_fail(
            "net input %dx%dx%d (width x height x channels): expected at least 1x1x1 and at "
            "most %zu values",
            input.w, input.h, input.c, MOST_ELEMENTS);
    }
    if (n_sections < 1) return tn_fail("the net has no layers");
    /* Element 0 of each array exists from the start: failed appends refer to it. */
    if (!grow(plan, (void **)&plan->tensor, 0, TENSORS, sizeof *plan->tensor) ||
        !grow(plan, (void **)&plan->op, 0, OPS, sizeof *plan->op) ||
        !grow(plan, (void **)&plan->param, 0, PARAMS, sizeof *plan->param) ||
        !grow(plan, (void **)&plan->layer, 0, LAYERS, sizeof *plan->layer)) {
        return TN_FAIL;
    }
    plan->n_layers = -1; /* the input belongs to no layer */
    plan->input = tn_plan_tensor_add(plan, input);
    plan->n_layers = 0;
    for (int i = 0; i < n_sections; i++) TN_TRY(plan_layer(plan, &sections[i]));
    plan->output = plan->layer[plan->n_layers - 1].out;
    return TN_OK;
}

tn_status tn_plan_build(tn_plan *plan, tn_shape input, const tn_section *sections, int n_sections,
                        bool grad_input, const tn_warner *warner) {
    *plan = (tn_plan){.warner = warner, .grad_input = grad_input};
    const tn_status status = build(plan, input, sections, n_sections);
    if (status != TN_OK) tn_plan_free(plan);
    return status;
}

void tn_plan_free(tn_plan *plan) {
    free(plan->tensor);
    free(plan->op);
    free(plan->param);
    free(plan->layer);
    tn_arena_free(&plan->arena);
    *plan = (tn_plan){0};
}

double tn_plan_op_multiply_adds(const tn_plan *plan, const tn_op *op) {
    if (!op->kind->multiply_adds) return 0;
    const tn_shape i = plan->tensor[op->in[0]].shape, o = plan->tensor[op->out].shape;
    const tn_tensor in = {.n = 1, .h = i.h, .w = i.w, .c = i.c, .pitch = i.c};
    const tn_tensor out = {.n = 1, .h = o.h, .w = o.w, .c = o.c, .pitch = o.c};
    return op->kind->multiply_adds(op, &in, &out);
}

/* The contract of a layer type: one file, one row in registry.c. */
#ifndef TN_LAYER_H
#define TN_LAYER_H

#include "layers/plan.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tn_layer_type {
    const char *name;     /* section name, without brackets */
    const char *alias[2]; /* other names for the same section, or NULL */
    const char *help;     /* one line */
    const tn_key *keys;
    size_t values_bytes; /* size of the struct that the keys fill */
    /* Computes shapes, declares parameters, appends ops, sets the output. `values` is the filled
     * struct. What is wrong is reported with tn_section_fail. */
    tn_status (*plan)(tn_plan *plan, const tn_section *section, const void *values);
    /* Writes the layer in sections that stock Darknets know; NULL: it is stock as it stands.
     * `in` is the shape it is given. *n_sections is set to how many sections were written. */
    tn_status (*expand)(FILE *to, const tn_section *section, const void *values, tn_shape in,
                        int *n_sections);
};

/* By section name or alias; NULL: no such layer. */
const tn_layer_type *tn_layer_find(const char *name);
/* All types in the order of the registry; ends with NULL. */
const tn_layer_type *const *tn_layer_types(void);
/* Keys that every section takes, filling tn_common_keys. */
extern const tn_key tn_layer_common_keys[];

#ifdef __cplusplus
}
#endif
#endif

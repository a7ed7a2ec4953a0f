/* [dropout]. The forks' defaults differ (.5 and .2); ours is AlexeyAB's .2. */
#include "layers/ops/dropout.h"

#include "layers/layer.h"

typedef struct dropout_keys {
    double probability;
} dropout_keys;

static const tn_key keys[] = {
    TN_NUMBER(dropout_keys, probability, "probability", ".2", 0, 0.999999, "share that is dropped"),
    TN_UNSUPPORTED("dropblock", "0", "dropping whole blocks"),
    TN_IGNORED("dropblock_size_rel", "only with dropblock"),
    TN_IGNORED("dropblock_size_abs", "only with dropblock"),
    {0},
};

static tn_status plan_dropout(tn_plan *plan, const tn_section *section, const void *values) {
    (void)section;
    const dropout_keys *k = values;
    const tn_dropout_attr attr = {k->probability};
    const int in = tn_plan_previous(plan);
    tn_plan_set_output(plan, tn_plan_map(plan, &tn_op_dropout, "", &attr, sizeof attr, &in, 1,
                                         tn_plan_shape(plan, in)));
    tn_plan_detail(plan, "p=%g", k->probability);
    return TN_OK;
}

static tn_status expand(FILE *to, const tn_section *section, const void *values, tn_shape in,
                        int *n_sections) {
    (void)section;
    (void)in;
    const dropout_keys *k = values;
    fprintf(to, "[dropout]\nprobability=%g\n\n", k->probability);
    *n_sections = 1;
    return TN_OK;
}

const tn_layer_type tn_layer_dropout = {
    .name = "dropout",
    .help = "drops values in training",
    .keys = keys,
    .values_bytes = sizeof(dropout_keys),
    .plan = plan_dropout,
    .expand = expand,
};

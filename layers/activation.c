/* [activation]: an activation alone. */
#include "layers/conv_block.h"
#include "layers/layer.h"

typedef struct activation_keys {
    int activation;
} activation_keys;

static const tn_key keys[] = {
    TN_CHOICE(activation_keys, activation, "activation", "linear", tn_activation_names, "which"),
    {0},
};

static tn_status plan_activation(tn_plan *plan, const tn_section *section, const void *values) {
    (void)section;
    const activation_keys *k = values;
    const int in = tn_plan_previous(plan);
    tn_plan_set_output(plan, tn_activation_append(plan, "", (tn_activation)k->activation, &in, 1));
    tn_plan_detail(plan, "%s", tn_activation_names[k->activation]);
    return TN_OK;
}

const tn_layer_type tn_layer_activation = {
    .name = "activation",
    .help = "an activation alone",
    .keys = keys,
    .values_bytes = sizeof(activation_keys),
    .plan = plan_activation,
};

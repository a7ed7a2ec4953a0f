/* [softmax]: probabilities, and in training the cross-entropy with the truth. */
#include "layers/layer.h"
#include "layers/ops/loss.h"

typedef struct softmax_keys {
    int groups;
    double temperature, loss_weight;
    bool noloss;
} softmax_keys;

#define S softmax_keys
static const tn_key keys[] = {
    TN_INT(S, groups, "groups", "1", 1, 1 << 20, "equal runs of outputs, each with a sum of 1"),
    TN_NUMBER(S, temperature, "temperature", "1", 1e-6, 1e6, "divides the logits"),
    TN_NUMBER(S, loss_weight, "loss_weight", "1", 0, 1e6, "of this head's loss: auxiliary heads"),
    TN_FLAG(S, noloss, "noloss", "0", "1: no loss"),
    TN_UNSUPPORTED("spatial", "0", "a softmax for every pixel"),
    TN_UNSUPPORTED("tree", "", "class hierarchies"),
    {0},
};

static tn_status plan_softmax(tn_plan *plan, const tn_section *section, const void *values) {
    const softmax_keys *k = values;
    const int in = tn_plan_previous(plan);
    const tn_shape shape = tn_plan_shape(plan, in);
    if (tn_shape_count(shape) % (size_t)k->groups != 0) {
        return tn_section_fail(section, "groups=%d do not divide the %zu inputs", k->groups,
                               tn_shape_count(shape));
    }
    const tn_softmax_attr attr = {.groups = k->groups,
                                  .temperature = k->temperature,
                                  .loss_weight = k->noloss ? 0 : k->loss_weight};
    tn_plan_set_output(plan,
                       tn_plan_map(plan, &tn_op_softmax, "", &attr, sizeof attr, &in, 1, shape));
    if (attr.loss_weight != 1) tn_plan_detail(plan, "loss weight %g", attr.loss_weight);
    return TN_OK;
}

/* A head's weight in the loss is ours alone. */
static tn_status expand(FILE *to, const tn_section *section, const void *values, tn_shape in,
                        int *n_sections) {
    (void)section;
    (void)in;
    const softmax_keys *k = values;
    fprintf(to, "[softmax]\n");
    if (k->groups != 1) fprintf(to, "groups=%d\n", k->groups);
    if (k->temperature != 1) fprintf(to, "temperature=%.9g\n", k->temperature);
    if (k->noloss) fprintf(to, "noloss=1\n");
    fprintf(to, "\n");
    *n_sections = 1;
    return TN_OK;
}

const tn_layer_type tn_layer_softmax = {
    .name = "softmax",
    .alias = {"soft"},
    .help = "probabilities and cross-entropy",
    .keys = keys,
    .values_bytes = sizeof(softmax_keys),
    .plan = plan_softmax,
    .expand = expand,
};

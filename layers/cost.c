/* [cost]: Darknet's loss at the end of a net. Behind a [softmax] it adds nothing: the softmax
 * counts its loss itself, and counting it twice (as Darknet does) would only double the learning
 * rate. */
#include "layers/layer.h"
#include "layers/ops/loss.h"

typedef struct cost_keys {
    int type;
    double scale;
} cost_keys;

static const char *const types[] = {"sse", "masked", "smooth", "L1", NULL};

static const tn_key keys[] = {
    TN_CHOICE(cost_keys, type, "type", "sse", types, "sse, masked, smooth or L1"),
    TN_NUMBER(cost_keys, scale, "scale", "1", 0, 1e6, "factor on the loss"),
    TN_IGNORED("ratio", "GPU"),
    {0},
};

static tn_status plan_cost(tn_plan *plan, const tn_section *section, const void *values) {
    (void)section;
    const cost_keys *k = values;
    const int in = tn_plan_previous(plan);
    const int writer = plan->tensor[in].writer;
    tn_plan_detail(plan, "%s", types[k->type]);
    if (writer >= 0 && plan->op[writer].kind == &tn_op_softmax) {
        const tn_softmax_attr *softmax = plan->op[writer].attr;
        if (softmax->loss_weight > 0) {
            tn_plan_detail(plan, "counted by the softmax");
            tn_plan_set_output(plan, in);
            return TN_OK;
        }
    }
    const tn_cost_attr attr = {.type = (tn_cost_type)k->type, .scale = k->scale};
    tn_plan_set_output(plan, tn_plan_map(plan, &tn_op_cost, "", &attr, sizeof attr, &in, 1,
                                         tn_plan_shape(plan, in)));
    return TN_OK;
}

const tn_layer_type tn_layer_cost = {
    .name = "cost",
    .help = "loss on the previous layer's output",
    .keys = keys,
    .values_bytes = sizeof(cost_keys),
    .plan = plan_cost,
};

/* [batchnorm]: batch norm alone. File order is AlexeyAB's: biases, scales, rolling mean and
 * variance. */
#include "layers/layer.h"
#include "layers/ops/norm_act.h"

typedef struct batchnorm_keys {
    char none;
} batchnorm_keys;

static const tn_key keys[] = {{0}};

static tn_status plan_batchnorm(tn_plan *plan, const tn_section *section, const void *values) {
    (void)section;
    (void)values;
    const int in = tn_plan_previous(plan);
    const tn_shape shape = tn_plan_shape(plan, in);
    const int dim[4] = {shape.c};
    const int param[4] = {tn_plan_param_add(plan, TN_PARAM_BIAS, "", dim, 0),
                          tn_plan_param_add(plan, TN_PARAM_SCALE, "", dim, 0),
                          tn_plan_param_add(plan, TN_PARAM_MEAN, "", dim, 0),
                          tn_plan_param_add(plan, TN_PARAM_VARIANCE, "", dim, 0)};
    const tn_norm_act_attr attr = {.batch_norm = true, .activation = TN_LINEAR};
    const int out = tn_plan_tensor_add(plan, shape);
    tn_plan_op_add(plan, &(tn_op_spec){.kind = &tn_op_norm_act,
                                       .attr = &attr,
                                       .attr_bytes = sizeof attr,
                                       .in = &in,
                                       .n_in = 1,
                                       .out = out,
                                       .param = param,
                                       .n_param = 4});
    tn_plan_set_output(plan, out);
    return TN_OK;
}

const tn_layer_type tn_layer_batchnorm = {
    .name = "batchnorm",
    .help = "batch norm alone",
    .keys = keys,
    .values_bytes = sizeof(batchnorm_keys),
    .plan = plan_batchnorm,
};

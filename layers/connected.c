/* [connected]: every output sees every input, in Darknet's c,h,w order. */
#include "layers/conv_block.h"
#include "layers/layer.h"
#include "layers/ops/inner_product.h"
#include "layers/ops/norm_act.h"

#include <limits.h>

typedef struct connected_keys {
    int output, activation;
    bool batch_normalize;
} connected_keys;

#define S connected_keys
static const tn_key keys[] = {
    TN_INT(S, output, "output", "1", 1, 1 << 20, "outputs"),
    TN_FLAG(S, batch_normalize, "batch_normalize", "0", "batch norm instead of a bias"),
    TN_CHOICE(S, activation, "activation", "logistic", tn_activation_names, "activation"),
    {0},
};

static tn_status plan_connected(tn_plan *plan, const tn_section *section, const void *values) {
    const connected_keys *k = values;
    const int in = tn_plan_previous(plan);
    const size_t inputs = tn_shape_count(tn_plan_shape(plan, in));
    if (inputs > (size_t)(INT_MAX / k->output)) {
        return tn_section_fail(section, "%zu inputs times %d outputs are too many weights", inputs,
                               k->output);
    }
    const int per_output[4] = {k->output}, dim[4] = {k->output, (int)inputs};
    int norm[4], n = 0;
    norm[n++] = tn_plan_param_add(plan, TN_PARAM_BIAS, "", per_output, 0);
    /* Unlike a convolution's, a [connected]'s batch norm comes after its weights in a file. */
    const int weights = tn_plan_param_add(plan, TN_PARAM_WEIGHTS, "", dim, (int)inputs);
    if (k->batch_normalize) {
        norm[n++] = tn_plan_param_add(plan, TN_PARAM_SCALE, "", per_output, 0);
        norm[n++] = tn_plan_param_add(plan, TN_PARAM_MEAN, "", per_output, 0);
        norm[n++] = tn_plan_param_add(plan, TN_PARAM_VARIANCE, "", per_output, 0);
    }
    const tn_shape shape = {1, 1, k->output};
    const int raw = tn_plan_tensor_add(plan, shape), out = tn_plan_tensor_add(plan, shape);
    tn_plan_op_add(plan, &(tn_op_spec){.kind = &tn_op_inner_product,
                                       .in = &in,
                                       .n_in = 1,
                                       .out = raw,
                                       .param = &weights,
                                       .n_param = 1});
    const tn_activation activation = (tn_activation)k->activation;
    const bool channelwise = tn_activation_is_channelwise(activation);
    const tn_norm_act_attr attr = {.batch_norm = k->batch_normalize,
                                   .bias = !k->batch_normalize,
                                   .activation = channelwise ? TN_LINEAR : activation};
    tn_plan_op_add(plan, &(tn_op_spec){.kind = &tn_op_norm_act,
                                       .attr = &attr,
                                       .attr_bytes = sizeof attr,
                                       .in = &raw,
                                       .n_in = 1,
                                       .out = out,
                                       .param = norm,
                                       .n_param = n});
    tn_plan_set_output(plan, channelwise ? tn_channel_norm_append(plan, "", activation, out) : out);
    tn_plan_detail(plan, "%s%s", k->batch_normalize ? "bn " : "", tn_activation_names[activation]);
    return TN_OK;
}

static tn_status expand(FILE *to, const tn_section *section, const void *values, tn_shape in,
                        int *n_sections) {
    (void)section;
    (void)in;
    const connected_keys *k = values;
    fprintf(to, "[connected]\n%soutput=%d\nactivation=%s\n\n",
            k->batch_normalize ? "batch_normalize=1\n" : "", k->output,
            tn_activation_names[k->activation]);
    *n_sections = 1;
    return TN_OK;
}

const tn_layer_type tn_layer_connected = {
    .name = "connected",
    .alias = {"conn"},
    .help = "fully connected layer, batch norm or bias, activation",
    .keys = keys,
    .values_bytes = sizeof(connected_keys),
    .plan = plan_connected,
    .expand = expand,
};

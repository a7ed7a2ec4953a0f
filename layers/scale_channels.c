/* [scale_channels]: an earlier layer's map times the previous layer's one value a channel (or a
 * pixel). */
#include "layers/ops/scale_channels.h"

#include "layers/conv_block.h"
#include "layers/layer.h"

typedef struct scale_channels_keys {
    int from, activation;
    bool scale_wh;
} scale_channels_keys;

#define S scale_channels_keys
static const tn_key keys[] = {
    TN_INT(S, from, "from", NULL, -1000000, 1000000, "layer to scale"),
    TN_FLAG(S, scale_wh, "scale_wh", "0", "one factor a pixel instead of one a channel"),
    TN_CHOICE(S, activation, "activation", "linear", tn_activation_names, "of the product"),
    {0},
};

static tn_status plan_scale_channels(tn_plan *plan, const tn_section *section, const void *values) {
    const scale_channels_keys *k = values;
    int in[2] = {tn_plan_previous(plan), 0};
    TN_TRY(tn_plan_layer_output(plan, section, k->from, &in[1]));
    const tn_shape factors = tn_plan_shape(plan, in[0]), map = tn_plan_shape(plan, in[1]);
    const tn_shape want = k->scale_wh ? (tn_shape){map.h, map.w, 1} : (tn_shape){1, 1, map.c};
    if (factors.h != want.h || factors.w != want.w || factors.c != want.c) {
        return tn_section_fail(section, "the previous layer is %dx%dx%d, expected %dx%dx%d",
                               factors.w, factors.h, factors.c, want.w, want.h, want.c);
    }
    int out = tn_plan_map(plan, &tn_op_scale_channels, "", NULL, 0, in, 2, map);
    if (k->activation != TN_LINEAR) {
        out = tn_activation_append(plan, "act", (tn_activation)k->activation, &out, 1);
    }
    tn_plan_set_output(plan, out);
    return TN_OK;
}

const tn_layer_type tn_layer_scale_channels = {
    .name = "scale_channels",
    .help = "squeeze and excitation's product",
    .keys = keys,
    .values_bytes = sizeof(scale_channels_keys),
    .plan = plan_scale_channels,
};

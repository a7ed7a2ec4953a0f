/* [convolutional]: dense, grouped or depthwise convolution, batch norm or bias, activation. */
#include "layers/convolutional.h"

#include "layers/layer.h"

#define S tn_convolutional_keys

static const tn_key keys[] = {
    TN_INT(S, filters, "filters", "1", 1, 1 << 20, "output channels"),
    TN_INT(S, size, "size", "1", 1, 1024, "window, size x size"),
    TN_INT(S, stride, "stride", "1", 1, 1024, "step of the window"),
    TN_INT(S, stride_x, "stride_x", "-1", -1, 1024, "step to the right (default: stride)"),
    TN_INT(S, stride_y, "stride_y", "-1", -1, 1024, "step down (default: stride)"),
    TN_FLAG(S, pad, "pad", "0", "1: pad by size/2 (times dilation), whatever padding says"),
    TN_INT(S, padding, "padding", "0", 0, 1024, "zeros on each side"),
    TN_INT(S, groups, "groups", "1", 1, 1 << 20, "groups of channels that do not mix"),
    TN_INT(S, dilation, "dilation", "1", 1, 1024, "distance between window cells"),
    TN_FLAG(S, batch_normalize, "batch_normalize", "0", "batch norm instead of a bias"),
    TN_CHOICE(S, activation, "activation", "logistic", tn_activation_names, "activation"),
    TN_CONVOLUTIONAL_UNSUPPORTED,
    {0},
};

tn_conv_block tn_convolutional_block(const tn_convolutional_keys *k) {
    const int dilation = k->size == 1 ? 1 : k->dilation;
    const bool both = k->stride_x >= 1 && k->stride_y >= 1;
    return (tn_conv_block){.part = "",
                           .filters = k->filters,
                           .size = k->size,
                           .stride_x = both ? k->stride_x : k->stride,
                           .stride_y = both ? k->stride_y : k->stride,
                           .padding = k->pad ? k->size / 2 * dilation : k->padding,
                           .dilation = dilation,
                           .groups = k->groups,
                           .batch_normalize = k->batch_normalize,
                           .activation = (tn_activation)k->activation};
}

tn_status tn_convolutional_plan(tn_plan *plan, const tn_section *section, const void *values) {
    const tn_convolutional_keys *k = values;
    const tn_conv_block block = tn_convolutional_block(k);
    int out;
    if ((k->stride_x == 0) || (k->stride_y == 0) || ((k->stride_x > 0) != (k->stride_y > 0))) {
        return tn_section_fail(section, "stride_x=%d stride_y=%d: expected both, from 1",
                               k->stride_x, k->stride_y);
    }
    TN_TRY(tn_conv_block_add(plan, section, &block, tn_plan_previous(plan), -1, &out));
    tn_plan_set_output(plan, out);
    char groups[16] = "";
    if (k->groups > 1) snprintf(groups, sizeof groups, " g%d", k->groups);
    tn_plan_detail(plan, "%dx%d/%d%s%s %s", k->size, k->size, block.stride_x, groups,
                   k->batch_normalize ? " bn" : "", tn_activation_names[k->activation]);
    return TN_OK;
}

tn_status tn_convolutional_expand(FILE *to, const tn_section *section, const void *values,
                                  tn_shape in, int *n_sections) {
    (void)in;
    const tn_conv_block block = tn_convolutional_block(values);
    /* Darknet multiplies padding by dilation, and only computes the right size for "same". */
    if (block.dilation > 1 && block.padding != block.size / 2 * block.dilation) {
        return tn_section_fail(section,
                               "dilation=%d with padding=%d cannot be said in stock "
                               "sections; only pad=1 can",
                               block.dilation, block.padding);
    }
    *n_sections = tn_conv_block_write(to, &block);
    return TN_OK;
}

const tn_layer_type tn_layer_convolutional = {
    .name = "convolutional",
    .alias = {"conv"},
    .help = "convolution, batch norm or bias, activation",
    .keys = keys,
    .values_bytes = sizeof(tn_convolutional_keys),
    .plan = tn_convolutional_plan,
    .expand = tn_convolutional_expand,
};

/* [grouped_convolutional]: the same arithmetic and the same bytes in a .weights file as
 * [convolutional] groups=G, with the defaults of a grouped 5x5. */
#include "layers/convolutional.h"
#include "layers/layer.h"

#define S tn_convolutional_keys

static const tn_key keys[] = {
    TN_INT(S, filters, "filters", NULL, 1, 1 << 20, "output channels"),
    TN_INT(S, groups, "groups", NULL, 1, 1 << 20, "groups of channels that do not mix"),
    TN_INT(S, size, "size", "5", 1, 1024, "window, size x size"),
    TN_INT(S, stride, "stride", "1", 1, 1024, "step of the window"),
    TN_INT(S, stride_x, "stride_x", "-1", -1, 1024, "step to the right (default: stride)"),
    TN_INT(S, stride_y, "stride_y", "-1", -1, 1024, "step down (default: stride)"),
    TN_FLAG(S, pad, "pad", "0", "1: pad by size/2 (times dilation), whatever padding says"),
    TN_INT(S, padding, "padding", "0", 0, 1024, "zeros on each side"),
    TN_INT(S, dilation, "dilation", "1", 1, 1024, "distance between window cells"),
    TN_FLAG(S, batch_normalize, "batch_normalize", "0", "batch norm instead of a bias"),
    TN_CHOICE(S, activation, "activation", "linear", tn_activation_names, "activation"),
    {0},
};

const tn_layer_type tn_layer_grouped_convolutional = {
    .name = "grouped_convolutional",
    .alias = {"grouped_conv"},
    .help = "grouped convolution (5x5 unless size says otherwise)",
    .keys = keys,
    .values_bytes = sizeof(tn_convolutional_keys),
    .plan = tn_convolutional_plan,
    .expand = tn_convolutional_expand,
};

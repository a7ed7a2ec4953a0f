/* [expansion_residual]: one residual block whose middle convolution is grouped and whose output is
 * `expansion` times as wide.
 *
 *   x --1x1, w--BN,act--5x5 groups, stride, w--BN,act--1x1, e*w--BN--(+)--act-->
 *    \____________ identity, or 1x1 stride, e*w, BN when shapes differ _______/
 *
 * It appends exactly the ops of its expansion, so a .weights file is that of the expanded net. */
#include "layers/conv_block.h"
#include "layers/layer.h"

typedef struct residual_keys {
    int filters, expansion, size, groups, stride, activation;
    bool batch_normalize;
} residual_keys;

#define S residual_keys
static const tn_key keys[] = {
    TN_INT(S, filters, "filters", NULL, 1, 1 << 20, "width w of the block's inside"),
    TN_INT(S, expansion, "expansion", "4", 1, 1024, "output channels are expansion * filters"),
    TN_INT(S, size, "size", "5", 1, 1024, "window of the middle convolution"),
    TN_INT(S, groups, "groups", "1", 1, 1 << 20, "groups of the middle convolution"),
    TN_INT(S, stride, "stride", "1", 1, 1024, "step of the middle convolution and the projection"),
    TN_FLAG(S, batch_normalize, "batch_normalize", "1", "batch norm instead of biases"),
    TN_CHOICE(S, activation, "activation", "relu", tn_activation_names, "activation"),
    {0},
};

/* The block's convolutions in .weights order. */
typedef struct residual_parts {
    tn_conv_block conv1, conv2, conv3, projection;
    bool projects;
} residual_parts;

static residual_parts parts_of(const residual_keys *k, tn_shape in) {
    const int wide = k->filters * k->expansion;
    const tn_conv_block base = {.size = 1,
                                .stride_x = 1,
                                .stride_y = 1,
                                .dilation = 1,
                                .groups = 1,
                                .filters = k->filters,
                                .batch_normalize = k->batch_normalize,
                                .activation = (tn_activation)k->activation};
    residual_parts p = {base, base, base, base, k->stride != 1 || in.c != wide};
    p.conv1.part = "conv1";
    p.conv2.part = "conv2";
    p.conv2.size = k->size;
    p.conv2.padding = k->size / 2;
    p.conv2.groups = k->groups;
    p.conv2.stride_x = p.conv2.stride_y = k->stride;
    p.conv3.part = "conv3";
    p.conv3.filters = wide;
    p.projection.part = "projection";
    p.projection.filters = wide;
    p.projection.stride_x = p.projection.stride_y = k->stride;
    p.projection.activation = TN_LINEAR;
    return p;
}

static tn_status plan_block(tn_plan *plan, const tn_section *section, const void *values) {
    const residual_keys *k = values;
    const int in = tn_plan_previous(plan);
    const residual_parts p = parts_of(k, tn_plan_shape(plan, in));
    if (k->size % 2 == 0) return tn_section_fail(section, "size=%d: expected an odd size", k->size);
    if (tn_activation_is_channelwise(p.conv1.activation)) {
        return tn_section_fail(section, "activation=%s: expected an element-wise one",
                               tn_activation_names[k->activation]);
    }
    tn_conv_block_parts part[4];
    int a, b, skip = in;
    TN_TRY(tn_conv_block_declare(plan, section, &p.conv1, in, &part[0]));
    a = tn_conv_block_append(plan, &p.conv1, &part[0], in, -1);
    TN_TRY(tn_conv_block_declare(plan, section, &p.conv2, a, &part[1]));
    b = tn_conv_block_append(plan, &p.conv2, &part[1], a, -1);
    /* The projection follows conv3 in the file, but runs first: conv3's epilogue adds it. */
    TN_TRY(tn_conv_block_declare(plan, section, &p.conv3, b, &part[2]));
    if (p.projects) {
        TN_TRY(tn_conv_block_declare(plan, section, &p.projection, in, &part[3]));
        skip = tn_conv_block_append(plan, &p.projection, &part[3], in, -1);
    }
    tn_plan_set_output(plan, tn_conv_block_append(plan, &p.conv3, &part[2], b, skip));
    tn_plan_detail(plan, "%d x%d %dx%d/%d g%d %s", k->filters, k->expansion, k->size, k->size,
                   k->stride, k->groups, tn_activation_names[k->activation]);
    return TN_OK;
}

static tn_status expand(FILE *to, const tn_section *section, const void *values, tn_shape in,
                        int *n_sections) {
    (void)section;
    const residual_keys *k = values;
    residual_parts p = parts_of(k, in);
    p.conv3.activation = TN_LINEAR;
    /* References count back from the section they stand in; the block's input is just before it. */
    int n = tn_conv_block_write(to, &p.conv1);
    n += tn_conv_block_write(to, &p.conv2);
    n += tn_conv_block_write(to, &p.conv3);
    int skip = -1;
    const int conv3 = n - 1;
    if (p.projects) {
        fprintf(to, "[route]\nlayers=%d\n\n", -1 - n);
        n += 1;
        n += tn_conv_block_write(to, &p.projection);
        skip = conv3;
    }
    fprintf(to, "[shortcut]\nfrom=%d\nactivation=%s\n\n", skip - n,
            tn_activation_names[k->activation]);
    *n_sections = n + 1;
    return TN_OK;
}

const tn_layer_type tn_layer_expansion_residual = {
    .name = "expansion_residual",
    .alias = {"residual_x4"},
    .help = "residual block: 1x1, grouped 5x5, 1x1 to expansion times the width",
    .keys = keys,
    .values_bytes = sizeof(residual_keys),
    .plan = plan_block,
    .expand = expand,
};

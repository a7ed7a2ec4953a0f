#include "layers/conv_block.h"

#include "layers/ops/channel_norm.h"
#include "layers/ops/convolution.h"
#include "layers/ops/norm_act.h"

#include <limits.h>

static tn_status check(const tn_section *section, const tn_conv_block *b, tn_shape in) {
    if (in.c % b->groups != 0) {
        return tn_section_fail(section, "groups=%d do not divide the %d input channels%s%s",
                               b->groups, in.c, *b->part ? " of " : "", b->part);
    }
    if (b->filters % b->groups != 0) {
        return tn_section_fail(section, "groups=%d do not divide the %d filters%s%s", b->groups,
                               b->filters, *b->part ? " of " : "", b->part);
    }
    const int per_group = in.c / b->groups;
    const double weights = (double)b->filters * per_group * b->size * b->size;
    if (weights > INT_MAX) {
        return tn_section_fail(section, "%g weights%s%s, expected at most %d", weights,
                               *b->part ? " in " : "", b->part, INT_MAX);
    }
    const int reach = b->dilation * (b->size - 1) + 1;
    if (in.h + 2 * b->padding < reach || in.w + 2 * b->padding < reach) {
        return tn_section_fail(
            section, "a %dx%d window (dilation %d) does not fit a map of %dx%d with padding %d",
            b->size, b->size, b->dilation, in.w, in.h, b->padding);
    }
    return TN_OK;
}

tn_status tn_conv_block_declare(tn_plan *plan, const tn_section *section, const tn_conv_block *b,
                                int in, tn_conv_block_parts *parts) {
    const tn_shape is = tn_plan_shape(plan, in);
    TN_TRY(check(section, b, is));
    parts->out = (tn_shape){
        tn_convolution_extent(is.h, b->size, b->stride_y, b->padding, b->dilation),
        tn_convolution_extent(is.w, b->size, b->stride_x, b->padding, b->dilation), b->filters};
    const int per_filter[4] = {b->filters};
    const int dim[4] = {b->filters, is.c / b->groups, b->size, b->size};
    int n = 0;
    parts->norm[n++] = tn_plan_param_add(plan, TN_PARAM_BIAS, b->part, per_filter, 0);
    if (b->batch_normalize) {
        parts->norm[n++] = tn_plan_param_add(plan, TN_PARAM_SCALE, b->part, per_filter, 0);
        parts->norm[n++] = tn_plan_param_add(plan, TN_PARAM_MEAN, b->part, per_filter, 0);
        parts->norm[n++] = tn_plan_param_add(plan, TN_PARAM_VARIANCE, b->part, per_filter, 0);
    }
    parts->n_norm = n;
    parts->weights =
        tn_plan_param_add(plan, TN_PARAM_WEIGHTS, b->part, dim, dim[1] * dim[2] * dim[3]);
    return TN_OK;
}

static int append_convolution(tn_plan *plan, const tn_conv_block *b,
                              const tn_conv_block_parts *parts, int in) {
    const tn_convolution_attr attr = {.kh = b->size,
                                      .kw = b->size,
                                      .stride_y = b->stride_y,
                                      .stride_x = b->stride_x,
                                      .pad_y = b->padding,
                                      .pad_x = b->padding,
                                      .dilation = b->dilation,
                                      .groups = b->groups};
    const int out = tn_plan_tensor_add(plan, parts->out);
    tn_plan_op_add(plan, &(tn_op_spec){.kind = &tn_op_convolution,
                                       .part = b->part,
                                       .attr = &attr,
                                       .attr_bytes = sizeof attr,
                                       .in = &in,
                                       .n_in = 1,
                                       .out = out,
                                       .param = &parts->weights,
                                       .n_param = 1});
    return out;
}

int tn_conv_block_append(tn_plan *plan, const tn_conv_block *b, const tn_conv_block_parts *parts,
                         int in, int skip) {
    const bool channelwise = tn_activation_is_channelwise(b->activation);
    const tn_norm_act_attr attr = {.batch_norm = b->batch_normalize,
                                   .bias = !b->batch_normalize,
                                   .activation = channelwise ? TN_LINEAR : b->activation};
    const int inputs[2] = {append_convolution(plan, b, parts, in), skip};
    const int out = tn_plan_tensor_add(plan, parts->out);
    tn_plan_op_add(plan, &(tn_op_spec){.kind = &tn_op_norm_act,
                                       .part = b->part,
                                       .attr = &attr,
                                       .attr_bytes = sizeof attr,
                                       .in = inputs,
                                       .n_in = skip < 0 ? 1 : 2,
                                       .out = out,
                                       .param = parts->norm,
                                       .n_param = parts->n_norm});
    return channelwise ? tn_channel_norm_append(plan, b->part, b->activation, out) : out;
}

tn_status tn_conv_block_add(tn_plan *plan, const tn_section *section, const tn_conv_block *b,
                            int in, int skip, int *out) {
    tn_conv_block_parts parts;
    TN_TRY(tn_conv_block_declare(plan, section, b, in, &parts));
    *out = tn_conv_block_append(plan, b, &parts, in, skip);
    return TN_OK;
}

int tn_activation_append(tn_plan *plan, const char *part, tn_activation activation, const int *in,
                         int n_in) {
    const bool channelwise = tn_activation_is_channelwise(activation);
    const tn_norm_act_attr attr = {.activation = channelwise ? TN_LINEAR : activation};
    const int out = tn_plan_map(plan, &tn_op_norm_act, part, &attr, sizeof attr, in, n_in,
                                tn_plan_shape(plan, in[0]));
    return channelwise ? tn_channel_norm_append(plan, part, activation, out) : out;
}

int tn_channel_norm_append(tn_plan *plan, const char *part, tn_activation activation, int in) {
    const tn_channel_norm_attr attr = {activation};
    return tn_plan_map(plan, &tn_op_channel_norm, part, &attr, sizeof attr, &in, 1,
                       tn_plan_shape(plan, in));
}

static void write_strides(FILE *to, int stride_x, int stride_y) {
    if (stride_x == stride_y)
        fprintf(to, "stride=%d\n", stride_x);
    else
        fprintf(to, "stride_x=%d\nstride_y=%d\n", stride_x, stride_y);
}

int tn_conv_block_write(FILE *to, const tn_conv_block *b) {
    const bool subsamples = b->size == 1 && b->padding == 0 && (b->stride_x > 1 || b->stride_y > 1);
    if (subsamples) {
        fprintf(to, "[maxpool]\nsize=1\n");
        write_strides(to, b->stride_x, b->stride_y);
        fprintf(to, "padding=0\n\n");
    }
    fprintf(to, "[convolutional]\n");
    if (b->batch_normalize) fprintf(to, "batch_normalize=1\n");
    fprintf(to, "filters=%d\nsize=%d\n", b->filters, b->size);
    write_strides(to, subsamples ? 1 : b->stride_x, subsamples ? 1 : b->stride_y);
    /* pad=1 is what every Darknet and OpenCV read alike; padding= only where it says something
     * else. */
    if (b->padding == b->size / 2 * b->dilation)
        fprintf(to, "pad=1\n");
    else
        fprintf(to, "padding=%d\n", b->padding);
    if (b->groups > 1) fprintf(to, "groups=%d\n", b->groups);
    if (b->dilation > 1) fprintf(to, "dilation=%d\n", b->dilation);
    fprintf(to, "activation=%s\n\n", tn_activation_names[b->activation]);
    return subsamples ? 2 : 1;
}

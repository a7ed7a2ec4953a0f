#include "layers/pool_block.h"

#define S tn_pool_keys
const tn_key tn_pool_key_table[] = {
    TN_INT(S, size, "size", "0", 0, 4096, "window, size x size (default: stride)"),
    TN_INT(S, stride, "stride", "1", 1, 4096, "step of the window"),
    TN_INT(S, stride_x, "stride_x", "0", 0, 4096, "step to the right (default: stride)"),
    TN_INT(S, stride_y, "stride_y", "0", 0, 4096, "step down (default: stride)"),
    TN_INT(S, padding, "padding", "-1", -1, 8192, "cells around the map, in all (default: size-1)"),
    TN_UNSUPPORTED("maxpool_depth", "0", "maximum over channels"),
    TN_UNSUPPORTED("antialiasing", "0", "blurred subsampling"),
    TN_UNSUPPORTED("maxpool_zero_nonmax", "0", "experimental"),
    TN_IGNORED("out_channels", "only with maxpool_depth"),
    {0},
};

int tn_pool_append(tn_plan *plan, const tn_pool_attr *attr, int in, int h, int w) {
    const tn_shape out = {h, w, tn_plan_shape(plan, in).c};
    return tn_plan_map(plan, &tn_op_pool, "", attr, sizeof *attr, &in, 1, out);
}

tn_status tn_pool_plan(tn_plan *plan, const tn_section *section, const tn_pool_keys *k,
                       tn_pool_type type) {
    const int in = tn_plan_previous(plan);
    const tn_shape s = tn_plan_shape(plan, in);
    const int size = k->size ? k->size : k->stride;
    const int padding = k->padding < 0 ? size - 1 : k->padding;
    const tn_pool_attr attr = {.type = type,
                               .size_y = size,
                               .size_x = size,
                               .stride_y = k->stride_y ? k->stride_y : k->stride,
                               .stride_x = k->stride_x ? k->stride_x : k->stride,
                               .before_y = padding / 2,
                               .before_x = padding / 2};
    if (s.h + padding < size || s.w + padding < size) {
        return tn_section_fail(section,
                               "a %dx%d window does not fit a map of %dx%d with padding %d", size,
                               size, s.w, s.h, padding);
    }
    const int h = (s.h + padding - size) / attr.stride_y + 1;
    const int w = (s.w + padding - size) / attr.stride_x + 1;
    const int last_y = (h - 1) * attr.stride_y - attr.before_y;
    const int last_x = (w - 1) * attr.stride_x - attr.before_x;
    if (attr.before_y >= size || attr.before_x >= size || last_y >= s.h || last_x >= s.w) {
        return tn_section_fail(section,
                               "padding=%d leaves windows of size %d without a cell of the map",
                               padding, size);
    }
    tn_plan_set_output(plan, tn_pool_append(plan, &attr, in, h, w));
    tn_plan_detail(plan, "%dx%d/%d", size, size, attr.stride_x);
    return TN_OK;
}

void tn_pool_write(FILE *to, const char *name, const tn_pool_keys *k) {
    const int size = k->size ? k->size : k->stride;
    fprintf(to, "[%s]\nsize=%d\nstride=%d\n", name, size, k->stride);
    if (k->stride_x) fprintf(to, "stride_x=%d\n", k->stride_x);
    if (k->stride_y) fprintf(to, "stride_y=%d\n", k->stride_y);
    fprintf(to, "padding=%d\n\n", k->padding < 0 ? size - 1 : k->padding);
}

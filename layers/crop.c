/* [crop]: a window of the input image, mapped to -1..1. Only as a net's first layer. */
#include "layers/ops/crop.h"

#include "layers/layer.h"

typedef struct crop_keys {
    int crop_height, crop_width;
    bool flip, noadjust;
} crop_keys;

#define S crop_keys
static const tn_key keys[] = {
    TN_INT(S, crop_height, "crop_height", "1", 1, 16384, "window height"),
    TN_INT(S, crop_width, "crop_width", "1", 1, 16384, "window width"),
    TN_FLAG(S, flip, "flip", "0", "mirror every other image in training"),
    TN_FLAG(S, noadjust, "noadjust", "0", "keep values as they are instead of 2x-1"),
    TN_UNSUPPORTED("angle", "0", "use [net] angle"),
    TN_UNSUPPORTED("saturation", "1", "use [net] saturation"),
    TN_UNSUPPORTED("exposure", "1", "use [net] exposure"),
    TN_UNSUPPORTED("shift", "0", "not in Darknet's CPU code either"),
    {0},
};

static tn_status plan_crop(tn_plan *plan, const tn_section *section, const void *values) {
    const crop_keys *k = values;
    const int in = tn_plan_previous(plan);
    const tn_shape s = tn_plan_shape(plan, in);
    if (tn_plan_layer_index(plan) != 0) {
        return tn_section_fail(section,
                               "expected as the first layer: no gradient passes through it");
    }
    if (k->crop_height > s.h || k->crop_width > s.w) {
        return tn_section_fail(section, "a window of %dx%d does not fit an image of %dx%d",
                               k->crop_width, k->crop_height, s.w, s.h);
    }
    const tn_crop_attr attr = {.flip = k->flip, .noadjust = k->noadjust};
    tn_plan_set_output(plan, tn_plan_map(plan, &tn_op_crop, "", &attr, sizeof attr, &in, 1,
                                         (tn_shape){k->crop_height, k->crop_width, s.c}));
    return TN_OK;
}

const tn_layer_type tn_layer_crop = {
    .name = "crop",
    .help = "a window of the image",
    .keys = keys,
    .values_bytes = sizeof(crop_keys),
    .plan = plan_crop,
};

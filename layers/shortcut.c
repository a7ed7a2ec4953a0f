/* [shortcut]: adds earlier layers' outputs to the previous one's. Other shapes are subsampled,
 * spread or cut to the previous one's as pjreddie's Darknet does (strided ResNet cfgs rely on it).
 */
#include "layers/conv_block.h"
#include "layers/layer.h"
#include "layers/ops/resample.h"

enum { MOST_SOURCES = 64 };

typedef struct shortcut_keys {
    tn_ints from;
    int activation;
    double alpha, beta;
} shortcut_keys;

#define S shortcut_keys
static const tn_key keys[] = {
    TN_INTLIST(S, from, "from", NULL, -1000000, 1000000, "layers to add"),
    TN_CHOICE(S, activation, "activation", "linear", tn_activation_names, "of the sum"),
    TN_NUMBER(S, alpha, "alpha", "1", -1e6, 1e6, "factor on the previous layer"),
    TN_NUMBER(S, beta, "beta", "1", -1e6, 1e6, "factor on the others"),
    TN_UNSUPPORTED("weights_type", "none", "learned factors"),
    TN_UNSUPPORTED("weights_normalization", "none", "learned factors"),
    {0},
};

/* `tensor` times factor, in `shape`: itself when nothing is to be done. */
static int fitted(tn_plan *plan, int tensor, tn_shape shape, double factor) {
    const tn_shape s = tn_plan_shape(plan, tensor);
    if (s.h == shape.h && s.w == shape.w && s.c == shape.c && factor == 1) return tensor;
    const tn_resample_attr attr = {factor};
    return tn_plan_map(plan, &tn_op_resample, "resample", &attr, sizeof attr, &tensor, 1, shape);
}

/* Sizes must be whole multiples one way or the other, the same in both directions. */
static tn_status check_sizes(const tn_section *section, tn_shape a, tn_shape b) {
    const bool shrinks = a.w % b.w == 0 && a.h % b.h == 0 && a.w / b.w == a.h / b.h;
    const bool grows = b.w % a.w == 0 && b.h % a.h == 0 && b.w / a.w == b.h / a.h;
    if (shrinks || grows) return TN_OK;
    return tn_section_fail(section, "a map of %dx%d cannot be added to one of %dx%d", a.w, a.h, b.w,
                           b.h);
}

static tn_status plan_shortcut(tn_plan *plan, const tn_section *section, const void *values) {
    const shortcut_keys *k = values;
    if (k->from.n < 1 || k->from.n >= MOST_SOURCES) {
        return tn_section_fail(section, "from names %d layers, expected 1 to %d", k->from.n,
                               MOST_SOURCES - 1);
    }
    int in[MOST_SOURCES];
    const int previous = tn_plan_previous(plan);
    const tn_shape shape = tn_plan_shape(plan, previous);
    for (int i = 0; i < k->from.n; i++) {
        int from;
        TN_TRY(tn_plan_layer_output(plan, section, k->from.v[i], &from));
        TN_TRY(check_sizes(section, tn_plan_shape(plan, from), shape));
        in[i + 1] = fitted(plan, from, shape, k->beta);
    }
    in[0] = fitted(plan, previous, shape, k->alpha);
    tn_plan_set_output(
        plan, tn_activation_append(plan, "", (tn_activation)k->activation, in, k->from.n + 1));
    tn_plan_detail(plan, "+ %d %s", k->from.v[0], tn_activation_names[k->activation]);
    return TN_OK;
}

const tn_layer_type tn_layer_shortcut = {
    .name = "shortcut",
    .help = "adds earlier layers",
    .keys = keys,
    .values_bytes = sizeof(shortcut_keys),
    .plan = plan_shortcut,
};

/* [route]: channels of earlier layers side by side, whole or one of `groups` equal slices of each.
 */
#include "layers/layer.h"
#include "layers/ops/gather.h"

#include <stdio.h>
#include <string.h>

typedef struct route_keys {
    tn_ints layers;
    int groups, group_id;
} route_keys;

#define S route_keys
static const tn_key keys[] = {
    TN_INTLIST(S, layers, "layers", NULL, -1000000, 1000000, "layers to put side by side"),
    TN_INT(S, groups, "groups", "1", 1, 1 << 20, "slices of each layer's channels"),
    TN_INT(S, group_id, "group_id", "0", 0, 1 << 20, "the slice to take"),
    {0},
};

static tn_status check(const tn_section *section, const route_keys *k, int layer, tn_shape first,
                       tn_shape s) {
    if (s.h != first.h || s.w != first.w) {
        return tn_section_fail(section, "layer %d has a map of %dx%d, the first one of %dx%d",
                               layer, s.w, s.h, first.w, first.h);
    }
    if (s.c % k->groups != 0) {
        return tn_section_fail(section, "groups=%d do not divide the %d channels of layer %d",
                               k->groups, s.c, layer);
    }
    return TN_OK;
}

static void detail(tn_plan *plan, const route_keys *k) {
    char text[64];
    int at = 0;
    for (int i = 0; i < k->layers.n && at < (int)sizeof text - 16; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%d", i ? "," : "", k->layers.v[i]);
    const bool whole = strlen(text) < sizeof text - 16;
    if (k->groups > 1)
        tn_plan_detail(plan, "%s%s part %d of %d", text, whole ? "" : "...", k->group_id,
                       k->groups);
    else
        tn_plan_detail(plan, "%s%s", text, whole ? "" : "...");
}

static tn_status plan_route(tn_plan *plan, const tn_section *section, const void *values) {
    const route_keys *k = values;
    const int n = k->layers.n;
    if (n < 1) return tn_section_fail(section, "layers names no layer");
    if (k->group_id >= k->groups) {
        return tn_section_fail(section, "group_id=%d: expected 0 to %d", k->group_id,
                               k->groups - 1);
    }
    int *in = tn_arena_alloc(&plan->arena, (size_t)n * sizeof *in);
    int *first = tn_arena_alloc(&plan->arena, (size_t)n * sizeof *first);
    int *count = tn_arena_alloc(&plan->arena, (size_t)n * sizeof *count);
    if (!in || !first || !count) return TN_FAIL;
    tn_shape out = {0};
    for (int i = 0; i < n; i++) {
        TN_TRY(tn_plan_layer_output(plan, section, k->layers.v[i], &in[i]));
        const tn_shape s = tn_plan_shape(plan, in[i]);
        if (i == 0) out = (tn_shape){s.h, s.w, 0};
        TN_TRY(check(section, k, k->layers.v[i], out, s));
        count[i] = s.c / k->groups;
        first[i] = count[i] * k->group_id;
        out.c += count[i];
    }
    detail(plan, k);
    if (n == 1 && k->groups == 1) {
        tn_plan_set_output(plan, in[0]);
        return TN_OK;
    }
    const tn_gather_attr attr = {first, count};
    tn_plan_set_output(plan, tn_plan_map(plan, &tn_op_gather, "", &attr, sizeof attr, in, n, out));
    return TN_OK;
}

const tn_layer_type tn_layer_route = {
    .name = "route",
    .help = "earlier layers' channels side by side",
    .keys = keys,
    .values_bytes = sizeof(route_keys),
    .plan = plan_route,
};

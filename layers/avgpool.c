/* [avgpool]: mean over the whole map; with output=N over N x N parts of it, whatever its size. */
#include "layers/layer.h"
#include "layers/pool_block.h"

typedef struct avgpool_keys {
    int output;
} avgpool_keys;

static const tn_key keys[] = {
    TN_INT(avgpool_keys, output, "output", "1", 1, 1024, "N x N means (default 1: the whole map)"),
    {0},
};

static tn_status plan_avgpool(tn_plan *plan, const tn_section *section, const void *values) {
    (void)section;
    const avgpool_keys *k = values;
    const tn_pool_attr attr = {.type = TN_POOL_ADAPTIVE};
    if (k->output > 1) tn_plan_detail(plan, "to %dx%d", k->output, k->output);
    tn_plan_set_output(plan,
                       tn_pool_append(plan, &attr, tn_plan_previous(plan), k->output, k->output));
    return TN_OK;
}

/* Stock Darknets know the whole map's mean alone; windows that share no cell are AlexeyAB's
 * [local_avgpool]. */
static tn_status expand(FILE *to, const tn_section *section, const void *values, tn_shape in,
                        int *n_sections) {
    const avgpool_keys *k = values;
    *n_sections = 1;
    if (k->output == 1) {
        fprintf(to, "[avgpool]\n\n");
        return TN_OK;
    }
    const int size = in.w / k->output;
    if (in.h != in.w || size * k->output != in.w) {
        return tn_section_fail(section,
                               "output=%d of a map of %dx%d cannot be said in stock sections (in a "
                               "training-only head, -fold leaves it out)",
                               k->output, in.w, in.h);
    }
    tn_pool_write(to, "local_avgpool", &(tn_pool_keys){.size = size, .stride = size});
    return TN_OK;
}

const tn_layer_type tn_layer_avgpool = {
    .name = "avgpool",
    .alias = {"avg"},
    .help = "mean over the map",
    .keys = keys,
    .values_bytes = sizeof(avgpool_keys),
    .plan = plan_avgpool,
    .expand = expand,
};

/* [local_avgpool]: mean of each window's cells inside the map. */
#include "layers/layer.h"
#include "layers/pool_block.h"

static tn_status plan_local_avgpool(tn_plan *plan, const tn_section *section, const void *values) {
    return tn_pool_plan(plan, section, values, TN_POOL_AVERAGE);
}

static tn_status expand(FILE *to, const tn_section *section, const void *values, tn_shape in,
                        int *n_sections) {
    (void)section;
    (void)in;
    tn_pool_write(to, "local_avgpool", values);
    *n_sections = 1;
    return TN_OK;
}

const tn_layer_type tn_layer_local_avgpool = {
    .name = "local_avgpool",
    .alias = {"local_avg"},
    .help = "mean of each window",
    .keys = tn_pool_key_table,
    .values_bytes = sizeof(tn_pool_keys),
    .plan = plan_local_avgpool,
    .expand = expand,
};

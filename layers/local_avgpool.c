/* [local_avgpool]: mean of each window's cells inside the map. */
#include "layers/layer.h"
#include "layers/pool_block.h"

static tn_status plan_local_avgpool(tn_plan *plan, const tn_section *section, const void *values) {
    return tn_pool_plan(plan, section, values, TN_POOL_AVERAGE);
}

const tn_layer_type tn_layer_local_avgpool = {
    .name = "local_avgpool",
    .alias = {"local_avg"},
    .help = "mean of each window",
    .keys = tn_pool_key_table,
    .values_bytes = sizeof(tn_pool_keys),
    .plan = plan_local_avgpool,
};

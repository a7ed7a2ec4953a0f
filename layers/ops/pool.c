#include "layers/ops/pool_kernels.h"

tn_status tn_pool_prepare(tn_op_run *r) {
    const tn_pool_attr *a = r->op->attr;
    for (int y = 0; y < r->out.h; y++) {
        const tn_pool_range rows = tn_pool_rows(r, y);
        if (rows.begin < rows.end) continue;
        return tn_fail("%s: pooling window %d of %d rows covers nothing of a map %d high: less "
                       "padding is needed",
                       r->op->name, y, r->out.h, r->in[0].h);
    }
    for (int x = 0; x < r->out.w; x++) {
        const tn_pool_range columns = tn_pool_columns(r, x);
        if (columns.begin < columns.end) continue;
        return tn_fail("%s: pooling window %d of %d columns covers nothing of a map %d wide: less "
                       "padding is needed",
                       r->op->name, x, r->out.w, r->in[0].w);
    }
    if (a->type == TN_POOL_MAX && r->mode != TN_INFER)
        r->save_bytes = tn_elements(&r->out) * (tn_pool_small(a) ? 1 : sizeof(uint32_t));
    return TN_OK;
}

static unsigned keeps(const tn_op *op) {
    (void)op;
    return 0;
}

static const tn_kernel *const forward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_pool_forward_cuda,   &tn_pool_forward_bf16,
    &tn_pool_forward_avx512, &tn_pool_forward_avx2,
#endif
    &tn_pool_forward_ref,    NULL,
};

static const tn_kernel *const backward[] = {
#ifndef TN_REAL_DOUBLE
    &tn_pool_backward_cuda,   &tn_pool_backward_bf16,
    &tn_pool_backward_avx512, &tn_pool_backward_avx2,
#endif
    &tn_pool_backward_ref,    NULL,
};

const tn_op_kind tn_op_pool = {
    .name = "pool",
    .kernels = {[TN_FORWARD] = forward, [TN_BACKWARD_DATA] = backward},
    .keeps = keeps,
};

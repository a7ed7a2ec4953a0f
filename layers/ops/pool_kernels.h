/* The kernels of pooling, for its tables; and what they share. */
#ifndef TN_OPS_POOL_KERNELS_H
#define TN_OPS_POOL_KERNELS_H

#include "layers/ops/pool.h"
#include "layers/ops/pool_windows.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_kernel tn_pool_forward_ref;
extern const tn_kernel tn_pool_backward_ref;
#ifndef TN_REAL_DOUBLE
extern const tn_kernel tn_pool_forward_avx512;
extern const tn_kernel tn_pool_backward_avx512;
extern const tn_kernel tn_pool_forward_avx2;
extern const tn_kernel tn_pool_backward_avx2;
extern const tn_kernel tn_pool_forward_bf16;
extern const tn_kernel tn_pool_backward_bf16;
extern const tn_kernel tn_pool_forward_cuda;
extern const tn_kernel tn_pool_backward_cuda;
#endif

static inline tn_pool_range tn_pool_rows(const tn_op_run *r, int y) {
    const tn_pool_attr *a = (const tn_pool_attr *)r->op->attr;
    return a->type == TN_POOL_ADAPTIVE
               ? tn_pool_adaptive(y, r->out.h, r->in[0].h)
               : tn_pool_window(y, a->size_y, a->stride_y, a->before_y, r->in[0].h);
}

static inline tn_pool_range tn_pool_columns(const tn_op_run *r, int x) {
    const tn_pool_attr *a = (const tn_pool_attr *)r->op->attr;
    return a->type == TN_POOL_ADAPTIVE
               ? tn_pool_adaptive(x, r->out.w, r->in[0].w)
               : tn_pool_window(x, a->size_x, a->stride_x, a->before_x, r->in[0].w);
}

/* Max pooling leaves in r->save where each output came from: row * size_x + column within its
 * window, dense in the output's order; one byte each, or four when the window is a large one. */
static inline bool tn_pool_small(const tn_pool_attr *a) {
    return (int64_t)a->size_y * a->size_x <= 256;
}

static inline uint32_t tn_pool_place(const tn_op_run *r, size_t element) {
    return tn_pool_small((const tn_pool_attr *)r->op->attr) ? ((const uint8_t *)r->save)[element]
                                                            : ((const uint32_t *)r->save)[element];
}

/* Every kernel's prepare starts with this: fails on a window that covers no cell of the map, and
 * asks for r->save. */
tn_status tn_pool_prepare(tn_op_run *r);

#ifdef __cplusplus
}
#endif
#endif

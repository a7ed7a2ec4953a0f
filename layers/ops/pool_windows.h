/* Which cells of a map a pooling window covers, and which windows cover a cell; one axis at a time.
 */
#ifndef TN_OPS_POOL_WINDOWS_H
#define TN_OPS_POOL_WINDOWS_H

#include "layers/device/both.h"
#include "layers/ops/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Cells [begin, end) of one axis that output position `o` covers; those outside the map are left
 * out. `start` is where the window begins, outside or not. */
typedef struct tn_pool_range {
    int start, begin, end;
} tn_pool_range;

TN_BOTH tn_pool_range tn_pool_window(int o, int size, int stride, int before, int extent) {
    tn_pool_range w;
    w.start = o * stride - before;
    w.begin = w.start < 0 ? 0 : w.start;
    w.end = w.start + size > extent ? extent : w.start + size;
    return w;
}

TN_BOTH tn_pool_range tn_pool_adaptive(int o, int outputs, int extent) {
    tn_pool_range w;
    w.begin = w.start = (int)((int64_t)o * extent / outputs);
    w.end = (int)(((int64_t)(o + 1) * extent + outputs - 1) / outputs);
    return w;
}

/* Output positions [begin, end) whose windows cover input position i. */
TN_BOTH tn_pool_range tn_pool_covering(tn_pool_type type, int i, int size, int stride, int before,
                                       int outputs, int extent) {
    tn_pool_range o = {0, 0, 0};
    if (type == TN_POOL_ADAPTIVE) {
        o.begin = (int)((int64_t)i * outputs / extent);
        o.end = (int)(((int64_t)(i + 1) * outputs + extent - 1) / extent);
        return o;
    }
    const int first = i + before - size + 1, last = (i + before) / stride + 1;
    o.begin = first <= 0 ? 0 : (first + stride - 1) / stride;
    o.end = last > outputs ? outputs : last;
    return o;
}

#ifdef __cplusplus
}
#endif
#endif

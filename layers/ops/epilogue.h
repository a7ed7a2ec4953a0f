/* The norm_act that follows a convolution in inference, done by the convolution's own kernel while
 * what it made is still near:
 *
 *   out = activation(factor * made + shift + skip)
 *
 * factor and shift are batch norm's running statistics, scale and bias. A kernel's prepare asks for
 * it with tn_epilogue_take, and writes r->tail's output from then on (r->out says where). */
#ifndef TN_OPS_EPILOGUE_H
#define TN_OPS_EPILOGUE_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_epilogue {
    const tn_op_run *norm; /* NULL: there is none */
    bool skips;            /* norm->in[1] is added */
    float leak;            /* what is below zero is multiplied by: 1 linear, 0 relu */
    float *factor, *shift; /* (c) each; the epilogue owns them */
    uint64_t version;
    bool filled;
} tn_epilogue;

/* Takes r->tail over when there is one that this form fits: e->norm is set and k->takes_tail too.
 * in_place: the kernel adds to the skip where it lies, so it takes a tail with a skip only when the
 * skip may be overwritten (r->tail_in_place), and r->out is then the skip's memory. Else nothing
 * happens. Fails when memory is out. */
tn_status tn_epilogue_take(tn_epilogue *e, const tn_op_run *r, tn_kernel_run *k, bool in_place);

/* Brings factor and shift up to date with the parameters. Returns true when they changed. */
bool tn_epilogue_fill(tn_epilogue *e);
void tn_epilogue_free(tn_epilogue *e);

/* One pixel's channels [from, to) of it: `made` holds the sums, and then the output. */
static inline void tn_epilogue_pixel(const tn_epilogue *e, size_t pixel, int from, int to,
                                     float *made) {
    const float *factor = e->factor, *shift = e->shift, leak = e->leak;
    if (e->skips) {
        const tn_tensor *t = &e->norm->in[1];
        const float *skip = (const float *)t->data + pixel * (size_t)t->pitch;
        for (int c = from; c < to; c++) made[c] = made[c] * factor[c] + shift[c] + skip[c];
    } else {
        for (int c = from; c < to; c++) made[c] = made[c] * factor[c] + shift[c];
    }
    if (leak == 1) return;
    if (leak == 0) /* in this form NaN stays NaN */
        for (int c = from; c < to; c++) made[c] = made[c] <= 0 ? 0 : made[c];
    else
        for (int c = from; c < to; c++) made[c] = made[c] <= 0 ? made[c] * leak : made[c];
}

#ifdef __cplusplus
}
#endif
#endif

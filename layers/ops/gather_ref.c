/* Concatenation of channels: row copies, which no vector code beats. A producer that has written
 * straight into its place needs no copy. */
#include "layers/ops/elements.h"
#include "layers/ops/gather.h"
#include "layers/ops/ref_kernels.h"

#include <string.h>

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_gather_attr *a = r->op->attr;
    const size_t pixels = tn_pixels(&r->out);
#pragma omp parallel for num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        tn_real *to = tn_pixel(&r->out, p);
        for (int i = 0; i < r->op->n_in; i++) {
            const tn_real *from = tn_pixel(&r->in[i], p) + a->first[i];
            if (to != from) memcpy(to, from, (size_t)a->count[i] * sizeof *to);
            to += a->count[i];
        }
    }
    return TN_OK;
}

/* One input's slice of one pixel: `slice` is the output's gradient, `to` the input's, `channels`
 * wide. */
static void give_back(const tn_real *slice, tn_real *to, int first, int count, int channels,
                      bool add) {
    if (add) {
        for (int c = 0; c < count; c++) to[first + c] += slice[c];
        return;
    }
    if (to + first != slice) memcpy(to + first, slice, (size_t)count * sizeof *to);
    memset(to, 0, (size_t)first * sizeof *to);
    memset(to + first + count, 0, (size_t)(channels - first - count) * sizeof *to);
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_gather_attr *a = r->op->attr;
    const size_t pixels = tn_pixels(&r->dout);
#pragma omp parallel for num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        const tn_real *slice = tn_pixel(&r->dout, p);
        for (int i = 0; i < r->op->n_in; i++) {
            if (r->din[i].data) {
                give_back(slice, tn_pixel(&r->din[i], p), a->first[i], a->count[i], r->din[i].c,
                          r->accumulate[i]);
            }
            slice += a->count[i];
        }
    }
    return TN_OK;
}

const tn_kernel tn_gather_forward_ref = {"ref", NULL, forward, NULL};
const tn_kernel tn_gather_backward_ref = {"ref", NULL, backward, NULL};

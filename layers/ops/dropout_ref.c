/* Dropout in plain C: one random word an element, computed where it is needed. */
#include "layers/device/rng.h"
#include "layers/ops/dropout_kernels.h"
#include "layers/ops/elements.h"

static void copy(const tn_tensor *from, const tn_tensor *to, bool add) {
    const size_t pixels = tn_pixels(from);
    for (size_t p = 0; p < pixels; p++) {
        const tn_real *x = tn_pixel(from, p);
        tn_real *y = tn_pixel(to, p);
        for (int c = 0; c < from->c; c++) tn_put(y + c, x[c], add);
    }
}

/* Forward and backward are the same thing done to values and to gradients. */
static void drop(const tn_op_run *r, const tn_tensor *from, const tn_tensor *to, bool add) {
    const tn_dropout_attr *a = r->op->attr;
    const tn_real scale = tn_dropout_scale(a->probability);
    const size_t elements = tn_image_elements(from);
#pragma omp parallel for num_threads(r->threads)
    for (int n = 0; n < from->n; n++) {
        const tn_dropout_stream s =
            tn_dropout_stream_of(r->step, r->op->layer, r->step->first_sample + n, a->probability);
        uint32_t word[4] = {0};
        for (size_t e = 0; e < elements; e++) {
            const uint32_t counter[4] = {(uint32_t)(e / 4), s.sample, s.layer, s.step};
            if (e % 4 == 0) tn_philox(s.key, counter, word);
            const bool kept = word[e % 4] >= s.threshold;
            tn_put(tn_chw(to, n, e), kept ? *tn_chw(from, n, e) * scale : 0, add);
        }
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    if (r->mode == TN_TRAIN)
        drop(r, &r->in[0], &r->out, false);
    else
        copy(&r->in[0], &r->out, false);
    return TN_OK;
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    if (!r->din[0].data) return TN_OK;
    if (r->mode == TN_TRAIN)
        drop(r, &r->dout, &r->din[0], r->accumulate[0]);
    else
        copy(&r->dout, &r->din[0], r->accumulate[0]);
    return TN_OK;
}

const tn_kernel tn_dropout_forward_ref = {"ref", NULL, forward, NULL};
const tn_kernel tn_dropout_backward_ref = {"ref", NULL, backward, NULL};

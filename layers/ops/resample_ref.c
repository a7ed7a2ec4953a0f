/* Darknet's strided skip connection, in plain C. Forward and backward are the same loop with the
 * two sides exchanged: position i of the overlap lies at i*stride on either side. */
#include "layers/ops/elements.h"
#include "layers/ops/ref_kernels.h"
#include "layers/ops/resample.h"

static void bring(const tn_tensor *from, tn_tensor *to, double factor, bool add, int threads) {
    const int channels = from->c < to->c ? from->c : to->c;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (int n = 0; n < to->n; n++) {
        for (int y = 0; y < to->h; y++) {
            const int from_y = tn_resample_source(y, to->h, from->h);
            for (int x = 0; x < to->w; x++) {
                const int from_x = tn_resample_source(x, to->w, from->w);
                const bool hit = from_y >= 0 && from_x >= 0;
                const tn_real *value = hit ? tn_pixel_at(from, n, from_y, from_x) : NULL;
                tn_real *put = tn_pixel_at(to, n, y, x);
                for (int c = 0; c < to->c; c++)
                    tn_put(put + c, hit && c < channels ? (tn_real)factor * value[c] : 0, add);
            }
        }
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_resample_attr *a = r->op->attr;
    bring(&r->in[0], &r->out, a->factor, false, r->threads);
    return TN_OK;
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_resample_attr *a = r->op->attr;
    if (r->din[0].data) bring(&r->dout, &r->din[0], a->factor, r->accumulate[0], r->threads);
    return TN_OK;
}

const tn_kernel tn_resample_forward_ref = {"ref", NULL, forward, NULL};
const tn_kernel tn_resample_backward_ref = {"ref", NULL, backward, NULL};

/* Activations across a pixel's channels, in plain C. Both softmaxes take the maximum off first: the
 * same function, without overflow. */
#include "layers/ops/channel_norm.h"
#include "layers/ops/elements.h"
#include "layers/ops/ref_kernels.h"

#include <math.h>

static double rectified(tn_real x) {
    return x <= 0 ? 0 : (double)x; /* NaN stays */
}

static double rectified_sum(const tn_real *x, int channels) {
    double sum = TN_CHANNEL_SUM_EPS;
    for (int c = 0; c < channels; c++) sum += rectified(x[c]);
    return sum;
}

static void share(const tn_real *x, tn_real *y, int channels) {
    const double sum = rectified_sum(x, channels);
    for (int c = 0; c < channels; c++) y[c] = (tn_real)(rectified(x[c]) / sum);
}

static void softmax(const tn_real *x, tn_real *y, int channels) {
    double top = (double)x[0], sum = 0;
    for (int c = 1; c < channels; c++)
        if ((double)x[c] > top) top = (double)x[c];
    for (int c = 0; c < channels; c++) sum += exp((double)x[c] - top);
    for (int c = 0; c < channels; c++) y[c] = (tn_real)(exp((double)x[c] - top) / sum);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_channel_norm_attr *a = r->op->attr;
    const size_t pixels = tn_pixels(&r->out);
#pragma omp parallel for num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        const tn_real *x = tn_pixel(&r->in[0], p);
        tn_real *y = tn_pixel(&r->out, p);
        if (a->activation == TN_NORM_CHAN)
            share(x, y, r->out.c);
        else
            softmax(x, y, r->out.c);
    }
    return TN_OK;
}

static void share_backward(const tn_real *x, const tn_real *dy, tn_real *dx, int channels,
                           bool add) {
    const double sum = rectified_sum(x, channels);
    double dot = 0;
    for (int c = 0; c < channels; c++) dot += (double)dy[c] * rectified(x[c]) / sum;
    for (int c = 0; c < channels; c++)
        tn_put(dx + c, x[c] > 0 ? (tn_real)(((double)dy[c] - dot) / sum) : 0, add);
}

static void softmax_backward(const tn_real *y, const tn_real *dy, tn_real *dx, int channels,
                             bool add) {
    double dot = 0;
    for (int c = 0; c < channels; c++) dot += (double)dy[c] * (double)y[c];
    for (int c = 0; c < channels; c++)
        tn_put(dx + c, (tn_real)((double)y[c] * ((double)dy[c] - dot)), add);
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_channel_norm_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    const size_t pixels = tn_pixels(&r->out);
#pragma omp parallel for num_threads(r->threads)
    for (size_t p = 0; p < pixels; p++) {
        const tn_real *dy = tn_pixel(&r->dout, p);
        tn_real *dx = tn_pixel(&r->din[0], p);
        if (a->activation == TN_NORM_CHAN)
            share_backward(tn_pixel(&r->in[0], p), dy, dx, r->out.c, r->accumulate[0]);
        else
            softmax_backward(tn_pixel(&r->out, p), dy, dx, r->out.c, r->accumulate[0]);
    }
    return TN_OK;
}

const tn_kernel tn_channel_norm_forward_ref = {"ref", NULL, forward, NULL};
const tn_kernel tn_channel_norm_backward_ref = {"ref", NULL, backward, NULL};

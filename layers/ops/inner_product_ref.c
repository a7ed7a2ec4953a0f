/* Fully connected layer in plain C: what the other kernels are compared with. Sums are kept in
 * double. The image is NHWC, a row of weights is in c,h,w order. */
#include "layers/ops/inner_product_kernels.h"

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    k->scratch_bytes = 0;
    return TN_OK;
}

static inline size_t row_length(const tn_tensor *in) {
    return (size_t)in->h * in->w * in->c;
}

static inline size_t image_offset(const tn_tensor *t, int n) {
    return (size_t)n * t->h * t->w * t->pitch;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_tensor *in = &r->in[0], *out = &r->out;
    const int pixels = in->h * in->w;
#pragma omp parallel for collapse(2) num_threads(r->threads)
    for (int n = 0; n < out->n; n++)
        for (int f = 0; f < out->c; f++) {
            const tn_real *image = tn_data(in) + image_offset(in, n);
            const tn_real *w = r->param[0]->value + f * row_length(in);
            double sum = 0;
            for (int c = 0; c < in->c; c++)
                for (int p = 0; p < pixels; p++)
                    sum += (double)image[(size_t)p * in->pitch + c] * w[(size_t)c * pixels + p];
            tn_data(out)[image_offset(out, n) + f] = (tn_real)sum;
        }
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_tensor *din = &r->din[0], *dout = &r->dout;
    if (!din->data) return TN_OK;
    const int pixels = din->h * din->w;
    const size_t row = row_length(din);
#pragma omp parallel for collapse(2) num_threads(r->threads)
    for (int n = 0; n < din->n; n++)
        for (int p = 0; p < pixels; p++) {
            const tn_real *delta = tn_data(dout) + image_offset(dout, n);
            tn_real *to = tn_data(din) + image_offset(din, n) + (size_t)p * din->pitch;
            for (int c = 0; c < din->c; c++) {
                const tn_real *w = r->param[0]->value + (size_t)c * pixels + p;
                double sum = r->accumulate[0] ? to[c] : 0;
                for (int f = 0; f < dout->c; f++) sum += (double)delta[f] * w[f * row];
                to[c] = (tn_real)sum;
            }
        }
    return TN_OK;
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_tensor *in = &r->in[0], *dout = &r->dout;
    const int pixels = in->h * in->w;
#pragma omp parallel for collapse(2) num_threads(r->threads)
    for (int f = 0; f < dout->c; f++)
        for (int c = 0; c < in->c; c++) {
            tn_real *grad = r->param[0]->grad + f * row_length(in) + (size_t)c * pixels;
            for (int p = 0; p < pixels; p++) {
                double sum = grad[p];
                for (int n = 0; n < in->n; n++)
                    sum += (double)tn_data(dout)[image_offset(dout, n) + f] *
                           tn_data(in)[image_offset(in, n) + (size_t)p * in->pitch + c];
                grad[p] = (tn_real)sum;
            }
        }
    return TN_OK;
}

const tn_kernel tn_inner_product_forward_ref = {"ref", prepare, forward, NULL};
const tn_kernel tn_inner_product_backward_data_ref = {"ref", prepare, backward_data, NULL};
const tn_kernel tn_inner_product_backward_params_ref = {"ref", prepare, backward_params, NULL};

/* Convolution in plain C: what the other kernels are compared with. Sums are kept in double. */
#include "layers/ops/convolution_kernels.h"

/* Index along one input axis that tap `t` of output position `o` reads; may lie in the padding. */
static inline int tapped(int o, int stride, int pad, int t, int dilation) {
    return o * stride - pad + t * dilation;
}

/* Output position whose tap `t` reads input position `i`; -1: none. */
static inline int tapping(int i, int stride, int pad, int t, int dilation, int extent) {
    const int o = i + pad - t * dilation;
    return o < 0 || o % stride != 0 || o / stride >= extent ? -1 : o / stride;
}

static inline const tn_real *pixel(const tn_tensor *t, int n, int y, int x) {
    return tn_data(t) + (((size_t)n * t->h + y) * t->w + x) * t->pitch;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    k->scratch_bytes = 0;
    return TN_OK;
}

/* out[n,y,x,f] of one filter: `w` are its weights, `c0` the first channel of its group. */
static double output_at(const tn_op_run *r, const tn_real *w, int c0, int n, int y, int x) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0];
    const int channels = in->c / a->groups, taps = a->kh * a->kw;
    double sum = 0;
    for (int kr = 0; kr < a->kh; kr++) {
        const int iy = tapped(y, a->stride_y, a->pad_y, kr, a->dilation);
        if (iy < 0 || iy >= in->h) continue;
        for (int ks = 0; ks < a->kw; ks++) {
            const int ix = tapped(x, a->stride_x, a->pad_x, ks, a->dilation);
            if (ix < 0 || ix >= in->w) continue;
            const tn_real *p = pixel(in, n, iy, ix) + c0;
            const tn_real *v = w + kr * a->kw + ks;
            for (int i = 0; i < channels; i++) sum += (double)p[i] * v[(size_t)i * taps];
        }
    }
    return sum;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *out = &r->out;
    const int channels = r->in[0].c / a->groups, filters = out->c / a->groups;
    const size_t per_filter = (size_t)channels * a->kh * a->kw;
    const tn_real *weights = r->param[0]->value;
#pragma omp parallel for collapse(2) num_threads(r->threads)
    for (int n = 0; n < out->n; n++)
        for (int y = 0; y < out->h; y++)
            for (int x = 0; x < out->w; x++) {
                tn_real *to = (tn_real *)pixel(out, n, y, x);
                for (int f = 0; f < out->c; f++)
                    to[f] = (tn_real)output_at(r, weights + f * per_filter, f / filters * channels,
                                               n, y, x);
            }
    return TN_OK;
}

/* din[n,iy,ix,c]: every output that read it, through the weight it was multiplied with. */
static double input_gradient_at(const tn_op_run *r, int n, int iy, int ix, int c) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *dout = &r->dout;
    const int channels = r->in[0].c / a->groups, filters = dout->c / a->groups;
    const int taps = a->kh * a->kw, f0 = c / channels * filters;
    const tn_real *w = r->param[0]->value + ((size_t)f0 * channels + c % channels) * taps;
    double sum = 0;
    for (int kr = 0; kr < a->kh; kr++) {
        const int y = tapping(iy, a->stride_y, a->pad_y, kr, a->dilation, dout->h);
        if (y < 0) continue;
        for (int ks = 0; ks < a->kw; ks++) {
            const int x = tapping(ix, a->stride_x, a->pad_x, ks, a->dilation, dout->w);
            if (x < 0) continue;
            const tn_real *delta = pixel(dout, n, y, x) + f0;
            const tn_real *v = w + kr * a->kw + ks;
            for (int f = 0; f < filters; f++)
                sum += (double)delta[f] * v[(size_t)f * channels * taps];
        }
    }
    return sum;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_tensor *din = &r->din[0];
    if (!din->data) return TN_OK;
    const bool add = r->accumulate[0];
#pragma omp parallel for collapse(2) num_threads(r->threads)
    for (int n = 0; n < din->n; n++)
        for (int y = 0; y < din->h; y++)
            for (int x = 0; x < din->w; x++) {
                tn_real *to = (tn_real *)pixel(din, n, y, x);
                for (int c = 0; c < din->c; c++) {
                    const double g = input_gradient_at(r, n, y, x, c);
                    to[c] = (tn_real)(add ? to[c] + g : g);
                }
            }
    return TN_OK;
}

/* Gradient of weight (f, c within its group, kr, ks): over all pixels, delta times what the tap
 * read. */
static double weight_gradient_at(const tn_op_run *r, int f, int c, int kr, int ks) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0], *dout = &r->dout;
    double sum = 0;
    for (int n = 0; n < in->n; n++)
        for (int y = 0; y < dout->h; y++) {
            const int iy = tapped(y, a->stride_y, a->pad_y, kr, a->dilation);
            if (iy < 0 || iy >= in->h) continue;
            for (int x = 0; x < dout->w; x++) {
                const int ix = tapped(x, a->stride_x, a->pad_x, ks, a->dilation);
                if (ix < 0 || ix >= in->w) continue;
                sum += (double)pixel(dout, n, y, x)[f] * pixel(in, n, iy, ix)[c];
            }
        }
    return sum;
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_convolution_attr *a = r->op->attr;
    const int channels = r->in[0].c / a->groups, filters = r->dout.c / a->groups;
    tn_real *grad = r->param[0]->grad;
#pragma omp parallel for num_threads(r->threads)
    for (int f = 0; f < r->dout.c; f++) {
        tn_real *g = grad + (size_t)f * channels * a->kh * a->kw;
        for (int i = 0; i < channels; i++)
            for (int kr = 0; kr < a->kh; kr++)
                for (int ks = 0; ks < a->kw; ks++, g++)
                    *g = (tn_real)(*g +
                                   weight_gradient_at(r, f, f / filters * channels + i, kr, ks));
    }
    return TN_OK;
}

const tn_kernel tn_convolution_forward_ref = {"ref", prepare, forward, NULL};
const tn_kernel tn_convolution_backward_data_ref = {"ref", prepare, backward_data, NULL};
const tn_kernel tn_convolution_backward_params_ref = {"ref", prepare, backward_params, NULL};

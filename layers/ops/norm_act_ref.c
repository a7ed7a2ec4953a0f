/* norm_act in plain C: what the other kernels are compared with. Statistics and sums are kept in
 * double; batch norm's gradient is Ioffe and Szegedy 2015, section 3. */
#include "layers/ops/elements.h"
#include "layers/ops/norm_act_kernels.h"

#include <math.h>
#include <string.h>

/* z = (x - mean) * factor + shift of one channel, before skips and activation. */
typedef struct affine {
    double mean, inv_std, factor, shift;
} affine;

static affine channel_affine(const tn_op_run *r, int c, bool batch) {
    const tn_norm_act_attr *a = r->op->attr;
    affine f = {.inv_std = 1, .factor = 1};
    if (a->batch_norm) {
        if (batch) {
            const tn_norm_saved saved = tn_norm_saved_in(r->save, r->in[0].c);
            f.mean = saved.mean[c];
            f.inv_std = saved.inv_std[c];
        } else {
            tn_norm_act_running(r, c, &f.mean, &f.inv_std);
        }
        f.factor = f.inv_std * (double)r->param[TN_NORM_SCALE]->value[c];
    }
    if (a->batch_norm || a->bias) f.shift = (double)r->param[TN_NORM_BIAS]->value[c];
    return f;
}

/* What the activation is given at pixel p. */
static tn_real before_activation(const tn_op_run *r, const affine *f, size_t p, int c) {
    tn_real z = (tn_real)(((double)tn_pixel(&r->in[0], p)[c] - f->mean) * f->factor + f->shift);
    for (int i = 1; i < r->op->n_in; i++) z += tn_pixel(&r->in[i], p)[c];
    return z;
}

/* Two sweeps: the mean first, then deviations from it. */
static tn_moments moments(const tn_tensor *x, int c, size_t count) {
    double sum = 0, m2 = 0;
    for (size_t p = 0; p < count; p++) sum += (double)tn_pixel(x, p)[c];
    const double mean = sum / (double)count;
    for (size_t p = 0; p < count; p++) {
        const double d = (double)tn_pixel(x, p)[c] - mean;
        m2 += d * d;
    }
    return (tn_moments){(double)count, mean, m2};
}

static tn_status find_statistics(tn_op_run *r) {
    const tn_norm_saved saved = tn_norm_saved_in(r->save, r->in[0].c);
    size_t count;
    TN_TRY(tn_norm_act_count(r, &count));
#pragma omp parallel for num_threads(r->threads)
    for (int c = 0; c < r->in[0].c; c++) {
        if (count == 0) {
            tn_norm_act_running(r, c, &saved.mean[c], &saved.inv_std[c]);
        } else {
            const tn_moments m = moments(&r->in[0], c, count);
            tn_norm_act_settle(r, c, m, &saved.mean[c], &saved.inv_std[c]);
        }
    }
    if (count > 0) tn_norm_act_moved(r);
    return TN_OK;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_norm_act_prepare(r);
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(prepare(r, k));
    tn_norm_act_prepare_signs(r);
    return TN_OK;
}

/* For backward kernels that do not read the output. */
static void leave_signs(const tn_op_run *r) {
    uint8_t *signs = tn_norm_signs(r);
    const size_t pixels = tn_pixels(&r->out), pitch = tn_norm_signs_pitch(r->out.c);
    for (size_t p = 0; signs && p < pixels; p++) {
        const tn_real *y = tn_pixel(&r->out, p);
        memset(signs + p * pitch, 0, pitch);
        for (int c = 0; c < r->out.c; c++)
            signs[p * pitch + c / 8] |= (uint8_t)((y[c] > 0) << c % 8);
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_norm_act_attr *a = r->op->attr;
    const bool batch = tn_norm_uses_batch(r);
    if (batch) TN_TRY(find_statistics(r));
    const size_t pixels = tn_pixels(&r->out);
#pragma omp parallel for num_threads(r->threads)
    for (int c = 0; c < r->out.c; c++) {
        const affine f = channel_affine(r, c, batch);
        for (size_t p = 0; p < pixels; p++)
            tn_pixel(&r->out, p)[c] = tn_activate(a->activation, before_activation(r, &f, p, c));
    }
    leave_signs(r);
    return TN_OK;
}

/* Gradient with respect to what the activation is given. */
static tn_real dz_at(const tn_op_run *r, const affine *f, size_t p, int c) {
    const tn_norm_act_attr *a = r->op->attr;
    const tn_real delta = tn_pixel(&r->dout, p)[c];
    if (a->activation == TN_LINEAR) return delta;
    if (tn_activation_from_output(a->activation))
        return delta * tn_activation_slope(a->activation, 0, tn_pixel(&r->out, p)[c]);
    return delta * tn_activation_slope(a->activation, before_activation(r, f, p, c), 0);
}

static double normalised(const tn_op_run *r, const affine *f, size_t p, int c) {
    return ((double)tn_pixel(&r->in[0], p)[c] - f->mean) * f->inv_std;
}

static void backward_channel(tn_op_run *r, int c) {
    const tn_norm_act_attr *a = r->op->attr;
    const bool batch = tn_norm_uses_batch(r);
    const affine f = channel_affine(r, c, batch);
    const size_t pixels = tn_pixels(&r->out);
    const size_t count = (size_t)tn_valid_samples(r) * r->out.h * r->out.w;
    double sum_dz = 0, sum_dz_x = 0; /* over what took part in the statistics */
    for (size_t p = 0; p < count && (batch || r->wants_params); p++) {
        const double dz = (double)dz_at(r, &f, p, c);
        sum_dz += dz;
        if (a->batch_norm) sum_dz_x += dz * normalised(r, &f, p, c);
    }
    if (r->wants_params && r->op->n_param > 0) {
        r->param[TN_NORM_BIAS]->grad[c] += (tn_real)sum_dz;
        if (a->batch_norm) r->param[TN_NORM_SCALE]->grad[c] += (tn_real)sum_dz_x;
    }
    for (size_t p = 0; p < pixels; p++) {
        const tn_real dz = dz_at(r, &f, p, c);
        double dx = (double)dz;
        if (batch && p < count) dx -= (sum_dz + normalised(r, &f, p, c) * sum_dz_x) / (double)count;
        if (r->din[0].data)
            tn_put(tn_pixel(&r->din[0], p) + c, (tn_real)(dx * f.factor), r->accumulate[0]);
        for (int i = 1; i < r->op->n_in; i++)
            if (r->din[i].data) tn_put(tn_pixel(&r->din[i], p) + c, dz, r->accumulate[i]);
    }
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
#pragma omp parallel for num_threads(r->threads)
    for (int c = 0; c < r->out.c; c++) backward_channel(r, c);
    return TN_OK;
}

const tn_kernel tn_norm_act_forward_ref = {"ref", prepare_forward, forward, NULL};
const tn_kernel tn_norm_act_backward_ref = {"ref", prepare, backward, NULL};

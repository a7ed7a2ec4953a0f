/* Ends of a net on the GPU: see loss.h. All in double, as on the processor: outputs are few, and
 * the digits are worth more than the microseconds. Losses are summed in a fixed order. */
#include "layers/ops/loss_cuda.h"

#include "layers/device/kernel.cuh"
#include "layers/ops/cost_term.h"

enum { THREADS = TN_LOSS_THREADS };

/* Where element k, counted in c,h,w order, of image n lies: as tn_chw of layers/ops/elements.h. */
TN_DEVICE size_t chw(const tn_tensor &t, unsigned n, unsigned k) {
    const unsigned area = (unsigned)(t.h * t.w);
    return ((size_t)n * area + k % area) * t.pitch + k / area;
}

/* ---- softmax: a block for each row ---- */

/* The calling block's row: elements first .. first + count - 1 of image n. */
struct softmax_row {
    unsigned n, first;
    const float *truth; /* NULL: no loss from this sample */
};

TN_DEVICE softmax_row row_of(const tn_softmax_args &a) {
    softmax_row r;
    r.n = blockIdx.x / a.groups;
    r.first = blockIdx.x % a.groups * a.count;
    const bool counts = a.truth && r.n < (unsigned)a.n_valid;
    r.truth = counts ? a.truth + (size_t)blockIdx.x * a.count : nullptr;
    return r;
}

TN_DEVICE double logit(const tn_softmax_args &a, const softmax_row &r, unsigned i) {
    return (double)tn_get(a.in, chw(a.in, r.n, r.first + i)) / a.temperature;
}

/* `top` and the log of the sum are taken off one after the other: in their sum the second would
 * drown beside a huge first. */
TN_KERNEL(tn_softmax_forward, THREADS, tn_softmax_args a) {
    TN_SHARED(tn_block_sums<double>, sums);
    const softmax_row r = row_of(a);
    const unsigned count = (unsigned)a.count;
    double top = -(double)INFINITY, sum = 0, loss = 0;
    for (unsigned i = threadIdx.x; i < count; i += blockDim.x) top = fmax(top, logit(a, r, i));
    top =
        tn_block_join(top, -(double)INFINITY, sums, [](double x, double y) { return fmax(x, y); });
    for (unsigned i = threadIdx.x; i < count; i += blockDim.x) sum += exp(logit(a, r, i) - top);
    const double log_sum = log(tn_block_sum(sum, sums));
    for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
        const double log_p = logit(a, r, i) - top - log_sum;
        tn_set(a.out, chw(a.out, r.n, r.first + i), (float)exp(log_p));
        if (r.truth && r.truth[i] != 0) loss -= (double)r.truth[i] * log_p; /* 0 log 0 is 0 */
    }
    loss = tn_block_sum(loss, sums);
    if (a.truth && threadIdx.x == 0) a.losses[blockIdx.x] = loss;
}

TN_KERNEL(tn_softmax_backward, THREADS, tn_softmax_args a) {
    TN_SHARED(tn_block_sums<double>, sums);
    const softmax_row r = row_of(a);
    const unsigned count = (unsigned)a.count;
    double sum_truth = 0, dot = 0;
    for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
        if (r.truth) sum_truth += (double)r.truth[i];
        if (a.dout.data)
            dot += (double)tn_get(a.dout, chw(a.dout, r.n, r.first + i)) *
                   (double)tn_get(a.out, chw(a.out, r.n, r.first + i));
    }
    sum_truth = tn_block_sum(sum_truth, sums);
    dot = tn_block_sum(dot, sums);
    for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
        const double p = (double)tn_get(a.out, chw(a.out, r.n, r.first + i));
        double dz = r.truth ? a.weight * (p * sum_truth - (double)r.truth[i]) : 0;
        if (a.dout.data) dz += p * ((double)tn_get(a.dout, chw(a.dout, r.n, r.first + i)) - dot);
        tn_give(a.din, chw(a.din, r.n, r.first + i), (float)(dz / a.temperature), a.add);
    }
}

/* ---- cost: elements in the order of memory ---- */

/* Element i of the batch, gaps not counted: its pixel and channel, and its target's place. */
struct cost_place {
    size_t pixel, truth;
    int n, c;
};

TN_DEVICE cost_place place_of(const tn_tensor &t, size_t i) {
    const size_t area = (size_t)t.h * t.w;
    cost_place p;
    p.pixel = i / t.c;
    p.c = (int)(i % t.c);
    p.n = (int)(p.pixel / area);
    p.truth = p.n * area * t.c + p.c * area + p.pixel % area;
    return p;
}

TN_DEVICE tn_cost_term term_of(const tn_cost_args &a, const cost_place &p, float value) {
    const tn_cost_term none = {0, 0};
    return a.truth && p.n < a.n_valid ? tn_cost_term_of(a.type, value, a.truth[p.truth]) : none;
}

TN_KERNEL(tn_cost_forward, THREADS, tn_cost_args a) {
    TN_SHARED(tn_block_sums<double>, sums);
    const size_t count = tn_elements(&a.out), step = (size_t)gridDim.x * THREADS;
    double loss = 0;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const cost_place p = place_of(a.out, i);
        const float value = tn_get(a.in, p.pixel * a.in.pitch + p.c);
        tn_set(a.out, p.pixel * a.out.pitch + p.c, value);
        loss += term_of(a, p, value).loss;
    }
    loss = tn_block_sum(loss, sums);
    if (a.truth && threadIdx.x == 0) a.losses[blockIdx.x] = loss;
}

TN_KERNEL(tn_cost_backward, THREADS, tn_cost_args a) {
    const size_t count = tn_elements(&a.out), step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const cost_place p = place_of(a.out, i);
        const float value = tn_get(a.out, p.pixel * a.out.pitch + p.c);
        double delta = a.dout.data ? (double)tn_get(a.dout, p.pixel * a.dout.pitch + p.c) : 0;
        delta += a.weight * term_of(a, p, value).slope;
        tn_give(a.din, p.pixel * a.din.pitch + p.c, (float)delta, a.add);
    }
}

/* ---- the loss ---- */

/* One block. */
TN_KERNEL(tn_loss_total, THREADS, tn_loss_total_args a) {
    TN_SHARED(tn_block_sums<double>, sums);
    double sum = 0;
    for (int i = (int)threadIdx.x; i < a.count; i += THREADS) sum += a.losses[i];
    sum = tn_block_sum(sum, sums);
    if (threadIdx.x == 0) *a.to = a.weight * sum;
}

/* Convolution of any shape on the GPU, dense, grouped or depthwise, of any stride and dilation:
 * sums of products in fp32, straight from memory. What faster kernels refuse comes here. */
#include "layers/ops/convolution_cuda.h"

#include "layers/device/kernel.cuh"

enum { THREADS = TN_CONVOLUTION_THREADS, SUMS = TN_CONVOLUTION_SUMS };

/* A pixel, and SUMS neighbouring channels of one group. */
typedef struct place {
    int n, y, x;
    int group, first, count; /* channels first..first+count-1 within the group */
} place;

/* Item `i` of t's pixels times groups times runs of SUMS channels; `width`: channels of a group. */
TN_DEVICE place place_of(const tn_tensor &t, size_t i, int groups, int width) {
    const int runs = (width + SUMS - 1) / SUMS;
    place p;
    p.first = (int)(i % runs) * SUMS;
    i /= runs;
    p.group = (int)(i % groups);
    i /= groups;
    p.x = (int)(i % t.w);
    i /= t.w;
    p.y = (int)(i % t.h);
    p.n = (int)(i / t.h);
    p.count = min(width - p.first, (int)SUMS);
    return p;
}

TN_DEVICE size_t items(const tn_tensor &t, int groups, int width) {
    return tn_pixels(&t) * groups * ((width + SUMS - 1) / SUMS);
}

TN_DEVICE size_t pixel_at(const tn_tensor &t, int n, int y, int x) {
    return (((size_t)n * t.h + y) * t.w + x) * t.pitch;
}

/* sum += the channels of one pixel, from element `at` on, times those weights of SUMS filters that
 * belong to one tap. */
TN_DEVICE void add_tap(const tn_convolution_args &a, const place &p, size_t at,
                       const float *weights, float sum[SUMS]) {
    const size_t taps = (size_t)a.attr.kh * a.attr.kw, filter = taps * a.channels;
    for (int i = 0; i < a.channels; i++) {
        const float x = tn_get(a.in, at + i);
#pragma unroll
        for (int f = 0; f < SUMS; f++)
            if (f < p.count) sum[f] = fmaf(x, weights[f * filter + i * taps], sum[f]);
    }
}

TN_KERNEL(tn_convolution_forward, THREADS, tn_convolution_args a) {
    const tn_convolution_attr &k = a.attr;
    const int taps = k.kh * k.kw;
    const size_t count = items(a.out, k.groups, a.filters), step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const place p = place_of(a.out, i, k.groups, a.filters);
        const int filter = p.group * a.filters + p.first;
        const float *weights = a.weights + (size_t)filter * a.channels * taps;
        float sum[SUMS] = {0, 0, 0, 0};
        for (int tap = 0; tap < taps; tap++) {
            const int y = p.y * k.stride_y - k.pad_y + tap / k.kw * k.dilation;
            const int x = p.x * k.stride_x - k.pad_x + tap % k.kw * k.dilation;
            if (y < 0 || y >= a.in.h || x < 0 || x >= a.in.w) continue;
            add_tap(a, p, pixel_at(a.in, p.n, y, x) + p.group * a.channels, weights + tap, sum);
        }
        const size_t to = pixel_at(a.out, p.n, p.y, p.x) + filter;
        for (int f = 0; f < p.count; f++) tn_set(a.out, to + f, sum[f]);
    }
}

/* Output position whose tap reads input position i; -1: none. */
TN_DEVICE int tapping(int i, int stride, int pad, int offset, int extent) {
    const int o = i + pad - offset;
    return o < 0 || o % stride != 0 || o / stride >= extent ? -1 : o / stride;
}

TN_KERNEL(tn_convolution_backward_data, THREADS, tn_convolution_args a) {
    const tn_convolution_attr &k = a.attr;
    const int taps = k.kh * k.kw;
    const size_t filter_size = (size_t)a.channels * taps;
    const size_t count = items(a.din, k.groups, a.channels), step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const place p = place_of(a.din, i, k.groups, a.channels);
        const float *group = a.weights + p.group * a.filters * filter_size + p.first * taps;
        float sum[SUMS] = {0, 0, 0, 0};
        for (int tap = 0; tap < taps; tap++) {
            const int y = tapping(p.y, k.stride_y, k.pad_y, tap / k.kw * k.dilation, a.out.h);
            const int x = tapping(p.x, k.stride_x, k.pad_x, tap % k.kw * k.dilation, a.out.w);
            if (y < 0 || x < 0) continue;
            const size_t at = pixel_at(a.out, p.n, y, x) + p.group * a.filters;
            for (int f = 0; f < a.filters; f++) {
                const float d = tn_get(a.out, at + f);
#pragma unroll
                for (int c = 0; c < SUMS; c++)
                    if (c < p.count)
                        sum[c] = fmaf(d, group[f * filter_size + c * taps + tap], sum[c]);
            }
        }
        const size_t to = pixel_at(a.din, p.n, p.y, p.x) + p.group * a.channels + p.first;
        for (int c = 0; c < p.count; c++) tn_give(a.din, to + c, sum[c], a.accumulate);
    }
}

/* What pixel `pixel` of dout passes to the weight of tap (r, s), filter and channel. */
TN_DEVICE float weight_term(const tn_convolution_args &a, size_t pixel, int filter, int channel,
                            int r, int s) {
    const tn_convolution_attr &k = a.attr;
    const int ox = (int)(pixel % a.out.w), oy = (int)(pixel / a.out.w % a.out.h);
    const int y = oy * k.stride_y - k.pad_y + r * k.dilation;
    const int x = ox * k.stride_x - k.pad_x + s * k.dilation;
    if (y < 0 || y >= a.in.h || x < 0 || x >= a.in.w) return 0;
    const int n = (int)(pixel / a.out.w / a.out.h);
    return tn_get(a.out, pixel * a.out.pitch + filter) *
           tn_get(a.in, pixel_at(a.in, n, y, x) + channel);
}

/* A thread for each weight and split: neighbours have neighbouring filters, whose gradients lie
 * side by side. */
TN_KERNEL(tn_convolution_weight_parts, THREADS, tn_convolution_args a) {
    const int kw = a.attr.kw, all = a.out.c;
    const size_t weights = (size_t)all * a.channels * a.attr.kh * kw;
    const size_t count = weights * a.splits, step = (size_t)gridDim.x * THREADS;
    const size_t pixels = tn_pixels(&a.out);
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const size_t split = i / weights, w = i % weights;
        const int filter = (int)(w % all), within = (int)(w / all % a.channels);
        const int tap = (int)(w / all / a.channels);
        const int channel = filter / a.filters * a.channels + within;
        const size_t end = pixels * (split + 1) / a.splits;
        float sum = 0;
        for (size_t p = pixels * split / a.splits; p < end; p++)
            sum += weight_term(a, p, filter, channel, tap / kw, tap % kw);
        a.parts[i] = sum;
    }
}

/* The parts' sum, in order, to the gradient. */
TN_KERNEL(tn_convolution_add_parts, THREADS, tn_convolution_args a) {
    const int taps = a.attr.kh * a.attr.kw, all = a.out.c;
    const size_t count = (size_t)all * a.channels * taps, step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        float sum = 0;
        for (int s = 0; s < a.splits; s++) sum += a.parts[s * count + i];
        const int filter = (int)(i % all), channel = (int)(i / all % a.channels);
        const int tap = (int)(i / all / a.channels);
        a.gradient[((size_t)filter * a.channels + channel) * taps + tap] += sum;
    }
}

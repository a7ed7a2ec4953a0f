/* Activations across a pixel's channels on the GPU: see channel_norm.h. A warp takes a pixel, whose
 * channels lie side by side; what it reads more than once is still in the first cache. */
#include "layers/ops/channel_norm_cuda.h"

#include "layers/device/kernel.cuh"
#include "layers/ops/channel_norm.h"

enum { THREADS = TN_CHANNEL_NORM_THREADS };

/* The sum of term(c) over the channels of a pixel, in every lane. */
template <class F> TN_DEVICE float sum_of(const tn_tensor &t, F term) {
    float sum = 0;
    for (int c = (int)(threadIdx.x % TN_WARP); c < t.c; c += TN_WARP) sum += term(c);
    return tn_warp_sum(sum);
}

/* The largest channel of the pixel whose channels begin at `at`, in every lane. */
TN_DEVICE float top_of(const tn_tensor &t, size_t at) {
    float top = -INFINITY;
    for (int c = (int)(threadIdx.x % TN_WARP); c < t.c; c += TN_WARP)
        top = fmaxf(top, tn_get(t, at + c));
    return tn_warp_join(top, [](float a, float b) { return fmaxf(a, b); });
}

TN_DEVICE float rectified(float x) {
    return x <= 0 ? 0 : x; /* NaN stays */
}

TN_DEVICE float rectified_sum(const tn_tensor &t, size_t at) {
    return (float)TN_CHANNEL_SUM_EPS +
           sum_of(t, [&](int c) { return rectified(tn_get(t, at + c)); });
}

TN_KERNEL(tn_channel_norm_share, THREADS, tn_channel_norm_args a) {
    tn_each_pixel(a.in, [&](size_t pixel) {
        const size_t from = pixel * a.in.pitch, to = pixel * a.out.pitch;
        const float sum = rectified_sum(a.in, from);
        for (int c = (int)(threadIdx.x % TN_WARP); c < a.in.c; c += TN_WARP)
            tn_set(a.out, to + c, rectified(tn_get(a.in, from + c)) / sum);
    });
}

TN_KERNEL(tn_channel_norm_softmax, THREADS, tn_channel_norm_args a) {
    tn_each_pixel(a.in, [&](size_t pixel) {
        const size_t from = pixel * a.in.pitch, to = pixel * a.out.pitch;
        const float top = top_of(a.in, from);
        const float sum = sum_of(a.in, [&](int c) { return expf(tn_get(a.in, from + c) - top); });
        for (int c = (int)(threadIdx.x % TN_WARP); c < a.in.c; c += TN_WARP)
            tn_set(a.out, to + c, expf(tn_get(a.in, from + c) - top) / sum);
    });
}

TN_KERNEL(tn_channel_norm_share_gradient, THREADS, tn_channel_norm_args a) {
    tn_each_pixel(a.din, [&](size_t pixel) {
        const size_t in = pixel * a.in.pitch, dout = pixel * a.dout.pitch;
        const float sum = rectified_sum(a.in, in);
        const float dot = sum_of(a.in, [&](int c) {
            return tn_get(a.dout, dout + c) * (rectified(tn_get(a.in, in + c)) / sum);
        });
        for (int c = (int)(threadIdx.x % TN_WARP); c < a.in.c; c += TN_WARP) {
            const bool passes = tn_get(a.in, in + c) > 0;
            const float slope = passes ? (tn_get(a.dout, dout + c) - dot) / sum : 0;
            tn_give(a.din, pixel * a.din.pitch + c, slope, a.add);
        }
    });
}

TN_KERNEL(tn_channel_norm_softmax_gradient, THREADS, tn_channel_norm_args a) {
    tn_each_pixel(a.din, [&](size_t pixel) {
        const size_t out = pixel * a.out.pitch, dout = pixel * a.dout.pitch;
        const float dot =
            sum_of(a.out, [&](int c) { return tn_get(a.dout, dout + c) * tn_get(a.out, out + c); });
        for (int c = (int)(threadIdx.x % TN_WARP); c < a.out.c; c += TN_WARP) {
            const float slope = tn_get(a.out, out + c) * (tn_get(a.dout, dout + c) - dot);
            tn_give(a.din, pixel * a.din.pitch + c, slope, a.add);
        }
    });
}

/* Grouped convolution on the GPU, 3x3 and 5x5, stride 1 and 2: forward, backward data and backward
 * weights in fp32 arithmetic, from fp32 or bf16.
 *
 * A warp's 32 lanes are 64 neighbouring channels, which may span several groups. The lanes of one
 * group read the same source elements, those of the next group the elements behind, so that a load
 * meets one or two lines; weights are packed so that theirs lie side by side. A thread keeps the
 * sums of 8 pixels and 2 channels in registers and meets 8 * taps * 2 products for every 8 + taps
 * elements and `taps` pairs of weights that it loads. */
#include "layers/ops/convolution_grouped_cuda.h"

#include "layers/device/kernel.cuh"

enum { WARPS = TN_GROUPED_WARPS, ACROSS = TN_GROUPED_ACROSS, EACH = TN_GROUPED_EACH, QUAD = 4 };
enum { PACK_THREADS = 256 };

struct quad {
    float of[QUAD];
};

TN_DEVICE quad load_quad(const float *p) {
    const float4 v = *(const float4 *)p;
    return quad{{v.x, v.y, v.z, v.w}};
}
TN_DEVICE quad load_quad(const tn_bf16 *p) {
    const uint2 v = *(const uint2 *)p;
    return quad{{tn_float_of_bits(v.x << 16), tn_float_of_bits(v.x & 0xffff0000u),
                 tn_float_of_bits(v.y << 16), tn_float_of_bits(v.y & 0xffff0000u)}};
}

TN_DEVICE float2 load_pair(const float *p) {
    return *(const float2 *)p;
}
TN_DEVICE float2 load_pair(const tn_bf16 *p) {
    const unsigned v = *(const unsigned *)p;
    return make_float2(tn_float_of_bits(v << 16), tn_float_of_bits(v & 0xffff0000u));
}

/* First element of row y of image n. */
template <class T> TN_DEVICE const T *row_at(const tn_tensor &t, int n, int y) {
    return tn_at<const T>(t, ((size_t)n * t.h + y) * t.w);
}

/* COUNT pixels from x on, channels c..c+3 of each; what lies outside the image is 0. */
template <class T, int COUNT>
TN_DEVICE void load_pixels(const tn_tensor &t, const T *row, int x, int c, quad to[COUNT]) {
#pragma unroll
    for (int j = 0; j < COUNT; j++) {
        const bool inside = x + j >= 0 && x + j < t.w;
        to[j] = inside ? load_quad(row + (ptrdiff_t)(x + j) * t.pitch + c) : quad{{0, 0, 0, 0}};
    }
}

/* ---- forward, backward data ---- */

/* sum += one row of taps, over a group's channels. */
template <class T, int TAPS, int STEP>
TN_DEVICE void add_row(const tn_grouped_args &a, const T *row, int x, const float *weights,
                       float sum[ACROSS][EACH]) {
    enum { COUNT = (ACROSS - 1) * STEP + TAPS };
    const size_t tap = (size_t)a.from_channels * a.to.c;
    for (int c = 0; c < a.from_channels; c += QUAD) {
        quad pixel[COUNT];
        load_pixels<T, COUNT>(a.from, row, x, c, pixel);
#pragma unroll
        for (int s = 0; s < TAPS; s++)
#pragma unroll
            for (int i = 0; i < QUAD; i++) {
                const float2 w = load_pair(weights + s * tap + (size_t)(c + i) * a.to.c);
#pragma unroll
                for (int j = 0; j < ACROSS; j++) {
                    const float v = pixel[j * STEP + s].of[i];
                    sum[j][0] = fmaf(v, w.x, sum[j][0]);
                    sum[j][1] = fmaf(v, w.y, sum[j][1]);
                }
            }
    }
}

/* ACROSS destinations of one row: the `run`th of image n's row y. */
template <class T, int TAPS, int STEP>
TN_DEVICE void correlate_run(const tn_grouped_args &a, int channel, int n, int y, int run) {
    const int first = channel / a.to_channels * a.from_channels;
    const int x = a.x.from + run * ACROSS * STEP;
    float sum[ACROSS][EACH] = {};
    for (int r = 0; r < a.y.count; r++) {
        const int from_y = a.y.from + y * STEP + r;
        if (from_y < 0 || from_y >= a.from.h) continue;
        add_row<T, TAPS, STEP>(a, row_at<T>(a.from, n, from_y) + first, x,
                               a.packed + (size_t)r * TAPS * a.from_channels * a.to.c + channel,
                               sum);
    }
    T *to = (T *)row_at<T>(a.to, n, a.y.to + y * a.to_step) + channel;
#pragma unroll
    for (int j = 0; j < ACROSS; j++) {
        const int at = run * ACROSS + j;
        if (at >= a.x.to_count) break;
        T *pixel = to + (size_t)(a.x.to + at * a.to_step) * a.to.pitch;
        tn_put(pixel, sum[j][0], a.accumulate);
        tn_put(pixel + 1, sum[j][1], a.accumulate);
    }
}

/* A warp for 64 channels of a run; the warps of a block have rows below each other, which share
 * most of what they read. */
template <class T, int TAPS, int STEP> TN_DEVICE void correlate(const tn_grouped_args &a) {
    const int channel = (int)(blockIdx.y * TN_WARP + threadIdx.x) * EACH;
    if (channel >= a.to.c) return;
    const int rows = a.y.to_count, runs = (a.x.to_count + ACROSS - 1) / ACROSS;
    const size_t count = (size_t)a.to.n * runs * rows, step = (size_t)gridDim.x * WARPS;
    for (size_t i = (size_t)blockIdx.x * WARPS + threadIdx.y; i < count; i += step)
        correlate_run<T, TAPS, STEP>(a, channel, (int)(i / rows / runs), (int)(i % rows),
                                     (int)(i / rows % runs));
}

#define CORRELATE(taps, step)                                                                      \
    TN_KERNEL(tn_grouped_f32_##taps##_##step, WARPS *TN_WARP, tn_grouped_args a) {                 \
        correlate<float, taps, step>(a);                                                           \
    }                                                                                              \
    TN_KERNEL(tn_grouped_bf16_##taps##_##step, WARPS *TN_WARP, tn_grouped_args a) {                \
        correlate<tn_bf16, taps, step>(a);                                                         \
    }
CORRELATE(1, 1)
CORRELATE(2, 1)
CORRELATE(3, 1)
CORRELATE(5, 1)
CORRELATE(3, 2)
CORRELATE(5, 2)

/* Weights as add_row reads them. */
TN_KERNEL(tn_grouped_pack, PACK_THREADS, tn_grouped_args a) {
    const int to_c = a.to.c, from_c = a.from_channels, taps = a.k * a.k;
    const size_t count = (size_t)a.y.count * a.x.count * from_c * to_c;
    const size_t step = (size_t)gridDim.x * PACK_THREADS;
    for (size_t i = (size_t)blockIdx.x * PACK_THREADS + threadIdx.x; i < count; i += step) {
        const int to = (int)(i % to_c), from = (int)(i / to_c % from_c);
        const int tap = (int)(i / to_c / from_c);
        const int r = a.y.first + tap / a.x.count * a.y.by;
        const int s = a.x.first + tap % a.x.count * a.x.by;
        const int group = to / a.to_channels, within = to % a.to_channels;
        const size_t filter = a.transposed ? group * from_c + from : to;
        const size_t channels = a.transposed ? a.to_channels : from_c;
        const size_t channel = a.transposed ? within : from;
        a.packed[i] = a.weights[(filter * channels + channel) * taps + r * a.k + s];
    }
}

/* ---- backward weights ---- */

/* What ACROSS pixels of dout pass to one row of taps. */
template <class T, int K, int STEP>
TN_DEVICE void add_products(const tn_grouped_args &a, const T *in, const T *dout, int c, int run,
                            float sum[K][QUAD][EACH]) {
    enum { COUNT = (ACROSS - 1) * STEP + K };
    quad pixel[COUNT];
    load_pixels<T, COUNT>(a.from, in, a.x.from + run * ACROSS * STEP, c, pixel);
#pragma unroll
    for (int j = 0; j < ACROSS; j++) {
        const int x = run * ACROSS + j;
        if (x >= a.to.w) break;
        const float2 delta = load_pair(dout + (size_t)x * a.to.pitch);
#pragma unroll
        for (int s = 0; s < K; s++)
#pragma unroll
            for (int i = 0; i < QUAD; i++) {
                const float v = pixel[j * STEP + s].of[i];
                sum[s][i][0] = fmaf(v, delta.x, sum[s][i][0]);
                sum[s][i][1] = fmaf(v, delta.y, sum[s][i][1]);
            }
    }
}

/* A warp for one row of taps, four input channels of a group, 64 filters, and one split of the
 * runs of ACROSS pixels. Warps that read the same pixels are neighbours. */
template <class T, int K, int STEP> TN_DEVICE void weight_parts(const tn_grouped_args &a) {
    const int filter = (int)(blockIdx.y * TN_WARP + threadIdx.x) * EACH;
    const int quads = a.from_channels / QUAD;
    const size_t warp = (size_t)blockIdx.x * WARPS + threadIdx.y;
    const int c = (int)(warp % quads) * QUAD, r = (int)(warp / quads % K);
    const size_t split = warp / quads / K;
    if (filter >= a.to.c || split >= (size_t)a.splits) return;
    const int runs = (a.to.w + ACROSS - 1) / ACROSS,
              first = filter / a.to_channels * a.from_channels;
    const size_t count = (size_t)a.to.n * a.to.h * runs, end = count * (split + 1) / a.splits;
    float sum[K][QUAD][EACH] = {};
    for (size_t i = count * split / a.splits; i < end; i++) {
        const int run = (int)(i % runs), y = (int)(i / runs % a.to.h), n = (int)(i / runs / a.to.h);
        const int from_y = a.y.from + y * STEP + r;
        if (from_y < 0 || from_y >= a.from.h) continue;
        add_products<T, K, STEP>(a, row_at<T>(a.from, n, from_y) + first,
                                 row_at<T>(a.to, n, y) + filter, c, run, sum);
    }
    float *to = a.packed + ((split * K + r) * K * a.from_channels + c) * a.to.c + filter;
#pragma unroll
    for (int s = 0; s < K; s++)
#pragma unroll
        for (int i = 0; i < QUAD; i++)
            *(float2 *)(to + ((size_t)s * a.from_channels + i) * a.to.c) =
                make_float2(sum[s][i][0], sum[s][i][1]);
}

#define WEIGHT_PARTS(k, step)                                                                      \
    TN_KERNEL(tn_grouped_weights_f32_##k##_##step, WARPS *TN_WARP, tn_grouped_args a) {            \
        weight_parts<float, k, step>(a);                                                           \
    }                                                                                              \
    TN_KERNEL(tn_grouped_weights_bf16_##k##_##step, WARPS *TN_WARP, tn_grouped_args a) {           \
        weight_parts<tn_bf16, k, step>(a);                                                         \
    }
WEIGHT_PARTS(3, 1)
WEIGHT_PARTS(5, 1)
WEIGHT_PARTS(3, 2)
WEIGHT_PARTS(5, 2)

/* A gate times a feature map, on the GPU: see scale_channels.h. */
#include "layers/ops/scale_channels_cuda.h"

#include "layers/device/kernel.cuh"

enum { THREADS = TN_SCALE_CHANNELS_THREADS, ROWS = THREADS / TN_WARP };

/* Forward, from the map to the output; and the map's gradient, from the output's. */
TN_KERNEL(tn_scale_channels_product, THREADS, tn_scale_product_args a) {
    const unsigned area = (unsigned)(a.from.h * a.from.w);
    tn_each_element(a.from, [&](size_t pixel, int c) {
        const size_t gate =
            a.by_channel ? (unsigned)pixel / area * (size_t)a.gate.pitch + c : pixel * a.gate.pitch;
        const float x = tn_mul(tn_get(a.gate, gate), tn_get(a.from, pixel * a.from.pitch + c));
        tn_give(a.to, pixel * a.to.pitch + c, x, a.add);
    });
}

/* Gates of pixels: a warp adds up the channels of one. */
TN_KERNEL(tn_scale_channels_pixel_gates, THREADS, tn_scale_gate_args a) {
    const int lane = (int)(threadIdx.x % TN_WARP);
    tn_each_pixel(a.map, [&](size_t pixel) {
        float sum = 0;
        for (int c = lane; c < a.map.c; c += TN_WARP)
            sum +=
                tn_get(a.map, pixel * a.map.pitch + c) * tn_get(a.dout, pixel * a.dout.pitch + c);
        sum = tn_warp_sum(sum);
        if (lane == 0) tn_give(a.dgate, pixel * a.dgate.pitch, sum, a.add);
    });
}

struct channel_sums {
    float of_row[ROWS][TN_WARP];
};

/* Gates of channels: block (n, k) adds up the pixels of image n for channels 32k to 32k + 31, each
 * of its 8 rows of threads every eighth pixel. */
TN_KERNEL(tn_scale_channels_channel_gates, THREADS, tn_scale_gate_args a) {
    TN_SHARED(channel_sums, sums);
    const unsigned area = (unsigned)(a.map.h * a.map.w);
    const size_t first = (size_t)blockIdx.x * area;
    const int c = (int)(blockIdx.y * TN_WARP + threadIdx.x);
    float sum = 0;
    for (size_t p = first + threadIdx.y; c < a.map.c && p < first + area; p += ROWS)
        sum += tn_get(a.map, p * a.map.pitch + c) * tn_get(a.dout, p * a.dout.pitch + c);
    sums.of_row[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || c >= a.map.c) return;
    for (int row = 1; row < ROWS; row++) sum += sums.of_row[row][threadIdx.x];
    tn_give(a.dgate, (size_t)blockIdx.x * a.dgate.pitch + c, sum, a.add);
}

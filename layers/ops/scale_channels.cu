/* A gate times a feature map, on the GPU: see scale_channels.h. */
#include "layers/ops/scale_channels_cuda.h"

#include "layers/device/kernel.cuh"

enum { THREADS = TN_SCALE_CHANNELS_THREADS };

/* Where the gate of a pixel and channel lies. */
TN_DEVICE size_t gate_of(const tn_scale_channels_args &a, size_t pixel, int c) {
    const size_t area = (size_t)a.map.h * a.map.w;
    return a.by_channel ? pixel / area * a.gate.pitch + c : pixel * a.gate.pitch;
}

TN_KERNEL(tn_scale_channels_forward, THREADS, tn_scale_channels_args a) {
    const size_t count = tn_elements(&a.map), step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const size_t pixel = i / a.map.c;
        const int c = (int)(i % a.map.c);
        const float x = tn_get(a.map, pixel * a.map.pitch + c);
        tn_set(a.out, pixel * a.out.pitch + c, tn_get(a.gate, gate_of(a, pixel, c)) * x);
    }
}

TN_KERNEL(tn_scale_channels_map_gradient, THREADS, tn_scale_channels_args a) {
    const size_t count = tn_elements(&a.map), step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const size_t pixel = i / a.map.c;
        const int c = (int)(i % a.map.c);
        const float delta = tn_get(a.dout, pixel * a.dout.pitch + c);
        tn_give(a.dmap, pixel * a.dmap.pitch + c, tn_get(a.gate, gate_of(a, pixel, c)) * delta,
                a.add_map);
    }
}

/* A block for each gate: it adds up what its products with the map's elements pass back. */
TN_KERNEL(tn_scale_channels_gate_gradient, THREADS, tn_scale_channels_args a) {
    TN_SHARED(tn_block_sums<float>, sums);
    const size_t area = (size_t)a.map.h * a.map.w;
    const size_t gate = blockIdx.x, n = gate / a.gate.c;
    const size_t terms = a.by_channel ? area : (size_t)a.map.c;
    float sum = 0;
    for (size_t t = threadIdx.x; t < terms; t += THREADS) {
        const size_t pixel = a.by_channel ? n * area + t : gate;
        const size_t c = a.by_channel ? gate % a.gate.c : t;
        sum += tn_get(a.map, pixel * a.map.pitch + c) * tn_get(a.dout, pixel * a.dout.pitch + c);
    }
    sum = tn_block_sum(sum, sums);
    const size_t at = a.by_channel ? n * a.dgate.pitch + gate % a.gate.c : gate * a.dgate.pitch;
    if (threadIdx.x == 0) tn_give(a.dgate, at, sum, a.add_gate);
}

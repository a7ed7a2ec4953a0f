/* How kernels go over feature maps: threads that are neighbours in x take neighbouring channels
 * (NHWC: one access of a warp is one run of memory), those in y a pixel each.
 *
 * A thread takes V channels at once: 4, each view's in one access of 16 bytes (bf16: 8), where all
 * views allow it, else 1. Launched with the blocks of tn_cuda_tiles_of (layers/ops/cuda_kernels.h);
 * pixels are counted through the whole batch, in 32 bits. */
#ifndef TN_DEVICE_MAP_CUH
#define TN_DEVICE_MAP_CUH

#include "layers/device/kernel.cuh"

/* The first of the calling thread's channels, which may lie behind the last one of the map. */
template <int V> TN_DEVICE int tn_map_channel(void) {
    return (int)(blockIdx.x * blockDim.x + threadIdx.x) * V;
}
/* Its first pixel; it goes on by tn_map_step(). */
TN_DEVICE unsigned tn_map_pixel(void) {
    return blockIdx.y * blockDim.y + threadIdx.y;
}
TN_DEVICE unsigned tn_map_step(void) {
    return gridDim.y * blockDim.y;
}

/* V neighbouring channels of a pixel, in registers. */
template <int V> struct tn_wide { float x[V]; };

template <int V> TN_DEVICE tn_wide<V> tn_wide_zero(void) {
    tn_wide<V> w;
    for (int k = 0; k < V; k++) w.x[k] = 0;
    return w;
}

template <int V> TN_DEVICE tn_wide<V> tn_get_wide(const float *p) {
    tn_wide<V> w;
    if (V == 4) {
        const float4 f = *(const float4 *)p;
        w.x[0] = f.x, w.x[1 % V] = f.y, w.x[2 % V] = f.z, w.x[3 % V] = f.w;
    } else {
        for (int k = 0; k < V; k++) w.x[k] = p[k];
    }
    return w;
}
template <int V> TN_DEVICE tn_wide<V> tn_get_wide(const tn_bf16 *p) {
    tn_wide<V> w;
    if (V == 4) {
        const uint2 pairs = *(const uint2 *)p; /* the lower half of each is the first of two */
        w.x[0] = tn_float_of_bits(pairs.x << 16);
        w.x[1 % V] = tn_float_of_bits(pairs.x & 0xffff0000u);
        w.x[2 % V] = tn_float_of_bits(pairs.y << 16);
        w.x[3 % V] = tn_float_of_bits(pairs.y & 0xffff0000u);
    } else {
        for (int k = 0; k < V; k++) w.x[k] = tn_load(p + k);
    }
    return w;
}
/* Of a view of either dtype, from channel c of a pixel on. */
template <int V> TN_DEVICE tn_wide<V> tn_get_wide(const tn_tensor &t, size_t pixel, int c) {
    return t.dtype == TN_BF16 ? tn_get_wide<V>(tn_at<const tn_bf16>(t, pixel) + c)
                              : tn_get_wide<V>(tn_at<const float>(t, pixel) + c);
}

TN_DEVICE uint32_t tn_bf16_pair(float low, float high) {
    return (uint32_t)tn_bf16_from_float(low).bits | (uint32_t)tn_bf16_from_float(high).bits << 16;
}

template <int V> TN_DEVICE void tn_set_wide(float *p, const tn_wide<V> &w) {
    if (V == 4)
        *(float4 *)p = make_float4(w.x[0], w.x[1 % V], w.x[2 % V], w.x[3 % V]);
    else
        for (int k = 0; k < V; k++) p[k] = w.x[k];
}
template <int V> TN_DEVICE void tn_set_wide(tn_bf16 *p, const tn_wide<V> &w) {
    if (V == 4)
        *(uint2 *)p =
            make_uint2(tn_bf16_pair(w.x[0], w.x[1 % V]), tn_bf16_pair(w.x[2 % V], w.x[3 % V]));
    else
        for (int k = 0; k < V; k++) tn_store(p + k, w.x[k]);
}
/* Writes or adds. */
template <int V>
TN_DEVICE void tn_give_wide(const tn_tensor &t, size_t pixel, int c, tn_wide<V> w,
                            bool accumulate) {
    if (accumulate) {
        const tn_wide<V> old = tn_get_wide<V>(t, pixel, c);
        for (int k = 0; k < V; k++) w.x[k] += old.x[k];
    }
    if (t.dtype == TN_BF16)
        tn_set_wide(tn_at<tn_bf16>(t, pixel) + c, w);
    else
        tn_set_wide(tn_at<float>(t, pixel) + c, w);
}

#endif

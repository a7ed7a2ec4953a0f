/* What every .cu file is written with: kernels, views, sums over warps and blocks.
 *
 * A kernel takes one struct by value, declared in the op's _cuda.h, which the host fills. The same
 * file also compiles as plain C++ (TN_EMULATE), where tests run kernels on the processor, thread
 * after thread, against the reference: so a kernel uses what is declared here, and what CUDA's
 * headers and tests/support/emulate.h have in common. */
#ifndef TN_DEVICE_KERNEL_CUH
#define TN_DEVICE_KERNEL_CUH

#include "layers/device/bfloat16.h"
#include "layers/tensor.h"

#ifndef TN_EMULATE
#define TN_DEVICE static __device__ __forceinline__
/* For what is large and rarely called: not copied to where it is called. */
#define TN_DEVICE_APART static __device__ __noinline__
/* TN_KERNEL(tn_pool_forward_f32, 256, tn_pool_args a) { ... }: at most that many threads a block.
 */
#define TN_KERNEL(name, threads, ...)                                                              \
    extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)
/* Memory that the threads of a block share: of a size known here (up to 48 KiB a kernel), and what
 * the launch asked for. Undefined at first. */
#define TN_SHARED(type, name)   __shared__ type name
#define TN_DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
#endif

enum { TN_WARP = 32 };
#define TN_ALL_LANES 0xffffffffu

/* ---- elements: fp32 or bf16 in memory, fp32 in registers ---- */

TN_DEVICE float tn_load(const float *p) {
    return *p;
}
TN_DEVICE float tn_load(const tn_bf16 *p) {
    return tn_bf16_to_float(*p);
}
TN_DEVICE void tn_store(float *p, float x) {
    *p = x;
}
TN_DEVICE void tn_store(tn_bf16 *p, float x) {
    *p = tn_bf16_from_float(x);
}
/* Writes or adds. */
template <class T> TN_DEVICE void tn_put(T *p, float x, bool accumulate) {
    tn_store(p, accumulate ? tn_load(p) + x : x);
}

/* Channels of pixel `index` of the whole batch: as tn_pixel of layers/ops/elements.h. */
template <class T> TN_DEVICE T *tn_at(const tn_tensor &t, size_t index) {
    return (T *)t.data + index * (size_t)t.pitch;
}

/* Element `index` (in memory: pixel * pitch + channel) of a view of either dtype: for ops that are
 * too small to have a kernel for each. The branch is the same for a whole launch. */
TN_DEVICE float tn_get(const tn_tensor &t, size_t index) {
    return t.dtype == TN_BF16 ? tn_load((const tn_bf16 *)t.data + index)
                              : tn_load((const float *)t.data + index);
}
TN_DEVICE void tn_set(const tn_tensor &t, size_t index, float x) {
    if (t.dtype == TN_BF16)
        tn_store((tn_bf16 *)t.data + index, x);
    else
        tn_store((float *)t.data + index, x);
}
/* Writes or adds. */
TN_DEVICE void tn_give(const tn_tensor &t, size_t index, float x, bool accumulate) {
    tn_set(t, index, accumulate ? tn_get(t, index) + x : x);
}

/* ---- arithmetic that nvcc must not join into fused multiply-adds ---- */

#ifdef TN_EMULATE
TN_DEVICE float tn_mul(float a, float b) {
    return a * b;
}
TN_DEVICE float tn_add(float a, float b) {
    return a + b;
}
TN_DEVICE float tn_divide(float a, float b) {
    return a / b;
}
TN_DEVICE float tn_root(float a) {
    return sqrtf(a);
}
#else
TN_DEVICE float tn_mul(float a, float b) {
    return __fmul_rn(a, b);
}
TN_DEVICE float tn_add(float a, float b) {
    return __fadd_rn(a, b);
}
TN_DEVICE float tn_divide(float a, float b) {
    return __fdiv_rn(a, b);
}
TN_DEVICE float tn_root(float a) {
    return __fsqrt_rn(a);
}
#endif

/* ---- what a grid shares out ---- */

/* Calls f(pixel, channel) once for every element of a view. Neighbouring threads take neighbouring
 * channels, then neighbouring pixels: launched with the blocks of tn_cuda_tiles. Pixels are counted
 * through the whole batch, in 32 bits. */
template <class F> TN_DEVICE void tn_each_element(const tn_tensor &t, F f) {
    const unsigned pixels = (unsigned)tn_pixels(&t), step = gridDim.y * blockDim.y;
    const int c = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (c >= t.c) return;
    for (unsigned p = blockIdx.y * blockDim.y + threadIdx.y; p < pixels; p += step) f(p, c);
}

/* Calls f(pixel) once for every pixel of a view, in all lanes of one warp: for sums over channels.
 * Blocks are of whole warps in x alone. */
template <class F> TN_DEVICE void tn_each_pixel(const tn_tensor &t, F f) {
    const unsigned pixels = (unsigned)tn_pixels(&t), warps = blockDim.x / TN_WARP;
    const unsigned first = blockIdx.x * warps + threadIdx.x / TN_WARP;
    for (unsigned p = first; p < pixels; p += gridDim.x * warps) f(p);
}

/* ---- sums in a fixed order: equal bits in every run ---- */

/* join(x, y) over the 32 lanes of a warp, all of which call; every lane gets it. */
template <class T, class F> TN_DEVICE T tn_warp_join(T x, F join) {
    for (int step = TN_WARP / 2; step > 0; step /= 2)
        x = join(x, __shfl_xor_sync(TN_ALL_LANES, x, step));
    return x;
}
template <class T> TN_DEVICE T tn_warp_sum(T x) {
    return tn_warp_join(x, [](T a, T b) { return a + b; });
}

template <class T> struct tn_block_sums { T of_warp[TN_WARP]; };

/* join(x, y) over a block of whole warps in x alone, all threads of which call; every thread gets
 * it. `none` changes nothing where it is joined. `s` is the block's own and may be used again at
 * once. */
template <class T, class F> TN_DEVICE T tn_block_join(T x, T none, tn_block_sums<T> &s, F join) {
    const unsigned warp = threadIdx.x / TN_WARP, lane = threadIdx.x % TN_WARP;
    x = tn_warp_join(x, join);
    if (lane == 0) s.of_warp[warp] = x;
    __syncthreads();
    x = lane < blockDim.x / TN_WARP ? s.of_warp[lane] : none;
    x = tn_warp_join(x, join);
    __syncthreads();
    return x;
}
template <class T> TN_DEVICE T tn_block_sum(T x, tn_block_sums<T> &s) {
    return tn_block_join(x, T(0), s, [](T a, T b) { return a + b; });
}

#endif

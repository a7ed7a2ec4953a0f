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

/* Four or eight neighbours, in one access of 16 bytes (fp32: two); p is aligned to 16. */
TN_DEVICE void tn_load8(const float *p, float x[8]) {
    const float4 a = *(const float4 *)p, b = *(const float4 *)(p + 4);
    x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
    x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
}
TN_DEVICE void tn_unpack2(uint32_t pair, float *low, float *high) {
    *low = tn_float_of_bits(pair << 16);
    *high = tn_float_of_bits(pair & 0xffff0000u);
}
TN_DEVICE uint32_t tn_pack2(float low, float high) {
    return (uint32_t)tn_bf16_from_float(low).bits | (uint32_t)tn_bf16_from_float(high).bits << 16;
}
TN_DEVICE void tn_load8(const tn_bf16 *p, float x[8]) {
    const uint4 a = *(const uint4 *)p;
    tn_unpack2(a.x, x, x + 1);
    tn_unpack2(a.y, x + 2, x + 3);
    tn_unpack2(a.z, x + 4, x + 5);
    tn_unpack2(a.w, x + 6, x + 7);
}
TN_DEVICE void tn_store8(float *p, const float x[8]) {
    *(float4 *)p = make_float4(x[0], x[1], x[2], x[3]);
    *(float4 *)(p + 4) = make_float4(x[4], x[5], x[6], x[7]);
}
TN_DEVICE void tn_store8(tn_bf16 *p, const float x[8]) {
    *(uint4 *)p = make_uint4(tn_pack2(x[0], x[1]), tn_pack2(x[2], x[3]), tn_pack2(x[4], x[5]),
                             tn_pack2(x[6], x[7]));
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

/* ---- sums in a fixed order: equal bits in every run ---- */

/* Over the 32 lanes of a warp, all of which call; every lane gets it. */
template <class T> TN_DEVICE T tn_warp_sum(T x) {
    for (int step = TN_WARP / 2; step > 0; step /= 2) x += __shfl_xor_sync(TN_ALL_LANES, x, step);
    return x;
}

template <class T> struct tn_block_sums { T of_warp[TN_WARP]; };

/* Over a block of whole warps in x alone, all threads of which call; every thread gets it. `s` is
 * the block's own and may be used again at once. */
template <class T> TN_DEVICE T tn_block_sum(T x, tn_block_sums<T> &s) {
    const unsigned warp = threadIdx.x / TN_WARP, lane = threadIdx.x % TN_WARP;
    x = tn_warp_sum(x);
    if (lane == 0) s.of_warp[warp] = x;
    __syncthreads();
    x = lane < blockDim.x / TN_WARP ? s.of_warp[lane] : T(0);
    x = tn_warp_sum(x);
    __syncthreads();
    return x;
}

/* ---- the tensor cores: one product of a warp, D = A B + D, in fp32 sums ----
 *
 * Fragments are those of PTX's mma.sync (PTX ISA, "Matrix fragments for mma.m16n8k16" and
 * "mma.m16n8k8" with .tf32): lane l holds, with g = l / 4 and t = l % 4,
 *   D (16x8): d[0], d[1] row g, columns 2t, 2t+1; d[2], d[3] row g + 8
 *   bf16 A (16x16): a[0] row g, columns 2t, 2t+1; a[1] row g + 8; a[2], a[3] the same, columns + 8
 *   bf16 B (16x8):  b[0] rows 2t, 2t+1, column g; b[1] rows + 8; the lower half is the first row
 *   tf32 A (16x8):  a[0] row g, column t; a[1] row g + 8; a[2], a[3] the same, column t + 4
 *   tf32 B (8x8):   b[0] row t, column g; b[1] row t + 4
 * Machine code of sm_80 and later. */
#ifndef TN_EMULATE
TN_DEVICE void tn_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]) {
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
TN_DEVICE void tn_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2]) {
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
#endif

#endif

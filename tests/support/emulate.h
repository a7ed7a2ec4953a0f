/* CUDA's kernels on the processor: every thread of a block runs in turn, up to where it waits.
 *
 * A .cu file compiled as C++ with TN_EMULATE and this header included first becomes kernels that
 * the emulated driver (fake_gpu.h) finds by name. Threads of a block run one after another, in an
 * order that changes from launch to launch: first to last, last to first, mixed. A missing
 * __syncthreads() shows as a wrong result in one of them. Shared memory is NaN at first. What is
 * not emulated: caches, speed, the order of blocks (one after another, first to last). */
#ifndef TN_TESTS_EMULATE_H
#define TN_TESTS_EMULATE_H

#include "tests/support/fake_gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Lets the emulated driver run them. */
void tn_emulate_install(tn_fake_gpu *fake);

typedef struct tn_emulated_kernel {
    const char *file, *name;
    unsigned most_threads;
    void (*call)(void **args);
    struct tn_emulated_kernel *next;
} tn_emulated_kernel;
void tn_emulate_add(tn_emulated_kernel *kernel);

typedef struct tn_emulated_index {
    unsigned x, y, z;
} tn_emulated_index;
extern tn_emulated_index tn_emulated_thread, tn_emulated_block, tn_emulated_block_extent,
    tn_emulated_grid_extent;

/* Until all threads of the block, or all lanes of the warp, are here. */
void tn_emulate_block_barrier(void);
void tn_emulate_warp_barrier(void);
/* 64 bytes a lane to hand something to the rest of the warp; `lane` of the calling thread's. */
void *tn_emulate_slot(unsigned lane);
unsigned tn_emulate_lane(void);
/* The block's memory for this key (an address); and what the launch asked for. */
void *tn_emulate_shared(const void *key, size_t bytes);
void *tn_emulate_dynamic_shared(void);

#ifdef __cplusplus
}
#endif

#ifdef TN_EMULATE
#include <math.h>
#include <string.h>

#define TN_DEVICE       static inline
#define TN_DEVICE_APART static
#define TN_KERNEL(name, threads, ...)                                                              \
    static void name(__VA_ARGS__);                                                                 \
    static const tn_emulated<decltype(&name)> name##_row(__FILE__, #name, threads,                 \
                                                         [](void **p) { tn_call(name, p); });      \
    static void name(__VA_ARGS__)
#define TN_SHARED(type, name)                                                                      \
    static const char name##_key = 0;                                                              \
    type &name = *(type *)tn_emulate_shared(&name##_key, sizeof(type))
#define TN_DYNAMIC_SHARED(name)                                                                    \
    unsigned char *const name = (unsigned char *)tn_emulate_dynamic_shared()
#define __launch_bounds__(...)
#define __forceinline__ inline
#define threadIdx       tn_emulated_thread
#define blockIdx        tn_emulated_block
#define blockDim        tn_emulated_block_extent
#define gridDim         tn_emulated_grid_extent

template <class A> static void tn_call(void (*kernel)(A), void **args) {
    kernel(*(const A *)args[0]);
}
template <class F> struct tn_emulated {
    tn_emulated_kernel row;
    tn_emulated(const char *file, const char *name, unsigned threads, void (*call)(void **)) {
        row = tn_emulated_kernel{file, name, threads, call, nullptr};
        tn_emulate_add(&row);
    }
};

static inline void __syncthreads(void) {
    tn_emulate_block_barrier();
}
static inline void __syncwarp(unsigned mask = 0xffffffffu) {
    (void)mask;
    tn_emulate_warp_barrier();
}

/* What the lane `from` gave. */
template <class T> static T tn_exchange(T x, unsigned from) {
    static_assert(sizeof(T) <= 64, "a slot holds 64 bytes");
    memcpy(tn_emulate_slot(tn_emulate_lane()), &x, sizeof x);
    tn_emulate_warp_barrier();
    memcpy(&x, tn_emulate_slot(from % 32), sizeof x);
    tn_emulate_warp_barrier();
    return x;
}
template <class T> static T __shfl_sync(unsigned, T x, int from, int width = 32) {
    const unsigned lane = tn_emulate_lane(), w = (unsigned)width;
    return tn_exchange(x, lane / w * w + (unsigned)from % w);
}
template <class T> static T __shfl_xor_sync(unsigned, T x, int mask) {
    return tn_exchange(x, tn_emulate_lane() ^ (unsigned)mask);
}
template <class T> static T __shfl_down_sync(unsigned, T x, unsigned by) {
    const unsigned lane = tn_emulate_lane();
    return tn_exchange(x, lane + by < 32 ? lane + by : lane);
}
template <class T> static T __shfl_up_sync(unsigned, T x, unsigned by) {
    const unsigned lane = tn_emulate_lane();
    return tn_exchange(x, lane >= by ? lane - by : lane);
}
static inline unsigned __ballot_sync(unsigned, int yes) {
    unsigned bits = 0;
    *(int *)tn_emulate_slot(tn_emulate_lane()) = yes;
    tn_emulate_warp_barrier();
    for (unsigned l = 0; l < 32; l++)
        if (*(int *)tn_emulate_slot(l)) bits |= 1u << l;
    tn_emulate_warp_barrier();
    return bits;
}
static inline int __any_sync(unsigned, int yes) {
    return __ballot_sync(0, yes) != 0;
}

struct float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
static inline float2 make_float2(float x, float y) {
    return float2{x, y};
}
static inline float4 make_float4(float x, float y, float z, float w) {
    return float4{x, y, z, w};
}
static inline uint2 make_uint2(unsigned x, unsigned y) {
    return uint2{x, y};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return uint4{x, y, z, w};
}
template <class T> static inline T min(T a, T b) {
    return b < a ? b : a;
}
template <class T> static inline T max(T a, T b) {
    return a < b ? b : a;
}
template <class T> static inline T __ldg(const T *p) {
    return *p;
}
static inline uint32_t __umulhi(uint32_t a, uint32_t b) {
    return (uint32_t)((uint64_t)a * b >> 32);
}
static inline float rsqrtf(float x) {
    return 1 / sqrtf(x);
}

#endif
#endif

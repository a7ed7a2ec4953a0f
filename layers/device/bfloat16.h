/* bf16: the upper half of a float. Rounded to nearest, ties to even; NaN stays NaN. */
#ifndef TN_DEVICE_BFLOAT16_H
#define TN_DEVICE_BFLOAT16_H

#include "layers/device/both.h"

#include <stdint.h>
#ifndef __CUDACC__
#include <string.h>
#endif

typedef struct tn_bf16 {
    uint16_t bits;
} tn_bf16;

TN_BOTH uint32_t tn_float_bits(float x) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#else
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

TN_BOTH float tn_float_of_bits(uint32_t bits) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

TN_BOTH float tn_bf16_to_float(tn_bf16 b) {
    return tn_float_of_bits((uint32_t)b.bits << 16);
}

TN_BOTH tn_bf16 tn_bf16_from_float(float x) {
    tn_bf16 b;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b.bits) : "f"(x));
#else
    const uint32_t u = tn_float_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        b.bits = 0x7fff;
    else
        b.bits = (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
#endif
    return b;
}

#endif

/* Vectors of floats: 8 lanes where the including file is compiled for AVX2, 16 for AVX-512. Kernels
 * written over this are compiled once for each, by a _avx2.c and a _avx512.c file of a few lines;
 * those of vector_rows.h also by a _bf16_avx512.c file, which defines TN_VECTOR_BF16 first. */
#ifndef TN_OPS_VECTOR_H
#define TN_OPS_VECTOR_H

#include <immintrin.h>
#include <stdbool.h>

#define TN_INLINE_ALWAYS static inline __attribute__((always_inline))

#ifdef __AVX512F__

enum { TN_VECTOR = 16 };
#ifdef TN_VECTOR_BF16
#define TN_ISA(name) name##_bf16
#define TN_ISA_TEXT  "bf16"
#else
#define TN_ISA(name) name##_avx512
#define TN_ISA_TEXT  "avx512"
#endif
typedef __m512 tn_vector;

static inline bool tn_vector_runs(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
TN_INLINE_ALWAYS tn_vector tn_vector_zero(void) {
    return _mm512_setzero_ps();
}
TN_INLINE_ALWAYS tn_vector tn_vector_load(const float *from) {
    return _mm512_loadu_ps(from);
}
TN_INLINE_ALWAYS void tn_vector_store(float *to, tn_vector v) {
    _mm512_storeu_ps(to, v);
}
/* Around the caches: `to` is aligned, and whoever streams ends with _mm_sfence(). */
TN_INLINE_ALWAYS void tn_vector_stream(float *to, tn_vector v) {
    _mm512_stream_ps(to, v);
}
TN_INLINE_ALWAYS tn_vector tn_vector_all(float x) {
    return _mm512_set1_ps(x);
}
TN_INLINE_ALWAYS tn_vector tn_vector_add(tn_vector a, tn_vector b) {
    return _mm512_add_ps(a, b);
}
TN_INLINE_ALWAYS tn_vector tn_vector_sub(tn_vector a, tn_vector b) {
    return _mm512_sub_ps(a, b);
}
/* a*b + c, rounded once */
TN_INLINE_ALWAYS tn_vector tn_vector_fma(tn_vector a, tn_vector b, tn_vector c) {
    return _mm512_fmadd_ps(a, b, c);
}

#else

enum { TN_VECTOR = 8 };
#define TN_ISA(name) name##_avx2
#define TN_ISA_TEXT  "avx2"
typedef __m256 tn_vector;

static inline bool tn_vector_runs(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
TN_INLINE_ALWAYS tn_vector tn_vector_zero(void) {
    return _mm256_setzero_ps();
}
TN_INLINE_ALWAYS tn_vector tn_vector_load(const float *from) {
    return _mm256_loadu_ps(from);
}
TN_INLINE_ALWAYS void tn_vector_store(float *to, tn_vector v) {
    _mm256_storeu_ps(to, v);
}
/* Around the caches: `to` is aligned, and whoever streams ends with _mm_sfence(). */
TN_INLINE_ALWAYS void tn_vector_stream(float *to, tn_vector v) {
    _mm256_stream_ps(to, v);
}
TN_INLINE_ALWAYS tn_vector tn_vector_all(float x) {
    return _mm256_set1_ps(x);
}
TN_INLINE_ALWAYS tn_vector tn_vector_add(tn_vector a, tn_vector b) {
    return _mm256_add_ps(a, b);
}
TN_INLINE_ALWAYS tn_vector tn_vector_sub(tn_vector a, tn_vector b) {
    return _mm256_sub_ps(a, b);
}
/* a*b + c, rounded once */
TN_INLINE_ALWAYS tn_vector tn_vector_fma(tn_vector a, tn_vector b, tn_vector c) {
    return _mm256_fmadd_ps(a, b, c);
}

#endif
#endif

/* Vectors of bf16 in memory, of fp32 in registers. Included by _bf16_avx512.c files alone. */
#ifndef TN_OPS_BF16_AVX512_H
#define TN_OPS_BF16_AVX512_H

#include "layers/device/bfloat16.h"
#include "layers/device/cpu.h"
#include "layers/op.h"
#include "layers/ops/streams.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TN_INLINE_HALVES static inline __attribute__((always_inline))

enum { TN_HALVES = 16 };

/* Channels rounded up to whole vectors. */
static inline size_t tn_halves_padded(int channels) {
    return ((size_t)channels + TN_HALVES - 1) / TN_HALVES * TN_HALVES;
}

/* Of the channels from c on, those that exist. */
static inline __mmask16 tn_halves_mask(int c, int channels) {
    const int left = channels - c;
    return left >= TN_HALVES ? 0xFFFF : (__mmask16)((1U << left) - 1);
}

/* `whole` is a constant where these are inlined: all sixteen lanes exist. */
TN_INLINE_HALVES __m512 tn_halves_load(const tn_bf16 *from, bool whole, __mmask16 mask) {
    const __m256i narrow =
        whole ? _mm256_loadu_si256((const __m256i *)from) : _mm256_maskz_loadu_epi16(mask, from);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
}

TN_INLINE_HALVES void tn_halves_store(tn_bf16 *to, __m512 v, bool whole, __mmask16 mask) {
    const __m256i narrow = (__m256i)_mm512_cvtneps_pbh(v);
    if (whole)
        _mm256_storeu_si256((__m256i *)to, narrow);
    else
        _mm256_mask_storeu_epi16(to, mask, narrow);
}

/* Around the caches: `to` is aligned, and whoever streams ends with _mm_sfence(). */
TN_INLINE_HALVES void tn_halves_stream(tn_bf16 *to, __m512 v) {
    _mm256_stream_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(v));
}

static inline bool tn_halves_may_stream(const tn_tensor *to) {
    return (uintptr_t)to->data % 32 == 0 && to->pitch % TN_HALVES == 0 && to->c % TN_HALVES == 0 &&
           tn_elements(to) * sizeof(tn_bf16) >= TN_STREAM_BYTES;
}

static inline tn_bf16 *tn_halves_pixel(const tn_tensor *t, size_t pixel) {
    return (tn_bf16 *)t->data + pixel * (size_t)t->pitch;
}

/* Whether every view of r is of bf16. */
static inline bool tn_halves_alone(const tn_op_run *r) {
    bool all = r->out.dtype == TN_BF16;
    for (int i = 0; i < r->op->n_in; i++) all = all && r->in[i].dtype == TN_BF16;
    return all;
}

/* Share [begin, end) of `count` things that part `part` of `parts` works on. */
typedef struct tn_halves_span {
    size_t begin, end;
} tn_halves_span;

static inline tn_halves_span tn_halves_share(size_t count, int part, int parts) {
    const size_t p = (size_t)part, all = (size_t)parts;
    return (tn_halves_span){count / all * p + count % all * p / all,
                            count / all * (p + 1) + count % all * (p + 1) / all};
}

#endif

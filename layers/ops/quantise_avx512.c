#include "layers/ops/quantise.h"

#if defined(__x86_64__) && !defined(TN_REAL_DOUBLE)

#include <immintrin.h>
#include <string.h>

enum { LANES = 16, BLOCK = 4 * LANES, NOT_FINITE = 0x99 };

typedef struct limits {
    __m512 inverse, low, high;
} limits;

static inline __m128i to_bytes(const limits *l, __m512 x) {
    const __m512 scaled = _mm512_mul_ps(x, l->inverse);
    const __m512 cut = _mm512_max_ps(_mm512_min_ps(scaled, l->high), l->low);
    return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(cut)); /* to nearest, ties to even */
}

/* `n` neighbours; whether one of them is not finite. */
static bool quantise_row(const float *from, size_t n, const limits *l, uint8_t *to) {
    unsigned bad = 0;
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
        for (int j = 0; j < BLOCK; j += LANES) {
            const __m512 x = _mm512_loadu_ps(from + i + j);
            bad |= _mm512_fpclass_ps_mask(x, NOT_FINITE);
            _mm_storeu_si128((__m128i *)(to + i + j), to_bytes(l, x));
        }
    for (; i < n; i += LANES) {
        const size_t left = n - i;
        const __mmask16 mask = (__mmask16)(left < LANES ? (1U << left) - 1 : 0xffff);
        const __m512 x = _mm512_maskz_loadu_ps(mask, from + i);
        bad |= _mm512_fpclass_ps_mask(x, NOT_FINITE);
        _mm_mask_storeu_epi8(to + i, mask, to_bytes(l, x));
    }
    return bad != 0;
}

void tn_quantise_avx512(const tn_tensor *from, const tn_quantisation *q, int threads, void *to,
                        uint8_t *broken) {
    const limits l = {_mm512_set1_ps(1 / q->step), _mm512_set1_ps(q->is_signed ? -127.0F : 0.0F),
                      _mm512_set1_ps(q->is_signed ? 127.0F : 255.0F)};
    const size_t rows = (size_t)from->n * (size_t)from->h;
    const size_t pixels = (size_t)from->w, c = (size_t)from->c, pitch = (size_t)from->pitch;
    /* a row of the image, or of a pixel where pixels are not next to each other */
    const size_t steps = tn_is_dense(from) ? 1 : pixels, n = pixels * c / steps;
    memset(broken, 0, (size_t)from->n);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t y = 0; y < rows; y++) {
        const float *in = (const float *)from->data + y * pixels * pitch;
        uint8_t *out = (uint8_t *)to + y * pixels * c;
        bool bad = false;
        for (size_t x = 0; x < steps; x++) bad |= quantise_row(in + x * pitch, n, &l, out + x * c);
        if (bad) __atomic_store_n(&broken[y / (size_t)from->h], 1, __ATOMIC_RELAXED);
    }
}

#endif

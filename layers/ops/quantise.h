/* fp32 activations in 8 bits. */
#ifndef TN_OPS_QUANTISE_H
#define TN_OPS_QUANTISE_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes a view's pixels, dense, as bytes: uint8_t, or int8_t where q->is_signed. to: tn_elements.
 * broken[n] becomes 1 for samples that hold a value that is not finite (8 bits cannot say it), else
 * 0. On `threads` threads. Needs AVX-512 (F, BW, VL, DQ). */
void tn_quantise_avx512(const tn_tensor *from, const tn_quantisation *q, int threads, void *to,
                        uint8_t *broken);

#ifdef __cplusplus
}
#endif
#endif

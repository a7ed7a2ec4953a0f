/* When a kernel writes around the caches. */
#ifndef TN_OPS_STREAMS_H
#define TN_OPS_STREAMS_H

#include "layers/tensor.h"

/* Tensors of this size leave the caches before anyone reads them: written around the caches, their
 * lines need not be fetched first. Whoever streams ends with _mm_sfence(). */
#define TN_STREAM_BYTES ((size_t)32 << 20)

/* Whether a tensor is large, and every vector of `lanes` floats in it whole and aligned. */
static inline bool tn_may_stream(const tn_tensor *to, int lanes) {
    const bool aligned = (uintptr_t)to->data % ((size_t)lanes * sizeof(float)) == 0;
    return aligned && to->pitch % lanes == 0 && to->c % lanes == 0 &&
           tn_elements(to) * sizeof(float) >= TN_STREAM_BYTES;
}

#endif

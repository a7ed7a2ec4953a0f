/* The kernels of dropout, for its tables; and what they share. */
#ifndef TN_OPS_DROPOUT_KERNELS_H
#define TN_OPS_DROPOUT_KERNELS_H

#include "layers/ops/dropout.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_kernel tn_dropout_forward_ref;
extern const tn_kernel tn_dropout_backward_ref;
#ifndef TN_REAL_DOUBLE
extern const tn_kernel tn_dropout_forward_avx2;
extern const tn_kernel tn_dropout_backward_avx2;
extern const tn_kernel tn_dropout_forward_cuda;
extern const tn_kernel tn_dropout_backward_cuda;
#endif

/* Philox key and the counter words that all elements of a sample share: the counter is
 * {element / 4, sample, layer, step}, and element takes word element % 4. It is dropped when that
 * word is below `threshold`. */
typedef struct tn_dropout_stream {
    uint64_t key;
    uint32_t sample, layer, step;
    uint64_t threshold; /* probability * 2^32: up to 2^32, where everything is dropped */
} tn_dropout_stream;

tn_dropout_stream tn_dropout_stream_of(const tn_step *step, int layer, int sample,
                                       double probability);

/* What survivors are multiplied with. */
static inline tn_real tn_dropout_scale(double probability) {
    return probability < 1 ? (tn_real)(1 / (1 - probability)) : 0;
}

#ifdef __cplusplus
}
#endif
#endif

/* Optimizer updates of all of a net's tensors in one launch, and the search for what is not finite
 * among them. The arithmetic is that of src/net/optimizer.c, operation for operation (no fused
 * multiply-adds), so that a GPU's weights have the bits of the processor's, given equal gradients.
 */
#ifndef TN_OPS_UPDATE_H
#define TN_OPS_UPDATE_H

#include "layers/device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One update's constants for one tensor. */
typedef struct tn_update_rates {
    float rate, momentum, l2, shrink, b1, b2, one_b1, one_b2, eps, root_correction;
} tn_update_rates;

/* One tensor; addresses on the GPU. A frozen tensor's gradient is zeroed and nothing else done. */
typedef struct tn_update_row {
    float *value, *grad, *first, *second;
    uint64_t count;
    int frozen;
    float grad_scale; /* the gradient is this times what lies there; 1 changes no bit */
    tn_update_rates k;
} tn_update_row;

/* What the kernels take, by value. */
typedef struct tn_update_args {
    const tn_update_row *row;
    int adam;
    int *found; /* of the search: one a row, 1 where something is not finite */
} tn_update_args;

enum { TN_UPDATE_THREADS = 256, TN_UPDATE_CHUNK = 4096 }; /* elements of a block */

/* Whether the kernels can run there. */
bool tn_update_serves(const tn_gpu *gpu);

/* SGD, or Adam with or without decay of the weight itself, of `n` rows that lie on the GPU; the
 * largest has `most` elements. Gradients are zero afterwards. */
tn_status tn_update_run(tn_gpu *gpu, const tn_update_row *rows, int n, uint64_t most, bool adam);
/* Sets found[i] (n of them, on the GPU, zero before) to 1 for every row whose gradient is not
 * finite throughout. */
tn_status tn_update_search(tn_gpu *gpu, const tn_update_row *rows, int n, uint64_t most,
                           int *found);

#ifdef __cplusplus
}
#endif
#endif

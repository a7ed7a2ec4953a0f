/* All-reduce: sums of gradients over replicas.
 *
 * Behind one interface: `memory` (replicas of one process on the processor; the sum in the order of
 * ranks, so that its bits depend on nothing else), `nccl` (GPUs of one machine) and `host`, which
 * carries GPUs' gradients through the processor's memory where NCCL is not installed. */
#ifndef TN_DEVICE_REDUCE_H
#define TN_DEVICE_REDUCE_H

#include "layers/device/gpu.h"
#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_reduce tn_reduce;

tn_status tn_reduce_memory(int ranks, tn_reduce **out);
/* NCCL's, or `host` where it is missing; `most` is the largest count to come. */
tn_status tn_reduce_gpus(tn_gpu *const *gpu, int ranks, size_t most, tn_reduce **out);
void tn_reduce_free(tn_reduce *reduce);

/* "memory", "nccl", "host" */
const char *tn_reduce_name(const tn_reduce *reduce);

/* Every buffer (one a rank, where that rank computes) becomes the sum of all. */
tn_status tn_reduce_sum(tn_reduce *reduce, tn_real *const *buffer, size_t count);

#ifdef __cplusplus
}
#endif
#endif

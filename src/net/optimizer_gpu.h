/* An optimizer whose parameters train on a GPU.
 *
 * With the kernels of layers/ops/update.h everything stays there: moments, gradients, values, one
 * launch an update. Without them gradients come out, the processor updates the net, and its values
 * go back in: slow, and the same bits. */
#ifndef TN_NET_OPTIMIZER_GPU_H
#define TN_NET_OPTIMIZER_GPU_H

#include "src/net/mirror.h"
#include "src/net/optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_optimizer_gpu tn_optimizer_gpu;

/* Both must outlive it; the mirror has gradients. Moments begin as the optimizer's. */
tn_status tn_optimizer_gpu_create(tn_optimizer *optimizer, tn_mirror *mirror,
                                  tn_optimizer_gpu **out);
void tn_optimizer_gpu_free(tn_optimizer_gpu *o);

/* The first parameter whose gradient on the GPU is not finite throughout; -1: none. */
tn_status tn_optimizer_gpu_non_finite(tn_optimizer_gpu *o, int *param);

/* As tn_optimizer_update, for the mirrors of n replicas of one optimizer, whose gradients are equal
 * by now. */
tn_status tn_optimizer_gpu_update(tn_optimizer_gpu *const *o, int n, double rate);

/* From now on an update's gradient is `scale` (1 at first) times what lies in the mirror's: for a
 * host's, that are sums over a batch of what rises. Fails where updates have no kernels. */
tn_status tn_optimizer_gpu_scale(tn_optimizer_gpu *o, float scale);

/* Moments from the GPU into the optimizer, to be saved; and back, once loaded. */
tn_status tn_optimizer_gpu_moments_out(tn_optimizer_gpu *o);
tn_status tn_optimizer_gpu_moments_in(tn_optimizer_gpu *o);

#ifdef __cplusplus
}
#endif
#endif

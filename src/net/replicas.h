/* A net in training: one replica or several, on the processor or on GPUs, and its optimizer.
 *
 * Each replica takes its own mini-batch; gradients are summed over all of them, in the order of
 * ranks, and every replica then has the same weights. R replicas move the weights as one does with
 * subdivisions=R, bit for bit on the processor. Batch norm normalises within a replica's own
 * mini-batch; the running statistics that are kept are those of rank 0.
 *
 * On the processor, replicas run one after another: for tests, and for hosts of several. On GPUs
 * they run at the same time, a thread each. */
#ifndef TN_NET_REPLICAS_H
#define TN_NET_REPLICAS_H

#include "src/net/net.h"
#include "src/net/optimizer.h"
#include "src/net/run.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_replicas_options {
    tn_run_options run; /* of each; mirror is made here */
    int ranks;
    tn_gpu *const *gpu; /* one a rank; NULL: on the processor */
    tn_optimizer_options optimizer;
} tn_replicas_options;

typedef struct tn_replicas tn_replicas;

/* The net (and the GPUs) must outlive it. */
tn_status tn_replicas_create(tn_net *net, const tn_replicas_options *options, tn_replicas **out);
void tn_replicas_free(tn_replicas *r);

int tn_replicas_ranks(const tn_replicas *r);
tn_run *tn_replicas_run(const tn_replicas *r, int rank);
/* Rank 0's parameters on its GPU, for other replicas there; NULL on the processor. */
tn_mirror *tn_replicas_mirror(const tn_replicas *r);
/* Its moments are up to date after tn_replicas_settle. */
tn_optimizer *tn_replicas_optimizer(const tn_replicas *r);
/* How gradients are summed ("nccl"), "" for one replica. */
const char *tn_replicas_reduce_name(const tn_replicas *r);

/* Forward of every rank, its input filled before; steps: one a rank, valid until backward. */
tn_status tn_replicas_forward(tn_replicas *r, const tn_step *steps);
tn_status tn_replicas_backward(tn_replicas *r);

/* Sums gradients over ranks; then *param is the first whose gradient is not finite, -1: none. Call
 * it once, before update. */
tn_status tn_replicas_reduce(tn_replicas *r, int *param);
/* Moves the weights; gradients are zero afterwards. */
tn_status tn_replicas_update(tn_replicas *r, double rate);

/* Brings the net's values, and with `moments` the optimizer's, up to date with the GPU's: before
 * they are read or saved. */
tn_status tn_replicas_settle(tn_replicas *r, bool moments);
/* Takes up the optimizer's moments after they were loaded; values follow by their version. */
tn_status tn_replicas_moments_loaded(tn_replicas *r);

#ifdef __cplusplus
}
#endif
#endif

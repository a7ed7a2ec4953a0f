/* Chooses the steps of 8-bit inference (tn_quantisation) from what a net's convolutions are given
 * on example images. */
#ifndef TN_NET_QUANTISER_H
#define TN_NET_QUANTISER_H

#include "layers/plan.h"
#include "src/net/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the scale of 8 bits ends. */
typedef enum tn_clip {
    TN_CLIP_LEAST_SQUARES, /* where the squares of all errors, cut values' too, add up to least */
    TN_CLIP_MAX,           /* at the largest value seen */
    TN_CLIP_PERCENTILE,    /* below it lie 99.99 of 100 values */
    TN_CLIPS
} tn_clip;
const char *tn_clip_name(tn_clip clip);

/* Layers with convolutions, from the first on, that had better stay in fp32: what they lose, all
 * that follows works on. In ThyroNet-X4 two of them cost a twelfth of the time that 8 bits take and
 * spare answers two fifths of their change. */
enum { TN_QUANTISER_EXACT = 2 };

typedef struct tn_quantiser tn_quantiser;

/* The plan must outlive it. */
tn_status tn_quantiser_create(const tn_plan *plan, tn_quantiser **out);
void tn_quantiser_free(tn_quantiser *q);

/* The tensors that convolutions read: options.keep of the replica (INFER, fp32) it looks at. */
const int *tn_quantiser_tensors(const tn_quantiser *q, int *n);

/* After a forward: counts what those tensors hold of the `n_valid` first samples. Fails, naming the
 * layer, where a value is not finite. */
tn_status tn_quantiser_see(tn_quantiser *q, const tn_run *run, int n_valid);

/* One entry an op of the plan (plan->n_ops), for tn_run_options.quantisation; of step 0 where the
 * op stays in fp32: no convolution, one of the `exact` first layers that have some, too little
 * work, not reached in inference, all zero. */
void tn_quantiser_choose(const tn_quantiser *q, tn_clip clip, int exact, tn_quantisation *out);

#ifdef __cplusplus
}
#endif
#endif

/* Learning rate and length of a run, from [net]. */
#ifndef TN_NET_SCHEDULE_H
#define TN_NET_SCHEDULE_H

#include "layers/device/status.h"
#include "src/net/net_keys.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_schedule {
    const tn_net_keys *keys;
    uint64_t images; /* of an epoch: batches run on over its end, no image is left out */
    uint64_t batch;  /* images of an update */
    uint64_t total;  /* updates of the run; 0: no end */
    uint64_t seed;   /* of policy=random */
} tn_schedule;

/* For epochs of `images` and `batch` images an update. `epochs` > 0 counts passes over the list and
 * wins; else max_batches counts updates. Fails on a policy whose keys do not fit it. */
tn_status tn_schedule_init(tn_schedule *schedule, const tn_net_keys *keys, uint64_t images,
                           uint64_t batch, uint64_t seed);

/* Rate of update `n`, counted from 1 as Darknet does, by Darknet's formulas:
 *   n < burn_in   lr * (n/burn_in)^power, whatever the policy; afterwards n is not shifted
 *   constant lr            step     lr * scale^floor(n/step)
 *   steps    lr * product of scales[i] while steps[i] <= n
 *   exp      lr * gamma^n  poly     lr * (1 - n/total)^power
 *   random   lr * U^power  sigmoid  lr / (1 + e^(gamma*(n - step)))
 *   sgdr     min + (lr-min)/2 * (1 + cos(pi*(n-s)/L)), cycles of L = sgdr_cycle (all of the run
 * when 0), each sgdr_mult times the last; s is the current one's start and one that is not
 * Darknet's: cosine   min + (lr-min)/2 * (1 + cos(pi*(n-burn_in)/(total-burn_in))): down to `min`
 * at the end with min = learning_rate_min. */
double tn_schedule_rate(const tn_schedule *schedule, uint64_t n);

/* Passes over the list that `updates` updates are; whether the last of them ended one (or the run).
 */
double tn_schedule_epochs(const tn_schedule *schedule, uint64_t updates);
bool tn_schedule_ends_epoch(const tn_schedule *schedule, uint64_t updates);

const char *tn_policy_name(int policy);

#ifdef __cplusplus
}
#endif
#endif

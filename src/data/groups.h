/* Groups that must stay together (union-find), and the dealing of groups to the parts of a split.
 */
#ifndef TN_DATA_GROUPS_H
#define TN_DATA_GROUPS_H

#include "layers/device/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Disjoint sets over 0..count-1. */
typedef struct tn_groups {
    int *parent;
    int count;
} tn_groups;

tn_status tn_groups_create(int count, tn_groups *out); /* each its own group */
void tn_groups_free(tn_groups *groups);
void tn_groups_join(tn_groups *groups, int a, int b);
/* The group's name: its smallest member. */
int tn_groups_find(const tn_groups *groups, int member);

/* Samples to be dealt out: which group each belongs to, and its label and stratum (a finer class,
 * as a TI-RADS grade; equal to the label when there is none). */
typedef struct tn_split_sample {
    int group, label, stratum;
} tn_split_sample;

enum { TN_SPLIT_PARTS = 100, TN_SPLIT_STRATA = 4096 };

/* Deals the groups of `samples` to `parts` parts whose shares of the samples are share[0..parts)
 * (they add up to 1), so that no group is in two parts, and label counts first, then strata and the
 * total come as near to their shares as whole groups allow: groups are dealt in an order drawn from
 * `seed`, each to the part that lacks it most, then moved and exchanged while that brings the
 * counts nearer. part[i] receives sample i's part. The same on every machine for the same input and
 * seed. Fails when there are fewer groups than parts. Labels and strata are 0..TN_SPLIT_STRATA-1.
 */
tn_status tn_split_groups(const tn_split_sample *samples, int count, const double *share, int parts,
                          uint64_t seed, int *part);

#ifdef __cplusplus
}
#endif
#endif

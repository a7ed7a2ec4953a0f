/* Pairs of ops that one op can do: nothing is written between them. */
#ifndef TN_NET_MERGE_H
#define TN_NET_MERGE_H

#include "layers/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the plan's live ops (those whose output is live) to `ops`, room for plan->n_ops, in order.
 * An op whose output has one reader only, and is not wanted by anyone else, is done by that reader
 * where the kind knows how (tn_op_kind.merge): its output is no longer live. What is made here lies
 * in the arena. Returns the number of ops; -1 when memory ran out. */
int tn_merge_ops(const tn_plan *plan, bool *live, const bool *wanted, tn_arena *arena,
                 const tn_op **ops);

#ifdef __cplusplus
}
#endif
#endif

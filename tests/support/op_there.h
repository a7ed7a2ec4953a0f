/* Kernels of the GPU on a world of the harness: on a real GPU where there is one, else emulated.
 * And kernels of the processor that take bf16: "there" is memory beside the world's then.
 *
 * Every block of the world, guards included, is copied there, the pass run, and everything copied
 * back; the harness then compares as it does for the processor's kernels. */
#ifndef TN_TESTS_OP_THERE_H
#define TN_TESTS_OP_THERE_H

#include "tests/support/op_world.h"

/* The GPU that tests run on, opened at the first call; NULL: none, and none can be emulated. */
tn_gpu *tn_there_gpu(void);
bool tn_there_is_emulated(void);

/* How a case's views look there: all of bf16 with TN_PRECISION_BF16, but for what a loss op or a
 * net's end writes. */
typedef struct tn_there_way {
    tn_precision precision;
    bool last; /* as at a net's end: out (and dout) stay fp32 */
} tn_there_way;

/* Rounds a world's values to what its views can hold there. */
void tn_there_round(tn_world *w, tn_there_way way);
/* The same of what forward wrote, which backward reads: a clamp's slope turns on a last bit. */
void tn_there_round_out(tn_world *w, tn_there_way way);

/* The kernel's prepare and run, with views and addresses there. r->pass[pass].kernel is set. */
tn_status tn_there_prepare(tn_world *w, tn_there_way way, tn_pass pass);
tn_status tn_there_run(tn_world *w, tn_there_way way, tn_pass pass);
void tn_there_release(tn_world *w, tn_there_way way, tn_pass pass);

/* Allowed difference to the reference in fp32, relative to the largest magnitude; 0: the case's. */
double tn_there_tolerance(tn_there_way way);

#endif

/* One pass of one kernel on a world of the harness. */
#ifndef TN_TESTS_OP_PASS_H
#define TN_TESTS_OP_PASS_H

#include "tests/support/op_there.h"

/* The order in which the passes of a step run. */
extern const tn_pass tn_pass_order[TN_PASSES];

/* Whether the case has it: its kind, its mode and its parameters. */
bool tn_pass_is_run(const tn_harness_case *c, tn_pass pass);
/* The last of the table; NULL: the kind has no such pass. */
const tn_kernel *tn_pass_reference(const tn_harness_case *c, tn_pass pass);
bool tn_pass_is_there(const tn_kernel *kernel); /* on the GPU */
/* Whether it works on copies of the world's memory: on the GPU, or on views of bf16. */
bool tn_pass_has_copies(const tn_kernel *kernel, tn_there_way way);

/* Prepares a kernel with shapes alone, as in a replica, then gives it its memory. `way` is for
 * kernels of the GPU and those that take bf16; all others know one. */
tn_status tn_pass_prepare(tn_world *w, tn_there_way way, tn_pass pass, const tn_kernel *kernel);
void tn_pass_release(tn_world *w, tn_there_way way, tn_pass pass);

/* Runs it once, as prepared. NULL or what went wrong. */
const char *tn_pass_run(tn_world *w, tn_there_way way, tn_pass pass);

#endif

/* Where the time of a step goes: every pass of every op, with the kernel that serves it. */
#ifndef TN_COMMANDS_BENCH_LAYERS_H
#define TN_COMMANDS_BENCH_LAYERS_H

#include "src/commands/limits.h"
#include "src/net/net.h"
#include "src/net/run.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one pass of one op took and did. */
typedef struct tn_bench_pass {
    const char *kernel; /* NULL: nothing to do in this pass */
    double seconds;     /* of the fastest step: other programs only ever take away */
    double flops;       /* of the whole mini-batch; 0: not counted */
    double bytes;       /* each tensor that it reads or writes, once: the least that has to move */
} tn_bench_pass;

/* Runs `steps` steps, op by op, and takes the fastest of each pass. pass: tn_run_ops(run) times
 * TN_PASSES, filled. backward: the run is one of training. The run's step must be set: a step has
 * been done before. */
tn_status tn_bench_layers(const tn_net *net, tn_run *run, int batch, bool backward, int steps,
                          tn_bench_pass *pass);

/* A table for people: milliseconds, GFLOP/s, GB/s, share of the whole. */
void tn_bench_layers_print(const tn_run *run, const tn_bench_pass *pass);
/* The same as a JSON array of one object a pass. */
void tn_bench_layers_json(const tn_run *run, const tn_bench_pass *pass);

#ifdef __cplusplus
}
#endif
#endif

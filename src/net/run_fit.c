/* Too little memory on a GPU: which mini-batch would fit. */
#include "src/net/run.h"

#include <stdio.h>

static size_t bytes_with(const tn_plan *plan, tn_param *param, const tn_run_options *options,
                         int batch) {
    tn_run_options trial = *options;
    trial.batch = batch;
    trial.plan_only = true;
    tn_run *run;
    if (tn_run_create(plan, param, &trial, &run) != TN_OK) return (size_t)-1;
    const size_t bytes = tn_run_bytes(run);
    tn_run_free(run);
    return bytes;
}

/* 0: not even one image. */
static int fitting_batch(const tn_plan *plan, tn_param *param, const tn_run_options *options) {
    size_t free_bytes, all;
    if (tn_gpu_memory(tn_mirror_gpu(options->mirror), &free_bytes, &all) != TN_OK) return 0;
    for (int batch = options->batch / 2; batch > 0; batch--) {
        if (options->batch % batch != 0) continue;
        /* a little is left for libraries, which take their own */
        if (bytes_with(plan, param, options, batch) < free_bytes - free_bytes / 16) return batch;
    }
    return 0;
}

tn_status tn_run_suggest(const tn_plan *plan, tn_param *param, const tn_run_options *options) {
    char message[512];
    snprintf(message, sizeof message, "%s", tn_error());
    const int batch = fitting_batch(plan, param, options);
    if (batch == 0)
        return tn_fail("%s; no smaller mini-batch fits: use the processor (-nogpu), or a smaller "
                       "net or image",
                       message);
    if (options->update_batch == 0)
        return tn_fail("%s; a mini-batch of %d would fit", message, batch);
    return tn_fail("%s; -net subdivisions=%d (mini-batches of %d) would fit, or the processor "
                   "(-nogpu)",
                   message, options->update_batch / batch, batch);
}

/* What a replica on a GPU, or of bf16 on the processor (gpu == NULL), has besides: for run.c. */
#ifndef TN_NET_RUN_GPU_H
#define TN_NET_RUN_GPU_H

#include "layers/plan.h"
#include "layers/staging.h"
#include "src/net/mirror.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A view of the replica's and the same in the processor's memory, in fp32. */
typedef struct tn_run_twin {
    tn_tensor there, here;
} tn_run_twin;

struct tn_run_options;

typedef struct tn_run_gpu {
    tn_gpu *gpu;
    tn_mirror *mirror, *own_mirror; /* own: to be freed; NULL where the caller brought one */
    tn_precision precision;
    tn_choices *choices;
    tn_staging staging;
    tn_step step; /* the caller's, its truth on the GPU */
    void *block;  /* there: the replica's buffers, the truth, a loss for each op */
    tn_real *truth;
    double *losses, *loss; /* there; here */
    size_t truth_bytes, loss_bytes;
    tn_run_twin *twin; /* what callers read and write */
    int n_twins;
    void *bytes; /* there: the table of a mini-batch of bytes, then the bytes; NULL before the first
                  */
    bool widened; /* the coming forward's input was given so */
    void *pages;  /* of the twins and of staging */
    size_t page_bytes;
} tn_run_gpu;

/* On options->mirror's GPU, or on options->gpu with a mirror of its own. */
tn_status tn_run_gpu_open(tn_run_gpu *g, const struct tn_run_options *options, tn_param *param,
                          int n_params);

/* Before ops are prepared: fills r's part and makes r->host. */
tn_status tn_run_gpu_attach(tn_run_gpu *g, tn_op_run *r, tn_arena *arena);

/* Once kernels are chosen: takes `bytes` on the GPU for buffers, room for the truth (batch samples
 * of `outputs` elements) and losses. */
tn_status tn_run_gpu_take(tn_run_gpu *g, tn_op_run *op, int n_ops, size_t bytes, int batch,
                          size_t outputs, tn_arena *arena);
/* A table for `most` twins. */
tn_status tn_run_gpu_twins(tn_run_gpu *g, int most, tn_arena *arena);
/* Declares a view that callers see; returns its number. */
int tn_run_gpu_twin(tn_run_gpu *g, tn_tensor there);
/* Takes the processor's memory for twins and staged kernels. */
tn_status tn_run_gpu_take_pages(tn_run_gpu *g, const tn_op_run *op, int n_ops);
void tn_run_gpu_free(tn_run_gpu *g);

/* Whether the GPU widens bytes of this input; and that, from bytes (n,h,w,c) and a table here.
 * Takes the GPU's memory for them the first time. */
bool tn_run_gpu_takes_bytes(const tn_run_gpu *g, const tn_tensor *there);
tn_status tn_run_gpu_bytes_in(tn_run_gpu *g, const tn_tensor *there, const uint8_t *bytes,
                              const float *table);
tn_status tn_run_gpu_twin_in(tn_run_gpu *g, int twin);
tn_status tn_run_gpu_twin_out(tn_run_gpu *g, int twin);

/* Takes up the net's values and the truth of the mini-batch. */
tn_status tn_run_gpu_begin(tn_run_gpu *g, const tn_step *step);
/* Fetches the losses of ops whose forward ran there. */
tn_status tn_run_gpu_fetch_losses(tn_run_gpu *g, tn_op_run *op, int n_ops);

#ifdef __cplusplus
}
#endif
#endif

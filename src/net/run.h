/* A replica: a net made ready to run with a batch size, a mode and a number of threads.
 *
 * Creating one chooses kernels, lays out every buffer once in a single block and takes the memory;
 * afterwards nothing allocates. Several replicas (training, validation, other batch sizes) share a
 * net's parameters. */
#ifndef TN_NET_RUN_H
#define TN_NET_RUN_H

#include "layers/plan.h"
#include "src/net/mirror.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_run_options {
    tn_mode mode;
    int batch;           /* images of one mini-batch */
    int threads;         /* 0: all */
    const char *kernels; /* kernel to be preferred everywhere ("ref"); NULL: the best */
    const int *keep;     /* tensors whose value and gradient outlive the pass: heat maps */
    int n_keep;
    int output;           /* tensor that INFER and GRAD_FIXED_STATS run to; -1: the plan's output */
    bool output_gradient; /* backward starts from a gradient that the caller puts at the output */
    tn_gpu *gpu;          /* runs there, with a mirror of its own; NULL: see mirror */
    tn_mirror *mirror; /* runs on the mirror's GPU, with its parameters; NULL: on the processor */
    bool views_there;  /* with a mirror: callers' views lie on the GPU, and are not copied */
    tn_precision precision; /* TN_PRECISION_TF32 is fp32 on the processor */
    tn_choices *choices;    /* on a GPU: what was measured before, and is now; may be NULL */
    /* INFER on the processor: convolutions in 8 bits where that is faster, an entry an op of the
     * plan (plan->n_ops), which must outlive the replica; NULL: fp32 */
    const tn_quantisation *quantisation;
    int update_batch; /* images of an update: names subdivisions= where memory is short; 0: unknown
                       */
    bool plan_only;   /* lays everything out and takes no memory: for tn_run_bytes */
} tn_run_options;

typedef struct tn_run tn_run;

/* `param` is the net's array (plan->n_params), shared; it must outlive the replica. So must the
 * mirror, made from the same array. On a GPU with too little memory the message says which smaller
 * mini-batch would fit. */
tn_status tn_run_create(const tn_plan *plan, tn_param *param, const tn_run_options *options,
                        tn_run **out);
void tn_run_free(tn_run *run);

/* After tn_run_create failed for want of the GPU's memory: adds to its message the largest
 * mini-batch that divides options->batch and fits into what is free. Returns TN_FAIL. */
tn_status tn_run_suggest(const tn_plan *plan, tn_param *param, const tn_run_options *options);

/* All views below are in the processor's memory and fp32, wherever the replica runs, but with
 * options->views_there (on the GPU; fp32 there with TN_PRECISION_FP32).
 * The input buffer (batch,h,w,c), dense NHWC: fill it before each forward. */
tn_tensor tn_run_input(const tn_run *run);
/* Instead: images of bytes (batch,h,w,c), dense, byte v of channel c standing for table[256 * c +
 * v]. For the next forward alone. The bits are those of an input filled from the table; on a GPU
 * the bytes are sent as they are, and tn_run_input's buffer is left alone. */
tn_status tn_run_input_bytes(tn_run *run, const uint8_t *bytes, const float *table);
/* The output: (batch,h,w,c) of the plan's output (probabilities, as a rule). */
tn_tensor tn_run_output(const tn_run *run);
/* Value and gradient of a kept tensor (or of input and output). data is NULL when not in memory. */
tn_tensor tn_run_value(const tn_run *run, int tensor);
tn_tensor tn_run_gradient(const tn_run *run, int tensor);

/* Forward through every live op. The step must stay valid until backward has run. */
tn_status tn_run_forward(tn_run *run, const tn_step *step);

/* Backward: adds to the gradients of every parameter that learns. Sources are the losses and, with
 * output_gradient (and always in GRAD_FIXED_STATS), what the caller put into
 * tn_run_gradient(output). */
tn_status tn_run_backward(tn_run *run);

/* Sum over the mini-batch's valid samples of all losses, weighted as in the cfg; main: of the loss
 * at the net's end alone. Valid after a forward with step->truth. */
double tn_run_loss(const tn_run *run);
double tn_run_main_loss(const tn_run *run);

/* Bytes of the block (on the device that the replica runs on), and what it would be if nothing
 * shared memory: for reports. */
size_t tn_run_bytes(const tn_run *run);
size_t tn_run_bytes_unshared(const tn_run *run);

/* The live ops in order with their chosen kernels, for reports and benchmarks. */
int tn_run_ops(const tn_run *run);
tn_op_run *tn_run_op(const tn_run *run, int i);
/* How many of them compute in 8 bits. */
int tn_run_int8_ops(const tn_run *run);

#ifdef __cplusplus
}
#endif
#endif

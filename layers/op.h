/* Ops and their kernels.
 *
 * A layer's plan appends ops to the net's list. An op kind (convolution, norm_act, pool, ...) is
 * one row of vtable: for each pass a table of kernels, best first, the plain C reference last.
 * Before memory is laid out, each op asks the kernels of each pass in turn to `prepare`; the first
 * that does not refuse serves. A new kernel is one file and one line in its kind's table; the test
 * and the benchmark that exist cover it at once. */
#ifndef TN_OP_H
#define TN_OP_H

#include "layers/device/choices.h"
#include "layers/device/gpu.h"
#include "layers/device/memory.h"
#include "layers/device/status.h"
#include "layers/param.h"
#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_mode {
    TN_TRAIN,            /* batch statistics, dropout, everything backward needs is kept */
    TN_INFER,            /* running statistics; ops that do not reach the output are left out */
    TN_GRAD_FIXED_STATS, /* backward through running statistics, dropout off: heat maps */
} tn_mode;

typedef enum tn_pass { TN_FORWARD, TN_BACKWARD_DATA, TN_BACKWARD_PARAMS, TN_PASSES } tn_pass;
const char *tn_pass_name(tn_pass pass);

/* What changes from one mini-batch to the next: plain data that a device can read, so that a
 * captured graph of launches stays valid. */
typedef struct tn_step {
    uint64_t seed;        /* of the run: keys dropout and random crops */
    uint64_t step;        /* updates done before this one */
    int first_sample;     /* index of this mini-batch's sample 0 within the whole batch */
    int n_valid;          /* samples that count; what follows in the mini-batch is padding */
    double grad_scale;    /* 1 / (samples of the whole batch): losses are means */
    const tn_real *truth; /* (n, outputs) target distribution; NULL: no loss, no backward from it.
                             A kernel on the GPU finds a copy there */
} tn_step;

/* How an op's in[0] is written in 8 bits: value = step * q, q in 0..255, or -127..127 where values
 * below zero occur. What is larger is cut off. */
typedef struct tn_quantisation {
    float step; /* 0: none is known, the op stays in fp32 */
    bool is_signed;
} tn_quantisation;

/* Moments of the channels of an op's output, as far as each of `parts` threads made it: pixels
 * counted, mean, centred sum of squares. */
typedef struct tn_channel_moments {
    int parts;
    bool given;        /* by the forward pass in hand */
    double *count;     /* (parts) */
    double *mean, *m2; /* (parts, channels) */
} tn_channel_moments;

typedef struct tn_op tn_op;
typedef struct tn_op_run tn_op_run;
typedef struct tn_kernel_run tn_kernel_run;

/* Where a kernel computes. */
typedef enum tn_device { TN_ON_CPU = 0, TN_ON_GPU } tn_device;

/* One implementation of one pass of one op kind.
 *
 * In a replica on a GPU (r->gpu) every address that a TN_ON_GPU kernel sees lies there: views,
 * parameters and their gradients, scratch, save, step->truth. It launches and returns; what it
 * cannot serve (a dtype, a shape, no machine code) it refuses. When all of them refuse, a kernel of
 * the processor serves, its inputs copied out and its results copied in (layers/staging.h): so a
 * kind's save has one format, the same on both devices, and any mix of kernels is right.
 *
 * On the processor, views of TN_BF16 (r->precision) are shown to kernels alone that say takes_bf16;
 * any other one is served the same way, its inputs widened and its results narrowed, where no
 * kernel serves that knows them.
 *
 * prepare: the op, its views (shapes without memory; din[i].n == 0: not wanted), parameters, mode
 * and threads are known. Sets k->scratch_bytes (memory that lives during this pass only) and,
 * forward only, may set r->save_bytes (kept from forward to backward). It may allocate k->state.
 * Returns TN_REFUSED when it cannot serve, TN_FAIL on a real error.
 *
 * run must not allocate. What it writes depends on its pass:
 *   TN_FORWARD          out
 *   TN_BACKWARD_DATA    each din[i] with memory: added to where accumulate[i], else overwritten. A
 * kind without BACKWARD_PARAMS kernels adds to its parameters' gradients here, when wants_params
 *   TN_BACKWARD_PARAMS  adds to param[i]->grad; runs before BACKWARD_DATA
 * Nothing is zeroed for a kernel: one that overwrites covers every element. A forward kernel on the
 * GPU that has a loss writes it to r->loss_at there, and leaves r->loss alone. */
typedef struct tn_kernel {
    const char *name;
    tn_status (*prepare)(tn_op_run *r, tn_kernel_run *k);
    tn_status (*run)(tn_op_run *r, tn_kernel_run *k);
    void (*release)(tn_op_run *r, tn_kernel_run *k); /* may be NULL */
    tn_device device;
    bool takes_bf16; /* of the processor: looks at each view's dtype and refuses what it cannot
                        take; false: is shown fp32 alone */
} tn_kernel;

/* A chosen kernel within a replica. */
struct tn_kernel_run {
    const tn_kernel *kernel; /* NULL: nothing to do in this pass */
    void *state;
    size_t scratch_bytes;
    void *scratch;   /* 64-byte aligned, contents undefined between passes */
    bool takes_tail; /* set in prepare: it does r->tail's work too, which then does not run */
    /* Set in prepare. Forward, with takes_tail: r->out shall be where the tail's in[1] is. Backward
     * data: r's last din, where it is overwritten, may be where r->dout is. */
    bool in_place;
};

enum { TN_KEEPS_OUT = 1 }; /* bits of tn_op_kind.keeps: out, then in[0], in[1], ... */
#define TN_KEEPS_IN(i) (2u << (i))

typedef struct tn_op_kind {
    const char *name;
    const tn_kernel *const
        *kernels[TN_PASSES]; /* NULL-terminated tables; a NULL table: no such pass */
    /* Which values the backward passes read: they stay in memory until then. */
    unsigned (*keeps)(const tn_op *op);
    /* Multiply-adds of one image, for summary and benchmarks; NULL: none worth counting. */
    double (*multiply_adds)(const tn_op *op, const tn_tensor *in, const tn_tensor *out);
    /* One op, made in the arena, in place of `op` and of `reader`, the only op that reads its
     * output; TN_REFUSED when there is none. NULL: never. */
    tn_status (*merge)(const tn_op *op, const tn_op *reader, tn_arena *arena, tn_op **merged);
} tn_op_kind;

/* A planned op. Immutable once the plan is done. */
struct tn_op {
    const tn_op_kind *kind;
    const void *attr; /* the kind's attributes, declared in its header */
    int index, layer; /* place in the op list; section it came from */
    const char *name; /* for messages: "12.conv2" */
    int n_in;
    const int *in; /* tensors */
    int out;
    int n_param;
    int param[4]; /* places in the net's parameter array */
};

/* An op within a replica: what its kernels see. */
struct tn_op_run {
    const tn_op *op;
    tn_mode mode;
    int threads;
    tn_tensor *in,
        *din;         /* n_in each; shapes in prepare, memory from then on; din.n == 0: unwanted */
    bool *accumulate; /* n_in: add to din[i] */
    tn_tensor out, dout;
    tn_param **param;  /* n_param; their grad is written in BACKWARD_PARAMS */
    bool wants_params; /* false: parameters are frozen, BACKWARD_PARAMS is not run */
    size_t save_bytes;
    void *save;          /* from forward to backward of one mini-batch, 64-byte aligned */
    const tn_step *step; /* of the mini-batch in hand */
    double loss; /* loss ops: sum over valid samples, weighted as in the cfg; set by forward */
    /* TN_INFER: the op right behind this one, whose in[0] is this one's out and wanted by nobody
     * else; NULL: none. A forward kernel that takes it over writes its output: `out` is then that.
     * tail_in_place: in[1] of the tail may be overwritten. */
    const tn_op_run *tail;
    bool tail_in_place;
    /* TN_TRAIN. leaves: where a forward kernel of the processor that has what it makes in registers
     * may put its moments, which the op right behind this one is going to want; it sets `given`, or
     * clears it. found: the same of in[0], for a kernel of the processor. NULL: there is none. */
    tn_channel_moments *leaves;
    const tn_channel_moments *found;
    /* TN_INFER on the processor: the op may take in[0] and its weights in 8 bits; NULL: it may not.
     * Views stay fp32. */
    const tn_quantisation *quantisation;
    tn_kernel_run pass[TN_PASSES];

    /* With TN_PRECISION_BF16, views (their gradients too) are of dtype TN_BF16, but for what a loss
     * op or the net's end writes; a kernel looks at each view's dtype and refuses what it cannot
     * take. Parameters and their gradients are always fp32. */
    tn_precision precision;
    struct tn_staging *staging;
    tn_op_run *host; /* this op as a staged kernel sees it; NULL where none is needed */

    /* A replica on a GPU. */
    tn_gpu *gpu;         /* NULL: on the processor, and what follows means nothing */
    double *loss_at;     /* on the GPU: where a loss op's forward kernel puts its loss */
    tn_choices *choices; /* may be NULL */
};

/* Chooses a kernel for every pass that the mode has and that is wanted. `only` names a kernel to be
 * preferred ("ref"; NULL: table order); kinds without it take their usual one. */
tn_status tn_op_prepare(tn_op_run *r, const char *only);
tn_status tn_op_forward(tn_op_run *r);
tn_status tn_op_backward(tn_op_run *r);
/* One pass of those two: nothing where the op has none, or it is not wanted. */
tn_status tn_op_run_pass(tn_op_run *r, tn_pass pass);
void tn_op_release(tn_op_run *r);

#ifdef __cplusplus
}
#endif
#endif

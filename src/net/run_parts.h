/* How the files of a replica (run.c, run_ops.c, run_memory.c) share it. For them alone. */
#ifndef TN_NET_RUN_PARTS_H
#define TN_NET_RUN_PARTS_H

#include "src/net/layout.h"
#include "src/net/run.h"
#include "src/net/run_gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One plan tensor in this replica. Places are in the layout; -1: not in memory. */
typedef struct tn_run_tensor {
    bool live, needs_grad, has_grad, kept;
    int over;      /* tensor whose memory it takes over; 0: none (tensor 0 is the input) */
    int grad_over; /* tensor whose gradient's memory its own takes over; 0: none */
    int value_item, grad_item;
    tn_tensor value, grad;
    int value_twin, grad_twin; /* what callers see of it; -1: itself, or nothing on a GPU */
} tn_run_tensor;

struct tn_run {
    const tn_plan *plan;
    tn_param *param;
    tn_run_options options;
    int output;
    tn_run_tensor *tensor; /* plan->n_tensors */
    tn_op_run *op;         /* n_ops, the live ones in order */
    bool *goes_back;       /* n_ops: this op's backward runs */
    int n_ops;
    tn_layout_item *item;
    int n_items;
    void *block;
    size_t bytes, bytes_unshared;
    tn_arena arena;
    tn_run_gpu gpu; /* gpu.gpu is NULL on the processor, its precision fp32 or bf16 there */
};

/* Whether what callers see, and some kernels, is not what lies in the replica's memory. */
static inline bool tn_run_is_staged(const tn_run *run) {
    return run->gpu.gpu || run->gpu.precision == TN_PRECISION_BF16;
}

static inline size_t tn_run_tensor_bytes(const tn_tensor *t) {
    return tn_pixels(t) * (size_t)t->pitch * tn_element_bytes(t);
}

/* Whether a tensor is wanted after the run. */
static inline bool tn_run_outlives(const tn_run *run, int t) {
    return t == run->plan->input || t == run->output || run->tensor[t].kept;
}

/* run_ops.c: the ops to be run, pairs made one where that is possible. Returns their number, or
 * -1. */
int tn_run_choose_ops(tn_run *run, const tn_op **ops);
/* Which tensors need a gradient, which ops go back, and who writes each gradient first. */
void tn_run_mark_needs_grad(tn_run *run);
void tn_run_mark_backward(tn_run *run);
/* A tail is an op that the kernel before it does. Offered before that one is prepared, settled
 * after. */
bool tn_run_is_tail(const tn_run *run, int i);
void tn_run_offer_tail(const tn_run *run, int i);
tn_status tn_run_offer_moments(tn_run *run, int i);
void tn_run_settle_tail(const tn_run *run, int i);
void tn_run_settle_gradient(const tn_run *run, int i);

/* run_memory.c: once all kernels are chosen, lays everything out in one block, takes it and hands
 * it out. */
tn_status tn_run_take_memory(tn_run *run);

#ifdef __cplusplus
}
#endif
#endif

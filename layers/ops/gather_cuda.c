#include "layers/ops/gather_cuda.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/gather.h"

TN_GPU_SOURCE(gather);

enum { THREADS = TN_GATHER_THREADS, WIDE = 16 };

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_cuda_serves(r, &gather_source);
}

/* Channels [first, first + count) of a view. */
static tn_tensor slice(tn_tensor t, int first, int count) {
    t.data = (char *)t.data + (size_t)first * tn_element_bytes(&t);
    t.c = count;
    return t;
}

/* Counts channels and pitch in 16 bytes, where every pixel begins and ends at a multiple. */
static bool widen(tn_tensor *t) {
    const int bytes = (int)tn_element_bytes(t), step = WIDE / bytes;
    if ((uintptr_t)t->data % WIDE != 0 || t->c % step != 0 || t->pitch % step != 0) return false;
    t->c /= step;
    t->pitch /= step;
    return true;
}

static tn_status launch(tn_op_run *r, tn_gather_args args) {
    const bool whole = args.from.c == args.to.c && args.from.dtype == args.to.dtype && !args.add;
    tn_gather_args wide = args;
    const bool is_wide = whole && widen(&wide.from) && widen(&wide.to);
    if (is_wide) args = wide;
    const tn_cuda_grid tiles = tn_cuda_tiles(&args.to, THREADS);
    return tn_gpu_launch(r->gpu, &gather_source, is_wide ? "tn_gather_wide" : "tn_gather_slice",
                         tiles.grid, tiles.block, 0, TN_GPU_ARGS(&args), r->op->name);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_gather_attr *a = r->op->attr;
    for (int i = 0, at = 0; i < r->op->n_in; at += a->count[i++]) {
        const tn_tensor from = slice(r->in[i], a->first[i], a->count[i]);
        const tn_tensor to = slice(r->out, at, a->count[i]);
        if (to.data == from.data) continue; /* its producer has written there */
        TN_TRY(launch(r, (tn_gather_args){.from = from, .to = to}));
    }
    return TN_OK;
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_gather_attr *a = r->op->attr;
    for (int i = 0, at = 0; i < r->op->n_in; at += a->count[i++]) {
        if (!r->din[i].data) continue;
        TN_TRY(launch(r, (tn_gather_args){.from = slice(r->dout, at, a->count[i]),
                                          .to = r->din[i],
                                          .first = a->first[i],
                                          .add = r->accumulate[i]}));
    }
    return TN_OK;
}

const tn_kernel tn_gather_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};
const tn_kernel tn_gather_backward_cuda = {"cuda", prepare, backward, NULL, TN_ON_GPU};

#include "layers/ops/dropout_cuda.h"

#include "layers/ops/cuda_kernels.h"

TN_GPU_SOURCE(dropout);

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_cuda_serves(r, &dropout_source);
}

static tn_status move(tn_op_run *r, const tn_tensor *from, const tn_tensor *to, bool add) {
    const tn_dropout_attr *a = r->op->attr;
    tn_dropout_args args = {
        .from = *from, .to = *to, .drops = r->mode == TN_TRAIN, .scale = 1, .add = add};
    if (args.drops) {
        args.stream =
            tn_dropout_stream_of(r->step, r->op->layer, r->step->first_sample, a->probability);
        args.scale = tn_dropout_scale(a->probability);
    }
    const size_t area = (size_t)from->h * from->w;
    const size_t runs = (area + TN_DROPOUT_RUN - 1) / TN_DROPOUT_RUN;
    const tn_cuda_grid map =
        tn_cuda_tiles_of((unsigned)from->c, (size_t)from->n * runs, TN_DROPOUT_THREADS);
    return tn_gpu_launch(r->gpu, &dropout_source, "tn_dropout_move", map.grid, map.block, 0,
                         TN_GPU_ARGS(&args), r->op->name);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return move(r, &r->in[0], &r->out, false);
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return r->din[0].data ? move(r, &r->dout, &r->din[0], r->accumulate[0]) : TN_OK;
}

const tn_kernel tn_dropout_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};
const tn_kernel tn_dropout_backward_cuda = {"cuda", prepare, backward, NULL, TN_ON_GPU};

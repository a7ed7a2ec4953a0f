#include "layers/ops/crop_cuda.h"

#include "layers/ops/crop.h"
#include "layers/ops/cuda_kernels.h"
#include "layers/ops/ref_kernels.h"

TN_GPU_SOURCE(crop);

enum { MOST_ROWS = 64 }; /* blocks of a sample */

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(tn_crop_forward_ref.prepare(r, k)); /* the window must fit */
    return tn_cuda_serves(r, &crop_source);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_crop_attr *a = r->op->attr;
    tn_crop_args args = {.in = r->in[0],
                         .out = r->out,
                         .layer = r->op->layer,
                         .flip = a->flip,
                         .adjust = !a->noadjust};
    if (r->mode == TN_TRAIN && r->step) {
        args.draws = true;
        args.seed = r->step->seed;
        args.step = r->step->step;
        args.first_sample = r->step->first_sample;
    }
    const unsigned rows = (unsigned)(r->out.h < MOST_ROWS ? r->out.h : MOST_ROWS);
    return tn_gpu_launch(r->gpu, &crop_source, "tn_crop_forward",
                         (tn_gpu_extent){(unsigned)r->out.n, rows, 1},
                         (tn_gpu_extent){TN_CROP_THREADS}, 0, TN_GPU_ARGS(&args), r->op->name);
}

const tn_kernel tn_crop_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};

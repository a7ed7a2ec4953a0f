#include "layers/ops/scale_channels_cuda.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/scale_channels.h"

TN_GPU_SOURCE(scale_channels);

enum { THREADS = TN_SCALE_CHANNELS_THREADS, MOST_BLOCKS = 1 << 16 };

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_gpu_has(r->gpu, &scale_channels_source) ? TN_OK : TN_REFUSED;
}

static tn_scale_channels_args args_of(const tn_op_run *r) {
    const tn_tensor *gate = &r->in[0], *map = &r->in[1];
    return (tn_scale_channels_args){
        .gate = *gate,
        .map = *map,
        .out = r->out,
        .dout = r->dout,
        .dgate = r->din[0],
        .dmap = r->din[1],
        .by_channel = gate->h == 1 && gate->w == 1 && gate->c == map->c,
        .add_gate = r->accumulate[0],
        .add_map = r->accumulate[1],
    };
}

static tn_status launch(tn_op_run *r, const char *kernel, tn_gpu_extent grid) {
    tn_scale_channels_args args = args_of(r);
    return tn_gpu_launch(r->gpu, &scale_channels_source, kernel, grid, (tn_gpu_extent){THREADS}, 0,
                         TN_GPU_ARGS(&args), r->op->name);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return launch(r, "tn_scale_channels_forward",
                  tn_cuda_blocks(tn_elements(&r->in[1]), THREADS, MOST_BLOCKS));
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    if (r->din[1].data)
        TN_TRY(launch(r, "tn_scale_channels_map_gradient",
                      tn_cuda_blocks(tn_elements(&r->in[1]), THREADS, MOST_BLOCKS)));
    if (!r->din[0].data) return TN_OK;
    return launch(r, "tn_scale_channels_gate_gradient",
                  (tn_gpu_extent){(unsigned)tn_elements(&r->in[0]), 1, 1});
}

const tn_kernel tn_scale_channels_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};
const tn_kernel tn_scale_channels_backward_cuda = {"cuda", prepare, backward, NULL, TN_ON_GPU};

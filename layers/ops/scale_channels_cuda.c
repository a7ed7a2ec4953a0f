#include "layers/ops/scale_channels_cuda.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/scale_channels.h"

TN_GPU_SOURCE(scale_channels);

enum { THREADS = TN_SCALE_CHANNELS_THREADS };

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_cuda_serves(r, &scale_channels_source);
}

/* One value a channel, else one a pixel. */
static bool gates_channels(const tn_op_run *r) {
    const tn_tensor *gate = &r->in[0];
    return gate->h == 1 && gate->w == 1 && gate->c == r->in[1].c;
}

static tn_status product(tn_op_run *r, tn_tensor from, tn_tensor to, bool add) {
    tn_scale_product_args args = {r->in[0], from, to, gates_channels(r), add};
    const tn_cuda_grid tiles = tn_cuda_tiles(&from, THREADS);
    return tn_gpu_launch(r->gpu, &scale_channels_source, "tn_scale_channels_product", tiles.grid,
                         tiles.block, 0, TN_GPU_ARGS(&args), r->op->name);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return product(r, r->in[1], r->out, false);
}

static tn_status gate_gradient(tn_op_run *r) {
    const tn_tensor *map = &r->in[1];
    const bool channels = gates_channels(r);
    tn_scale_gate_args args = {*map, r->dout, r->din[0], r->accumulate[0]};
    const tn_cuda_grid of_channels = {{(unsigned)map->n, ((unsigned)map->c + 31) / 32, 1},
                                      {32, THREADS / 32, 1}};
    const tn_cuda_grid of_pixels = {
        tn_cuda_blocks(32 * tn_pixels(map), THREADS, TN_CUDA_MOST_BLOCKS), {THREADS, 1, 1}};
    const tn_cuda_grid g = channels ? of_channels : of_pixels;
    const char *kernel =
        channels ? "tn_scale_channels_channel_gates" : "tn_scale_channels_pixel_gates";
    return tn_gpu_launch(r->gpu, &scale_channels_source, kernel, g.grid, g.block, 0,
                         TN_GPU_ARGS(&args), r->op->name);
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    if (r->din[1].data) TN_TRY(product(r, r->dout, r->din[1], r->accumulate[1]));
    return r->din[0].data ? gate_gradient(r) : TN_OK;
}

const tn_kernel tn_scale_channels_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};
const tn_kernel tn_scale_channels_backward_cuda = {"cuda", prepare, backward, NULL, TN_ON_GPU};

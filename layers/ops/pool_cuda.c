#include "layers/ops/pool_cuda.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/pool_kernels.h"

TN_GPU_SOURCE(pool);

/* Cells of a window from which on a block serves one output pixel. */
enum { MANY_CELLS = 64 };

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    TN_TRY(tn_cuda_serves(r, &pool_source));
    return tn_pool_prepare(r);
}

static tn_pool_args args_of(const tn_op_run *r, const tn_tensor *in, const tn_tensor *out) {
    const tn_pool_attr *attr = r->op->attr;
    return (tn_pool_args){
        .attr = *attr,
        .in = *in,
        .out = *out,
        .places = attr->type == TN_POOL_MAX ? r->save : NULL,
        .small = tn_pool_small(attr),
        .add = r->accumulate[0],
    };
}

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* names: for threads of one channel, and of four. */
static tn_status launch(tn_op_run *r, tn_pool_args args, const char *const names[2],
                        const tn_tensor *over, bool block_a_pixel) {
    const bool four = tn_cuda_takes_four(&args.in) && tn_cuda_takes_four(&args.out);
    const unsigned columns = (unsigned)(four ? over->c / 4 : over->c);
    tn_cuda_grid map = tn_cuda_tiles_of(columns, tn_pixels(over), TN_POOL_THREADS);
    if (block_a_pixel) map.grid.y = least((unsigned)tn_pixels(over), TN_CUDA_MOST_BLOCKS);
    return tn_gpu_launch(r->gpu, &pool_source, names[four], map.grid, map.block, 0,
                         TN_GPU_ARGS(&args), r->op->name);
}

static bool has_large_windows(const tn_op_run *r) {
    const tn_pool_attr *a = r->op->attr;
    const tn_pool_range rows = tn_pool_rows(r, r->out.h / 2);
    const tn_pool_range columns = tn_pool_columns(r, r->out.w / 2);
    return a->type != TN_POOL_MAX &&
           (rows.end - rows.begin) * (columns.end - columns.begin) >= MANY_CELLS;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    static const char *const max[] = {"tn_pool_max_1", "tn_pool_max_4"};
    static const char *const mean[] = {"tn_pool_mean_1", "tn_pool_mean_4"};
    static const char *const large[] = {"tn_pool_large_mean_1", "tn_pool_large_mean_4"};
    const tn_pool_attr *a = r->op->attr;
    const bool is_large = has_large_windows(r);
    return launch(r, args_of(r, &r->in[0], &r->out),
                  a->type == TN_POOL_MAX ? max
                  : is_large             ? large
                                         : mean,
                  &r->out, is_large);
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    static const char *const max[] = {"tn_pool_max_gradient_1", "tn_pool_max_gradient_4"};
    static const char *const mean[] = {"tn_pool_mean_gradient_1", "tn_pool_mean_gradient_4"};
    const tn_pool_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    return launch(r, args_of(r, &r->din[0], &r->dout), a->type == TN_POOL_MAX ? max : mean,
                  &r->din[0], false);
}

const tn_kernel tn_pool_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};
const tn_kernel tn_pool_backward_cuda = {"cuda", prepare, backward, NULL, TN_ON_GPU};

#include "layers/ops/norm_act_cuda.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/elements.h"

TN_GPU_SOURCE(norm_act);

/* How a map is shared out: to threads of `width` channels, to blocks of `part_pixels` pixels, whole
 * chunks of their threads. The same in every run on a GPU of the same size. */
typedef struct share {
    tn_cuda_grid map;
    unsigned part_pixels, parts;
} share;

static share share_of(const tn_gpu *gpu, const tn_tensor *t, int width) {
    const size_t pixels = tn_pixels(t);
    share s = {
        .map = tn_cuda_tiles_of((unsigned)((t->c + width - 1) / width), pixels, TN_NORM_THREADS)};
    const size_t chunk = (size_t)s.map.block.y * TN_NORM_CHUNK;
    const size_t chunks = (pixels + chunk - 1) / chunk;
    const size_t blocks = (size_t)tn_gpu_limits_of(gpu)->processors * TN_NORM_WAVES;
    const size_t across = s.map.grid.x;
    const size_t most = across > 0 && across < blocks ? blocks / across : 1;
    s.part_pixels = (unsigned)((chunks + most - 1) / most * chunk);
    s.parts = (unsigned)((pixels + s.part_pixels - 1) / s.part_pixels);
    s.map.grid.y = s.parts;
    return s;
}

/* Scratch is the parts' moments or sums, then the rows. Which width it will be, addresses say. */
static size_t part_bytes(const tn_gpu *gpu, const tn_tensor *t) {
    const size_t one = share_of(gpu, t, 1).parts, four = share_of(gpu, t, 4).parts;
    return (one > four ? one : four) * (size_t)t->c * sizeof(tn_norm_part);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    if (r->op->n_in > TN_NORM_INPUTS) return TN_REFUSED;
    TN_TRY(tn_cuda_serves(r, &norm_act_source));
    TN_TRY(tn_norm_act_prepare(r));
    k->scratch_bytes =
        part_bytes(r->gpu, &r->out) + TN_NORM_ROWS * (size_t)r->out.c * sizeof(float);
    return TN_OK;
}

static tn_norm_slope slope_of(const tn_op_run *r) {
    const tn_norm_act_attr *a = r->op->attr;
    switch (a->activation) {
    case TN_LINEAR:
        return TN_SLOPE_ONE;
    case TN_RELU:
    case TN_RELIE:
    case TN_LEAKY:
    case TN_REVLEAKY:
    case TN_RAMP:
        return a->batch_norm && r->op->n_in == 1 ? TN_SLOPE_SIGN : TN_SLOPE_OUTPUT;
    default:
        return tn_activation_from_output(a->activation) ? TN_SLOPE_OUTPUT : TN_SLOPE_INPUT;
    }
}

static tn_norm_act_args args_of(const tn_op_run *r, const tn_kernel_run *k) {
    const tn_norm_act_attr *attr = r->op->attr;
    tn_norm_act_args a = {.out = r->out,
                          .dout = r->dout,
                          .n_in = r->op->n_in,
                          .activation = attr->activation,
                          .slope = slope_of(r),
                          .batch_norm = attr->batch_norm,
                          .batch = tn_norm_uses_batch(r),
                          .pixels = (unsigned)tn_pixels(&r->out)};
    for (int i = 0; i < a.n_in; i++) {
        a.in[i] = r->in[i];
        a.din[i] = r->din[i];
        a.add |= (unsigned)r->accumulate[i] << i;
    }
    a.count = (unsigned)tn_valid_samples(r) * (unsigned)r->out.h * (unsigned)r->out.w;
    if (a.batch_norm || attr->bias) a.bias = r->param[TN_NORM_BIAS]->value;
    if (r->wants_params && r->op->n_param > 0) a.dbias = r->param[TN_NORM_BIAS]->grad;
    if (attr->batch_norm) {
        a.scale = r->param[TN_NORM_SCALE]->value;
        a.mean = r->param[TN_NORM_MEAN]->value;
        a.variance = r->param[TN_NORM_VARIANCE]->value;
        if (r->wants_params) a.dscale = r->param[TN_NORM_SCALE]->grad;
    }
    if (a.batch) a.saved = tn_norm_saved_in(r->save, r->out.c);
    a.part = k->scratch;
    a.row = (float *)((char *)k->scratch + part_bytes(r->gpu, &r->out));
    return a;
}

static bool takes_four(const tn_norm_act_args *a) {
    bool all = tn_cuda_takes_four(&a->out) && tn_cuda_takes_four(&a->dout);
    for (int i = 0; i < a->n_in; i++)
        all = all && tn_cuda_takes_four(&a->in[i]) && tn_cuda_takes_four(&a->din[i]);
    return all;
}

static tn_status launch(tn_op_run *r, const char *kernel, tn_cuda_grid map, tn_norm_act_args a) {
    return tn_gpu_launch(r->gpu, &norm_act_source, kernel, map.grid, map.block, 0, TN_GPU_ARGS(&a),
                         r->op->name);
}

/* Kernels over channels alone, `threads` each. */
static tn_status over_channels(tn_op_run *r, const char *kernel, unsigned threads,
                               tn_norm_act_args a) {
    const unsigned blocks = ((unsigned)a.out.c * threads + TN_NORM_THREADS - 1) / TN_NORM_THREADS;
    const tn_cuda_grid map = {.grid = {blocks, 1, 1}, .block = {TN_NORM_THREADS, 1, 1}};
    return launch(r, kernel, map, a);
}

/* Kernels over the map: those that write go over all of its pixels, those that sum over those that
 * count. */
typedef struct passes {
    tn_norm_act_args args;
    tn_cuda_grid writes, sums;
    bool four;
} passes;

static passes passes_of(const tn_op_run *r, const tn_kernel_run *k) {
    passes p = {.args = args_of(r, k)};
    p.four = takes_four(&p.args);
    const share s = share_of(r->gpu, &r->out, p.four ? 4 : 1);
    p.args.part_pixels = s.part_pixels;
    p.args.parts = (p.args.count + s.part_pixels - 1) / s.part_pixels;
    p.writes = p.sums = s.map;
    p.sums.grid.y = p.args.parts;
    return p;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    static const char *const moments[] = {"tn_norm_act_moments_1", "tn_norm_act_moments_4"};
    static const char *const values[] = {"tn_norm_act_values_1", "tn_norm_act_values_4"};
    const passes p = passes_of(r, k);
    if (p.args.batch) {
        size_t count;
        TN_TRY(tn_norm_act_count(r, &count));
        if (count > 0) TN_TRY(launch(r, moments[p.four], p.sums, p.args));
        TN_TRY(over_channels(r, "tn_norm_act_statistics", 32, p.args));
        if (count > 0) tn_norm_act_moved(r);
    } else if (p.args.batch_norm) {
        TN_TRY(over_channels(r, "tn_norm_act_rows", 1, p.args));
    }
    return launch(r, values[p.four], p.writes, p.args);
}

static bool wants_input_gradient(const tn_op_run *r) {
    for (int i = 0; i < r->op->n_in; i++)
        if (r->din[i].data) return true;
    return false;
}

static tn_status backward(tn_op_run *r, tn_kernel_run *k) {
    static const char *const sums[] = {"tn_norm_act_sums_1", "tn_norm_act_sums_4"};
    static const char *const gradients[] = {"tn_norm_act_gradients_1", "tn_norm_act_gradients_4"};
    const passes p = passes_of(r, k);
    if (p.args.batch_norm) TN_TRY(over_channels(r, "tn_norm_act_rows", 1, p.args));
    if ((p.args.batch || p.args.dbias) && p.args.count > 0) {
        TN_TRY(launch(r, sums[p.four], p.sums, p.args));
        TN_TRY(over_channels(r, "tn_norm_act_share_sums", 32, p.args));
    }
    return wants_input_gradient(r) ? launch(r, gradients[p.four], p.writes, p.args) : TN_OK;
}

const tn_kernel tn_norm_act_forward_cuda = {"cuda", prepare, forward, NULL, TN_ON_GPU};
const tn_kernel tn_norm_act_backward_cuda = {"cuda", prepare, backward, NULL, TN_ON_GPU};

#include "layers/ops/convolution_grouped_cuda.h"

#include "layers/ops/convolution_cuda.h"
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/cuda_kernels.h"

TN_GPU_SOURCE(convolution_grouped);

enum { WARPS = TN_GROUPED_WARPS, ACROSS = TN_GROUPED_ACROSS, LANES = 32 };
enum { CHANNELS_A_WARP = LANES * TN_GROUPED_EACH, PACK_THREADS = 256, MOST_BLOCKS = 1 << 20 };
enum { LEAST_RUNS = 4 }; /* of pixels, in a split of the weights' gradient */

/* ---- which kernel ---- */

static const char *const correlations[2][6][3] = {
    {[1] = {NULL, "tn_grouped_f32_1_1"},
     [2] = {NULL, "tn_grouped_f32_2_1"},
     [3] = {NULL, "tn_grouped_f32_3_1", "tn_grouped_f32_3_2"},
     [5] = {NULL, "tn_grouped_f32_5_1", "tn_grouped_f32_5_2"}},
    {[1] = {NULL, "tn_grouped_bf16_1_1"},
     [2] = {NULL, "tn_grouped_bf16_2_1"},
     [3] = {NULL, "tn_grouped_bf16_3_1", "tn_grouped_bf16_3_2"},
     [5] = {NULL, "tn_grouped_bf16_5_1", "tn_grouped_bf16_5_2"}},
};
static const char *const weight_parts[2][6][3] = {
    {[3] = {NULL, "tn_grouped_weights_f32_3_1", "tn_grouped_weights_f32_3_2"},
     [5] = {NULL, "tn_grouped_weights_f32_5_1", "tn_grouped_weights_f32_5_2"}},
    {[3] = {NULL, "tn_grouped_weights_bf16_3_1", "tn_grouped_weights_bf16_3_2"},
     [5] = {NULL, "tn_grouped_weights_bf16_5_1", "tn_grouped_weights_bf16_5_2"}},
};

/* Whether memory allows loads of four channels, as far as shapes say. */
static bool in_fours(const tn_tensor *t, int groups) {
    return t->c / groups % 4 == 0 && t->pitch % 4 == 0;
}

static tn_status check(const tn_op_run *r, const tn_tensor *out) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0];
    const bool shape = a->groups > 1 && a->kh == a->kw && (a->kh == 3 || a->kh == 5) &&
                       a->stride_y == a->stride_x && a->stride_y <= 2 && a->dilation == 1;
    const bool memory = in_fours(in, a->groups) && in_fours(out, a->groups) &&
                        in->dtype == out->dtype && in->dtype != TN_U8;
    return shape && memory && tn_gpu_has(r->gpu, &convolution_grouped_source) ? TN_OK : TN_REFUSED;
}

/* A part of a concatenation may begin anywhere, which only its address says. */
static bool is_aligned(const tn_tensor *t) {
    return (uintptr_t)t->data % (4 * tn_element_bytes(t)) == 0;
}

/* ---- forward, backward data ---- */

static tn_status pack(tn_op_run *r, tn_grouped_args *args) {
    const size_t count = (size_t)args->y.count * (size_t)args->x.count *
                         (size_t)args->from_channels * (size_t)args->to.c;
    return tn_gpu_launch(r->gpu, &convolution_grouped_source, "tn_grouped_pack",
                         tn_cuda_blocks(count, PACK_THREADS, MOST_BLOCKS),
                         (tn_gpu_extent){PACK_THREADS}, 0, TN_GPU_ARGS(args), r->op->name);
}

static unsigned channel_blocks(int channels) {
    return (unsigned)(channels + CHANNELS_A_WARP - 1) / CHANNELS_A_WARP;
}

static tn_status start(tn_op_run *r, const char *kernel, tn_grouped_args *args, size_t warps) {
    tn_gpu_extent grid = tn_cuda_blocks(warps, WARPS, MOST_BLOCKS);
    grid.y = channel_blocks(args->to.c);
    return tn_gpu_launch(r->gpu, &convolution_grouped_source, kernel, grid,
                         (tn_gpu_extent){LANES, WARPS, 1}, 0, TN_GPU_ARGS(args), r->op->name);
}

static tn_status correlate(tn_op_run *r, tn_grouped_args *args) {
    const size_t runs = ((size_t)args->x.to_count + ACROSS - 1) / ACROSS;
    const char *kernel = correlations[args->from.dtype == TN_BF16][args->x.count][args->step];
    TN_TRY(pack(r, args));
    return start(r, kernel, args, (size_t)args->to.n * (size_t)args->y.to_count * runs);
}

/* Every phase's weights beside each other. */
static size_t weight_count(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    const int filters = r->out.n ? r->out.c : r->dout.c;
    return (size_t)filters * (size_t)(r->in[0].c / a->groups) * (size_t)(a->kh * a->kw);
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(check(r, &r->out));
    k->scratch_bytes = weight_count(r) * sizeof(float);
    return TN_OK;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    if (!is_aligned(&r->in[0])) return tn_cuda_convolution_forward(r, a);
    tn_grouped_args args = {
        .from = r->in[0],
        .to = r->out,
        .packed = k->scratch,
        .y = tn_grouped_forward_axis(a->kh, a->pad_y, r->out.h),
        .x = tn_grouped_forward_axis(a->kw, a->pad_x, r->out.w),
        .step = a->stride_y,
        .to_step = 1,
        .from_channels = r->in[0].c / a->groups,
        .to_channels = r->out.c / a->groups,
        .weights = r->param[0]->value,
        .k = a->kh,
    };
    return correlate(r, &args);
}

static tn_status prepare_data(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(check(r, &r->dout));
    k->scratch_bytes = weight_count(r) * sizeof(float);
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    if (!is_aligned(&r->dout)) return tn_cuda_convolution_backward_data(r, a);
    const int stride = a->stride_y;
    float *packed = k->scratch;
    for (int phase = 0; phase < stride * stride; phase++) {
        const int y = phase / stride, x = phase % stride;
        tn_grouped_args args = {
            .from = r->dout,
            .to = r->din[0],
            .packed = packed,
            .y = tn_grouped_backward_axis(a->kh, stride, a->pad_y, y, r->din[0].h),
            .x = tn_grouped_backward_axis(a->kw, stride, a->pad_x, x, r->din[0].w),
            .step = 1,
            .to_step = stride,
            .from_channels = r->dout.c / a->groups,
            .to_channels = r->din[0].c / a->groups,
            .accumulate = r->accumulate[0],
            .weights = r->param[0]->value,
            .k = a->kh,
            .transposed = true,
        };
        if (args.y.to_count == 0 || args.x.to_count == 0) continue;
        TN_TRY(correlate(r, &args));
        packed += (size_t)args.y.count * (size_t)args.x.count * (size_t)args.from_channels *
                  (size_t)args.to.c;
    }
    return TN_OK;
}

/* ---- backward weights ---- */

static size_t warps_each(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    return (size_t)(r->in[0].c / a->groups / 4) * (size_t)a->kh;
}

static int splits_of(const tn_op_run *r) {
    const size_t runs = ((size_t)r->dout.w + ACROSS - 1) / ACROSS;
    return tn_cuda_convolution_splits(r->gpu, (size_t)r->dout.n * (size_t)r->dout.h * runs,
                                      warps_each(r) * LANES * channel_blocks(r->dout.c), LEAST_RUNS,
                                      weight_count(r));
}

/* Scratch also serves the kernel of any shape, where addresses turn out to be odd. */
static tn_status prepare_params(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(check(r, &r->dout));
    TN_TRY(tn_cuda_convolution_prepare(r, k, r->op->attr, TN_BACKWARD_PARAMS));
    const size_t bytes = (size_t)splits_of(r) * weight_count(r) * sizeof(float);
    if (bytes > k->scratch_bytes) k->scratch_bytes = bytes;
    return TN_OK;
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    if (!is_aligned(&r->in[0]) || !is_aligned(&r->dout))
        return tn_cuda_convolution_backward_params(r, k, a);
    tn_grouped_args args = {
        .from = r->in[0],
        .to = r->dout,
        .packed = k->scratch,
        .y = tn_grouped_forward_axis(a->kh, a->pad_y, r->dout.h),
        .x = tn_grouped_forward_axis(a->kw, a->pad_x, r->dout.w),
        .step = a->stride_y,
        .from_channels = r->in[0].c / a->groups,
        .to_channels = r->dout.c / a->groups,
        .splits = splits_of(r),
    };
    const char *kernel = weight_parts[args.from.dtype == TN_BF16][a->kh][a->stride_y];
    TN_TRY(start(r, kernel, &args, warps_each(r) * (size_t)args.splits));
    return tn_cuda_convolution_add_parts(r, a, k->scratch, args.splits);
}

const tn_kernel tn_convolution_forward_grouped_cuda = {"cuda grouped", prepare_forward, forward,
                                                       NULL, TN_ON_GPU};
const tn_kernel tn_convolution_backward_data_grouped_cuda = {"cuda grouped", prepare_data,
                                                             backward_data, NULL, TN_ON_GPU};
const tn_kernel tn_convolution_backward_params_grouped_cuda = {"cuda grouped", prepare_params,
                                                               backward_params, NULL, TN_ON_GPU};

#include "layers/ops/convolution_cuda.h"

#include "layers/ops/convolution_kernels.h"
#include "layers/ops/cuda_kernels.h"

TN_GPU_SOURCE(convolution);

enum { THREADS = TN_CONVOLUTION_THREADS, SUMS = TN_CONVOLUTION_SUMS, MOST_BLOCKS = 1 << 20 };
enum { LEAST_PIXELS = 64, MOST_PARTS_BYTES = 64 << 20, THREADS_A_PROCESSOR = 2048 };

static size_t weights_of(const tn_op_run *r, const tn_convolution_attr *attr, int filters) {
    return (size_t)filters * (size_t)(r->in[0].c / attr->groups) * (size_t)(attr->kh * attr->kw);
}

int tn_cuda_convolution_splits(const tn_gpu *gpu, size_t pixels, size_t threads_each, size_t least,
                               size_t weights) {
    const size_t busy = (size_t)tn_gpu_limits_of(gpu)->processors * THREADS_A_PROCESSOR;
    size_t splits = busy / threads_each + 1;
    if (splits > pixels / least) splits = pixels / least;
    if (splits > MOST_PARTS_BYTES / (weights * sizeof(float)))
        splits = MOST_PARTS_BYTES / (weights * sizeof(float));
    return splits ? (int)splits : 1;
}

static int splits_of(const tn_op_run *r, const tn_convolution_attr *attr) {
    const size_t weights = weights_of(r, attr, r->dout.c);
    return tn_cuda_convolution_splits(r->gpu, tn_pixels(&r->dout), weights, LEAST_PIXELS, weights);
}

tn_status tn_cuda_convolution_prepare(tn_op_run *r, tn_kernel_run *k,
                                      const tn_convolution_attr *attr, tn_pass pass) {
    if (!tn_gpu_has(r->gpu, &convolution_source) || r->in[0].dtype == TN_U8) return TN_REFUSED;
    if (pass != TN_BACKWARD_PARAMS) return TN_OK;
    k->scratch_bytes = (size_t)splits_of(r, attr) * weights_of(r, attr, r->dout.c) * sizeof(float);
    return TN_OK;
}

static tn_convolution_args args_of(const tn_op_run *r, const tn_convolution_attr *attr,
                                   const tn_tensor *out) {
    return (tn_convolution_args){
        .attr = *attr,
        .in = r->in[0],
        .out = *out,
        .din = r->din[0],
        .weights = r->param[0]->value,
        .gradient = r->param[0]->grad,
        .channels = r->in[0].c / attr->groups,
        .filters = out->c / attr->groups,
        .accumulate = r->accumulate[0],
    };
}

static tn_status launch(tn_op_run *r, const char *kernel, tn_convolution_args *args, size_t count) {
    return tn_gpu_launch(r->gpu, &convolution_source, kernel,
                         tn_cuda_blocks(count, THREADS, MOST_BLOCKS), (tn_gpu_extent){THREADS}, 0,
                         TN_GPU_ARGS(args), r->op->name);
}

/* A thread for every pixel and SUMS channels of a group. */
static size_t items(const tn_tensor *t, int groups) {
    return tn_pixels(t) * (size_t)groups * (((size_t)(t->c / groups) + SUMS - 1) / SUMS);
}

tn_status tn_cuda_convolution_forward(tn_op_run *r, const tn_convolution_attr *attr) {
    tn_convolution_args args = args_of(r, attr, &r->out);
    return launch(r, "tn_convolution_forward", &args, items(&r->out, attr->groups));
}

tn_status tn_cuda_convolution_backward_data(tn_op_run *r, const tn_convolution_attr *attr) {
    if (!r->din[0].data) return TN_OK;
    tn_convolution_args args = args_of(r, attr, &r->dout);
    return launch(r, "tn_convolution_backward_data", &args, items(&r->din[0], attr->groups));
}

tn_status tn_cuda_convolution_add_parts(tn_op_run *r, const tn_convolution_attr *attr, float *parts,
                                        int splits) {
    tn_convolution_args args = args_of(r, attr, &r->dout);
    args.parts = parts;
    args.splits = splits;
    return launch(r, "tn_convolution_add_parts", &args, weights_of(r, attr, r->dout.c));
}

tn_status tn_cuda_convolution_backward_params(tn_op_run *r, tn_kernel_run *k,
                                              const tn_convolution_attr *attr) {
    tn_convolution_args args = args_of(r, attr, &r->dout);
    args.parts = k->scratch;
    args.splits = splits_of(r, attr);
    TN_TRY(launch(r, "tn_convolution_weight_parts", &args,
                  weights_of(r, attr, r->dout.c) * (size_t)args.splits));
    return tn_cuda_convolution_add_parts(r, attr, k->scratch, args.splits);
}

/* ---- as kernels of convolution ---- */

static tn_status prepare_sums(tn_op_run *r, tn_kernel_run *k) {
    return tn_cuda_convolution_prepare(r, k, r->op->attr, TN_FORWARD);
}

static tn_status prepare_params(tn_op_run *r, tn_kernel_run *k) {
    return tn_cuda_convolution_prepare(r, k, r->op->attr, TN_BACKWARD_PARAMS);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_cuda_convolution_forward(r, r->op->attr);
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return tn_cuda_convolution_backward_data(r, r->op->attr);
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    return tn_cuda_convolution_backward_params(r, k, r->op->attr);
}

const tn_kernel tn_convolution_forward_cuda = {"cuda", prepare_sums, forward, NULL, TN_ON_GPU};
const tn_kernel tn_convolution_backward_data_cuda = {"cuda", prepare_sums, backward_data, NULL,
                                                     TN_ON_GPU};
const tn_kernel tn_convolution_backward_params_cuda = {"cuda", prepare_params, backward_params,
                                                       NULL, TN_ON_GPU};

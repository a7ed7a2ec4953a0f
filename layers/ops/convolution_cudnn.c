/* Dense convolution on the GPU by cuDNN: NHWC, true fp32, TF32 or bf16, deterministic algorithms.
 *
 * The fastest algorithm is found by running all of them on memory taken for that, once: the choice
 * is kept (choices.h). cuDNN reads filters as (k, taps, c) in the images' dtype, ours lie in files'
 * order, (k, c, taps), fp32: they are packed before and unpacked after. */
#include "layers/device/cudnn.h"
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/strided_copy_cuda.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_ALGORITHMS = 10, NO_ALGORITHM = -1, ALIGNMENT = 256 };
/* Room that algorithms are measured with, at most. */
static const size_t most_workspace = (size_t)256 << 20;

/* One pass, prepared. What names x, w and y elsewhere are in, weights and out, or their gradients.
 */
typedef struct plan {
    const tn_cudnn *cudnn;
    void *handle;
    void *x, *w, *y, *convolution; /* descriptors */
    tn_pass pass;
    int algorithm;
    size_t workspace_bytes, filter_bytes;
} plan;

#define CALL(p, r, function, ...)                                                                  \
    TN_TRY(tn_cudnn_check((p)->cudnn, (p)->cudnn->function(__VA_ARGS__), "cudnn" #function,        \
                          (r)->op->name))

/* ---- descriptors ---- */

static int type_of(const tn_tensor *t) {
    return t->dtype == TN_BF16 ? TN_CUDNN_BFLOAT16 : TN_CUDNN_FLOAT;
}

static tn_status describe_view(const plan *p, const tn_op_run *r, const tn_tensor *t, void **out) {
    CALL(p, r, CreateTensorDescriptor, out);
    CALL(p, r, SetTensor4dDescriptorEx, *out, type_of(t), t->n, t->c, t->h, t->w,
         t->h * t->w * t->pitch, 1, t->w * t->pitch, t->pitch);
    return TN_OK;
}

static tn_status describe(plan *p, const tn_op_run *r, const tn_tensor *out) {
    static const int math[] = {TN_CUDNN_FMA_MATH, TN_CUDNN_DEFAULT_MATH, TN_CUDNN_TENSOR_OP_MATH};
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0];
    TN_TRY(describe_view(p, r, in, &p->x));
    TN_TRY(describe_view(p, r, out, &p->y));
    CALL(p, r, CreateFilterDescriptor, &p->w);
    CALL(p, r, SetFilter4dDescriptor, p->w, type_of(in), TN_CUDNN_NHWC, out->c, in->c, a->kh,
         a->kw);
    CALL(p, r, CreateConvolutionDescriptor, &p->convolution);
    CALL(p, r, SetConvolution2dDescriptor, p->convolution, a->pad_y, a->pad_x, a->stride_y,
         a->stride_x, a->dilation, a->dilation, TN_CUDNN_CROSS_CORRELATION, TN_CUDNN_FLOAT);
    CALL(p, r, SetConvolutionMathType, p->convolution, math[r->precision]);
    return TN_OK;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    plan *p = k->state;
    (void)r;
    if (!p) return;
    if (p->x) (void)p->cudnn->DestroyTensorDescriptor(p->x);
    if (p->y) (void)p->cudnn->DestroyTensorDescriptor(p->y);
    if (p->w) (void)p->cudnn->DestroyFilterDescriptor(p->w);
    if (p->convolution) (void)p->cudnn->DestroyConvolutionDescriptor(p->convolution);
    free(p);
    k->state = NULL;
}

/* ---- the algorithm ---- */

/* Says all that a measurement depends on. */
static void name_choice(const plan *p, const tn_op_run *r, const tn_tensor *out, char *text,
                        size_t room) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0];
    snprintf(text, room, "cudnn %s %dx%dx%dx%d/%d to %d/%d %dx%d/%dx%d+%dx%d*%d %s",
             tn_pass_name(p->pass), in->n, in->h, in->w, in->c, in->pitch, out->c, out->pitch,
             a->kh, a->kw, a->stride_y, a->stride_x, a->pad_y, a->pad_x, a->dilation,
             tn_precision_name(r->precision));
}

/* fp32 shall be true fp32: an algorithm of the tensor cores would round to TF32. */
static bool is_wanted(const tn_op_run *r, const tn_cudnn_timing *t) {
    const bool exact = r->precision != TN_PRECISION_FP32 || t->math == TN_CUDNN_FMA_MATH ||
                       t->math == TN_CUDNN_DEFAULT_MATH;
    return t->status == TN_CUDNN_SUCCESS && t->deterministic == TN_CUDNN_DETERMINISTIC && exact;
}

/* Memory to measure on. */
typedef struct trial {
    void *x, *w, *y, *workspace;
    size_t room;
} trial;

static tn_status open_trial(const tn_op_run *r, const tn_tensor *out, size_t filter_bytes,
                            trial *t) {
    const tn_tensor *views[] = {&r->in[0], out};
    void **places[] = {&t->x, &t->y};
    size_t free_bytes = 0, all = 0;
    for (int i = 0; i < 2; i++) {
        const size_t bytes =
            tn_pixels(views[i]) * (size_t)views[i]->pitch * tn_element_bytes(views[i]);
        TN_TRY(tn_gpu_alloc(r->gpu, bytes, r->op->name, places[i]));
        TN_TRY(tn_gpu_zero(r->gpu, *places[i], bytes, r->op->name));
    }
    TN_TRY(tn_gpu_alloc(r->gpu, filter_bytes, r->op->name, &t->w));
    TN_TRY(tn_gpu_zero(r->gpu, t->w, filter_bytes, r->op->name));
    TN_TRY(tn_gpu_memory(r->gpu, &free_bytes, &all));
    t->room = free_bytes / 4 < most_workspace ? free_bytes / 4 : most_workspace;
    return tn_gpu_alloc(r->gpu, t->room, "a workspace of cuDNN", &t->workspace);
}

static void close_trial(const tn_op_run *r, trial *t) {
    tn_gpu_free(r->gpu, t->x);
    tn_gpu_free(r->gpu, t->w);
    tn_gpu_free(r->gpu, t->y);
    tn_gpu_free(r->gpu, t->workspace);
}

static int find(const plan *p, const trial *t, int *found, tn_cudnn_timing *timing) {
    const tn_cudnn *c = p->cudnn;
    switch (p->pass) {
    case TN_FORWARD:
        return c->FindConvolutionForwardAlgorithmEx(p->handle, p->x, t->x, p->w, t->w,
                                                    p->convolution, p->y, t->y, MOST_ALGORITHMS,
                                                    found, timing, t->workspace, t->room);
    case TN_BACKWARD_DATA:
        return c->FindConvolutionBackwardDataAlgorithmEx(
            p->handle, p->w, t->w, p->y, t->y, p->convolution, p->x, t->x, MOST_ALGORITHMS, found,
            timing, t->workspace, t->room);
    default:
        return c->FindConvolutionBackwardFilterAlgorithmEx(
            p->handle, p->x, t->x, p->y, t->y, p->convolution, p->w, t->w, MOST_ALGORITHMS, found,
            timing, t->workspace, t->room);
    }
}

/* The fastest that is wanted; NO_ALGORITHM when cuDNN has none for these shapes. */
static tn_status measure(plan *p, const tn_op_run *r, const tn_tensor *out) {
    tn_cudnn_timing timing[MOST_ALGORITHMS];
    trial t = {0};
    int found = 0;
    p->algorithm = NO_ALGORITHM;
    tn_status status = open_trial(r, out, p->filter_bytes, &t);
    if (status == TN_OK && find(p, &t, &found, timing) == TN_CUDNN_SUCCESS)
        for (int i = found - 1; i >= 0; i--)
            if (is_wanted(r, &timing[i])) p->algorithm = timing[i].algorithm;
    if (status == TN_OK) status = tn_gpu_synchronize(r->gpu, r->op->name);
    close_trial(r, &t);
    return status;
}

static tn_status choose(plan *p, const tn_op_run *r, const tn_tensor *out) {
    char name[200];
    name_choice(p, r, out, name, sizeof name);
    if (!tn_choices_find(r->choices, name, &p->algorithm)) {
        TN_TRY(measure(p, r, out));
        TN_TRY(tn_choices_add(r->choices, name, p->algorithm));
    }
    return p->algorithm == NO_ALGORITHM ? TN_REFUSED : TN_OK;
}

static int room(const plan *p, size_t *bytes) {
    const tn_cudnn *c = p->cudnn;
    switch (p->pass) {
    case TN_FORWARD:
        return c->GetConvolutionForwardWorkspaceSize(p->handle, p->x, p->w, p->convolution, p->y,
                                                     p->algorithm, bytes);
    case TN_BACKWARD_DATA:
        return c->GetConvolutionBackwardDataWorkspaceSize(p->handle, p->w, p->y, p->convolution,
                                                          p->x, p->algorithm, bytes);
    default:
        return c->GetConvolutionBackwardFilterWorkspaceSize(p->handle, p->x, p->y, p->convolution,
                                                            p->w, p->algorithm, bytes);
    }
}

/* ---- preparing ---- */

static bool is_served(const tn_op_run *r, const tn_tensor *out) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_dtype wanted = r->precision == TN_PRECISION_BF16 ? TN_BF16 : TN_REAL;
    return a->groups == 1 && r->in[0].dtype == wanted && out->dtype == wanted &&
           tn_cuda_copies(r->gpu);
}

static size_t aligned(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Whether the weights can be read where they lie. */
static bool is_filter(const tn_op_run *r) {
    const tn_convolution_attr *a = r->op->attr;
    return r->in[0].dtype == TN_REAL && ((a->kh == 1 && a->kw == 1) || r->in[0].c == 1);
}

static tn_status plan_pass(plan *p, tn_op_run *r, const tn_tensor *out) {
    const tn_convolution_attr *a = r->op->attr;
    const size_t count = (size_t)out->c * (size_t)r->in[0].c * (size_t)(a->kh * a->kw);
    TN_TRY(describe(p, r, out));
    p->filter_bytes = aligned(count * tn_element_bytes(&r->in[0]));
    TN_TRY(choose(p, r, out));
    return tn_cudnn_check(p->cudnn, room(p, &p->workspace_bytes), "cudnnGet...WorkspaceSize",
                          r->op->name);
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k, tn_pass pass, const tn_tensor *out) {
    void *handle = NULL;
    if (!is_served(r, out)) return TN_REFUSED;
    const tn_cudnn *cudnn = tn_gpu_cudnn(r->gpu, &handle);
    if (!cudnn) return TN_REFUSED;
    plan *p = calloc(1, sizeof *p);
    if (!p) return tn_fail("%s: out of memory", r->op->name);
    *p = (plan){.cudnn = cudnn, .handle = handle, .pass = pass};
    k->state = p;
    const tn_status status = plan_pass(p, r, out);
    if (status != TN_OK) {
        release(r, k);
        return status;
    }
    const bool packs = pass == TN_BACKWARD_PARAMS || !is_filter(r);
    k->scratch_bytes = aligned(p->workspace_bytes) + (packs ? p->filter_bytes : 0);
    return TN_OK;
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, TN_FORWARD, &r->out);
}
static tn_status prepare_data(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, TN_BACKWARD_DATA, &r->dout);
}
static tn_status prepare_params(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, TN_BACKWARD_PARAMS, &r->dout);
}

/* ---- running ---- */

static const float zero = 0, one = 1;

/* Where filters are kept in cuDNN's order: behind the workspace. */
static void *packed_at(const plan *p, const tn_kernel_run *k) {
    return (char *)k->scratch + aligned(p->workspace_bytes);
}

static tn_status filters(const plan *p, tn_op_run *r, tn_kernel_run *k, int outputs,
                         const void **w) {
    const tn_convolution_attr *a = r->op->attr;
    *w = r->param[0]->value;
    if (is_filter(r)) return TN_OK;
    *w = packed_at(p, k);
    return tn_cuda_pack_filters(r, r->param[0], (size_t)outputs, (size_t)r->in[0].c,
                                (size_t)a->kh * (size_t)a->kw, packed_at(p, k), r->in[0].dtype);
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    const plan *p = k->state;
    const void *w;
    TN_TRY(filters(p, r, k, r->out.c, &w));
    CALL(p, r, ConvolutionForward, p->handle, &one, p->x, r->in[0].data, p->w, w, p->convolution,
         p->algorithm, k->scratch, p->workspace_bytes, &zero, p->y, r->out.data);
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    const plan *p = k->state;
    const void *w;
    if (!r->din[0].data) return TN_OK;
    TN_TRY(filters(p, r, k, r->dout.c, &w));
    CALL(p, r, ConvolutionBackwardData, p->handle, &one, p->w, w, p->y, r->dout.data,
         p->convolution, p->algorithm, k->scratch, p->workspace_bytes,
         r->accumulate[0] ? &one : &zero, p->x, r->din[0].data);
    return TN_OK;
}

static tn_status backward_params(tn_op_run *r, tn_kernel_run *k) {
    const plan *p = k->state;
    const tn_convolution_attr *a = r->op->attr;
    void *dw = packed_at(p, k);
    CALL(p, r, ConvolutionBackwardFilter, p->handle, &one, p->x, r->in[0].data, p->y, r->dout.data,
         p->convolution, p->algorithm, k->scratch, p->workspace_bytes, &zero, p->w, dw);
    return tn_cuda_add_filters(r, r->param[0], (size_t)r->dout.c, (size_t)r->in[0].c,
                               (size_t)a->kh * (size_t)a->kw, dw, r->in[0].dtype);
}

const tn_kernel tn_convolution_forward_cudnn = {"cudnn", prepare_forward, forward, release,
                                                TN_ON_GPU};
const tn_kernel tn_convolution_backward_data_cudnn = {"cudnn", prepare_data, backward_data, release,
                                                      TN_ON_GPU};
const tn_kernel tn_convolution_backward_params_cudnn = {"cudnn", prepare_params, backward_params,
                                                        release, TN_ON_GPU};

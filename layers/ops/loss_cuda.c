#include "layers/ops/loss_cuda.h"

#include "layers/ops/cuda_kernels.h"
#include "layers/ops/elements.h"
#include "layers/ops/ref_kernels.h"

TN_GPU_SOURCE(loss);

enum { THREADS = TN_LOSS_THREADS };

static tn_status launch(tn_op_run *r, const char *kernel, tn_gpu_extent grid, unsigned threads,
                        void *args) {
    return tn_gpu_launch(r->gpu, &loss_source, kernel, grid, (tn_gpu_extent){threads}, 0,
                         TN_GPU_ARGS(args), r->op->name);
}

/* Kernels count an image's outputs in 31 bits. */
static tn_status serves(const tn_op_run *r) {
    return tn_image_elements(&r->out) <= INT32_MAX ? tn_cuda_serves(r, &loss_source) : TN_REFUSED;
}

static const float *truth_of(const tn_op_run *r) {
    return r->step ? r->step->truth : NULL;
}

/* The loss from its parts in the pass's scratch; 0 from none. Without truth nobody asks for it. */
static tn_status total(tn_op_run *r, const tn_kernel_run *k, size_t parts, double weight) {
    if (!truth_of(r)) return TN_OK;
    tn_loss_total_args args = {k->scratch, (int)parts, weight, r->loss_at};
    return launch(r, "tn_loss_total", (tn_gpu_extent){1}, THREADS, &args);
}

/* ---- softmax ---- */

static size_t rows_of(const tn_op_run *r) {
    const tn_softmax_attr *a = r->op->attr;
    return (size_t)r->out.n * (size_t)a->groups;
}

static tn_status prepare_softmax(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(tn_softmax_forward_ref.prepare(r, k)); /* the groups must divide */
    return rows_of(r) <= INT32_MAX ? serves(r) : TN_REFUSED;
}

static tn_status prepare_softmax_forward(tn_op_run *r, tn_kernel_run *k) {
    TN_TRY(prepare_softmax(r, k));
    k->scratch_bytes = rows_of(r) * sizeof(double);
    return TN_OK;
}

static tn_status softmax(tn_op_run *r, const char *kernel, tn_softmax_args args) {
    const tn_softmax_attr *a = r->op->attr;
    args.in = r->in[0];
    args.out = r->out;
    args.truth = a->loss_weight == 0 ? NULL : truth_of(r);
    args.groups = a->groups;
    args.count = (int)(tn_image_elements(&r->out) / (size_t)a->groups);
    args.n_valid = tn_valid_samples(r);
    args.temperature = a->temperature;
    return launch(r, kernel, (tn_gpu_extent){(unsigned)rows_of(r)},
                  args.count <= TN_LOSS_WARP ? TN_LOSS_WARP : THREADS, &args);
}

static tn_status forward_softmax(tn_op_run *r, tn_kernel_run *k) {
    const tn_softmax_attr *a = r->op->attr;
    TN_TRY(softmax(r, "tn_softmax_forward", (tn_softmax_args){.losses = k->scratch}));
    return total(r, k, a->loss_weight == 0 ? 0 : rows_of(r), a->loss_weight);
}

static tn_status backward_softmax(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_softmax_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    return softmax(r, "tn_softmax_backward",
                   (tn_softmax_args){.dout = r->dout,
                                     .din = r->din[0],
                                     .weight = r->step ? a->loss_weight * r->step->grad_scale : 0,
                                     .add = r->accumulate[0]});
}

/* ---- cost ---- */

static tn_gpu_extent cost_blocks(const tn_op_run *r) {
    return tn_cuda_blocks(tn_elements(&r->out), THREADS, TN_COST_MOST_BLOCKS);
}

static tn_status prepare_cost(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    return serves(r);
}

static tn_status prepare_cost_forward(tn_op_run *r, tn_kernel_run *k) {
    k->scratch_bytes = cost_blocks(r).x * sizeof(double);
    return serves(r);
}

static tn_status cost(tn_op_run *r, const char *kernel, tn_cost_args args) {
    const tn_cost_attr *a = r->op->attr;
    args.in = r->in[0];
    args.out = r->out;
    args.truth = truth_of(r);
    args.n_valid = tn_valid_samples(r);
    args.type = a->type;
    return launch(r, kernel, cost_blocks(r), THREADS, &args);
}

static tn_status forward_cost(tn_op_run *r, tn_kernel_run *k) {
    const tn_cost_attr *a = r->op->attr;
    TN_TRY(cost(r, "tn_cost_forward", (tn_cost_args){.losses = k->scratch}));
    return total(r, k, cost_blocks(r).x, a->scale);
}

static tn_status backward_cost(tn_op_run *r, tn_kernel_run *k) {
    (void)k;
    const tn_cost_attr *a = r->op->attr;
    if (!r->din[0].data) return TN_OK;
    return cost(r, "tn_cost_backward",
                (tn_cost_args){.dout = r->dout,
                               .din = r->din[0],
                               .weight = r->step ? a->scale * r->step->grad_scale : 0,
                               .add = r->accumulate[0]});
}

const tn_kernel tn_softmax_forward_cuda = {"cuda", prepare_softmax_forward, forward_softmax, NULL,
                                           TN_ON_GPU};
const tn_kernel tn_softmax_backward_cuda = {"cuda", prepare_softmax, backward_softmax, NULL,
                                            TN_ON_GPU};
const tn_kernel tn_cost_forward_cuda = {"cuda", prepare_cost_forward, forward_cost, NULL,
                                        TN_ON_GPU};
const tn_kernel tn_cost_backward_cuda = {"cuda", prepare_cost, backward_cost, NULL, TN_ON_GPU};

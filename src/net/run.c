/* A replica: its making and its steps. */
#include "src/net/run.h"

#include "layers/ops/input.h"
#include "layers/ops/loss.h"
#include "src/net/run_parts.h"

#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_max_threads(void) {
    return 1;
}
#endif

/* ---- creating ---- */

static tn_status set_up_op(tn_run *run, tn_op_run *r, const tn_op *op) {
    const size_t n = (size_t)op->n_in;
    *r = (tn_op_run){.op = op, .mode = run->options.mode, .threads = run->options.threads};
    r->in = tn_arena_alloc(&run->arena, n * sizeof *r->in);
    r->din = tn_arena_alloc(&run->arena, n * sizeof *r->din);
    r->accumulate = tn_arena_alloc(&run->arena, n * sizeof *r->accumulate);
    r->param = tn_arena_alloc(&run->arena, (size_t)op->n_param * sizeof *r->param);
    if (!r->in || !r->din || !r->accumulate || !r->param) return TN_FAIL;
    for (int i = 0; i < op->n_param; i++) r->param[i] = &run->param[op->param[i]];
    for (int i = 0; i < op->n_in; i++) r->in[i] = run->tensor[op->in[i]].value;
    r->out = run->tensor[op->out].value;
    if (run->options.quantisation) r->quantisation = &run->options.quantisation[op->index];
    return TN_OK;
}

static void set_up_tensors(tn_run *run) {
    for (int t = 0; t < run->plan->n_tensors; t++) {
        const tn_shape s = run->plan->tensor[t].shape;
        run->tensor[t].value =
            (tn_tensor){.n = run->options.batch, .h = s.h, .w = s.w, .c = s.c, .pitch = s.c};
        run->tensor[t].value_item = run->tensor[t].grad_item = -1;
        run->tensor[t].value_twin = run->tensor[t].grad_twin = -1;
        if (run->gpu.precision == TN_PRECISION_BF16) run->tensor[t].value.dtype = TN_BF16;
    }
    run->tensor[run->output].value.dtype = TN_REAL;
    for (int i = 0; i < run->plan->n_ops; i++)
        if (tn_op_has_loss(&run->plan->op[i]))
            run->tensor[run->plan->op[i].out].value.dtype = TN_REAL;
    for (int i = 0; i < run->options.n_keep; i++) run->tensor[run->options.keep[i]].kept = true;
}

static tn_status set_up(tn_run *run) {
    const tn_plan *plan = run->plan;
    run->tensor = tn_arena_alloc(&run->arena, (size_t)plan->n_tensors * sizeof *run->tensor);
    if (!run->tensor) return TN_FAIL;
    set_up_tensors(run);
    const tn_op **op = tn_arena_alloc(&run->arena, (size_t)(plan->n_ops + 1) * sizeof *op);
    const int n_ops = op ? tn_run_choose_ops(run, op) : -1;
    if (n_ops < 0) return TN_FAIL;
    run->op = tn_arena_alloc(&run->arena, (size_t)(n_ops + 1) * sizeof *run->op);
    run->goes_back = tn_arena_alloc(&run->arena, (size_t)(n_ops + 1) * sizeof *run->goes_back);
    if (!run->op || !run->goes_back) return TN_FAIL;
    while (run->n_ops < n_ops) {
        TN_TRY(set_up_op(run, &run->op[run->n_ops], op[run->n_ops]));
        run->n_ops++;
    }
    tn_run_mark_needs_grad(run);
    tn_run_mark_backward(run);
    for (int i = 0; i < run->n_ops; i++) {
        tn_op_run *r = &run->op[i];
        if (run->goes_back[i] && run->tensor[r->op->out].has_grad) r->dout = r->out;
        if (tn_run_is_tail(run, i)) continue;
        TN_TRY(tn_run_offer_moments(run, i));
        if (tn_run_is_staged(run)) TN_TRY(tn_run_gpu_attach(&run->gpu, r, &run->arena));
        tn_run_offer_tail(run, i);
        TN_TRY(tn_op_prepare(r, run->options.kernels));
        tn_run_settle_tail(run, i);
        tn_run_settle_gradient(run, i);
    }
    return tn_run_take_memory(run);
}

tn_status tn_run_create(const tn_plan *plan, tn_param *param, const tn_run_options *options,
                        tn_run **out) {
    *out = NULL;
    if (options->batch < 1)
        return tn_fail("mini-batch of %d images, expected at least 1", options->batch);
    tn_run *run = calloc(1, sizeof *run);
    if (!run) return tn_fail("out of memory");
    run->plan = plan;
    run->param = param;
    run->options = *options;
    if (options->mode == TN_GRAD_FIXED_STATS) run->options.output_gradient = true;
    if (options->mirror || options->gpu) {
        if (tn_run_gpu_open(&run->gpu, options, param, plan->n_params) != TN_OK) {
            tn_run_free(run);
            return TN_FAIL;
        }
        run->options.mirror = run->gpu.mirror;
        run->param = tn_mirror_params(run->gpu.mirror);
    } else if (options->precision == TN_PRECISION_BF16) {
        run->gpu.precision = TN_PRECISION_BF16;
    }
    if (run->options.threads < 1) run->options.threads = omp_get_max_threads();
    const bool whole = options->mode == TN_TRAIN || options->output < 0;
    run->output = whole ? plan->output : options->output;
    tn_status status = set_up(run);
    if (status != TN_OK) {
        if (run->gpu.gpu && run->bytes && !run->gpu.block)
            status = tn_run_suggest(plan, param, &run->options);
        tn_run_free(run);
        return status;
    }
    *out = run;
    return TN_OK;
}

void tn_run_free(tn_run *run) {
    if (!run) return;
    for (int i = 0; i < run->n_ops; i++) tn_op_release(&run->op[i]);
    if (!run->gpu.gpu) tn_pages_free(run->block, run->bytes);
    tn_run_gpu_free(&run->gpu);
    tn_arena_free(&run->arena);
    free(run);
}

/* ---- running ---- */

/* Copies what callers wrote to where it is read. */
static tn_status twins_in(tn_run *run, bool backward) {
    const tn_run_tensor *in = &run->tensor[run->plan->input], *out = &run->tensor[run->output];
    if (!backward && run->gpu.widened) {
        run->gpu.widened = false;
        return TN_OK;
    }
    if (!backward) return tn_run_gpu_twin_in(&run->gpu, in->value_twin);
    return run->options.output_gradient ? tn_run_gpu_twin_in(&run->gpu, out->grad_twin) : TN_OK;
}

/* Copies what callers may read from there. */
static tn_status twins_out(tn_run *run, bool backward) {
    for (int t = 0; t < run->plan->n_tensors; t++) {
        const tn_run_tensor *s = &run->tensor[t];
        if (!backward && t == run->plan->input && !s->kept) continue;
        TN_TRY(tn_run_gpu_twin_out(&run->gpu, backward ? s->grad_twin : s->value_twin));
    }
    return TN_OK;
}

tn_status tn_run_input_bytes(tn_run *run, const uint8_t *bytes, const float *table) {
    const tn_tensor *in = &run->tensor[run->plan->input].value;
    if (tn_run_gpu_takes_bytes(&run->gpu, in))
        return tn_run_gpu_bytes_in(&run->gpu, in, bytes, table);
    tn_input_widen_ref(&(tn_input_args){tn_run_input(run), bytes, table});
    return TN_OK;
}

tn_status tn_run_forward(tn_run *run, const tn_step *step) {
    const bool on_gpu = run->gpu.gpu != NULL;
    if (on_gpu) TN_TRY(tn_run_gpu_begin(&run->gpu, step));
    TN_TRY(twins_in(run, false));
    for (int i = 0; i < run->n_ops; i++) {
        tn_op_run *r = &run->op[i];
        r->step = on_gpu ? &run->gpu.step : step;
        r->loss = 0;
        if (tn_op_forward(r) != TN_OK)
            return tn_fail_in("layer %d (%s)", r->op->layer, r->op->name);
    }
    if (on_gpu) TN_TRY(tn_run_gpu_fetch_losses(&run->gpu, run->op, run->n_ops));
    return twins_out(run, false);
}

tn_status tn_run_backward(tn_run *run) {
    TN_TRY(twins_in(run, true));
    for (int i = run->n_ops - 1; i >= 0; i--) {
        tn_op_run *r = &run->op[i];
        if (!run->goes_back[i]) continue;
        if (tn_op_backward(r) != TN_OK)
            return tn_fail_in("layer %d (%s)", r->op->layer, r->op->name);
    }
    return twins_out(run, true);
}

double tn_run_loss(const tn_run *run) {
    double sum = 0;
    for (int i = 0; i < run->n_ops; i++) sum += run->op[i].loss;
    return sum;
}

double tn_run_main_loss(const tn_run *run) {
    for (int i = run->n_ops - 1; i >= 0; i--) {
        if (tn_op_has_loss(run->op[i].op)) return run->op[i].loss;
    }
    return 0;
}

/* What callers see of a tensor: its twin in the processor's memory, or itself. */
static tn_tensor seen(const tn_run *run, tn_tensor own, int twin) {
    if (run->options.views_there || (!run->gpu.gpu && own.dtype == TN_REAL)) return own;
    if (twin >= 0) return run->gpu.twin[twin].here;
    own.data = NULL;
    return own;
}

tn_tensor tn_run_value(const tn_run *run, int tensor) {
    return seen(run, run->tensor[tensor].value, run->tensor[tensor].value_twin);
}

tn_tensor tn_run_gradient(const tn_run *run, int tensor) {
    return seen(run, run->tensor[tensor].grad, run->tensor[tensor].grad_twin);
}

tn_tensor tn_run_input(const tn_run *run) {
    return tn_run_value(run, run->plan->input);
}

tn_tensor tn_run_output(const tn_run *run) {
    return tn_run_value(run, run->output);
}

size_t tn_run_bytes(const tn_run *run) {
    return run->bytes;
}

size_t tn_run_bytes_unshared(const tn_run *run) {
    return run->bytes_unshared;
}

int tn_run_ops(const tn_run *run) {
    return run->n_ops;
}

tn_op_run *tn_run_op(const tn_run *run, int i) {
    return &run->op[i];
}

int tn_run_int8_ops(const tn_run *run) {
    int n = 0;
    for (int i = 0; i < run->n_ops; i++) {
        const tn_kernel *kernel = run->op[i].pass[TN_FORWARD].kernel;
        n += kernel && strcmp(kernel->name, "int8") == 0;
    }
    return n;
}

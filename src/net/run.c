/* A replica: which ops live, who writes each gradient first, where everything lies. */
#include "src/net/run.h"

#include "layers/ops/input.h"
#include "layers/ops/loss.h"
#include "src/net/layout.h"
#include "src/net/merge.h"
#include "src/net/run_gpu.h"

#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_max_threads(void) {
    return 1;
}
#endif

/* One plan tensor in this replica. Places are in the layout; -1: not in memory. */
typedef struct tensor_state {
    bool live, needs_grad, has_grad, kept;
    int over;      /* tensor whose memory it takes over; 0: none (tensor 0 is the input) */
    int grad_over; /* tensor whose gradient's memory its own takes over; 0: none */
    int value_item, grad_item;
    tn_tensor value, grad;
    int value_twin, grad_twin; /* what callers see of it; -1: itself, or nothing on a GPU */
} tensor_state;

struct tn_run {
    const tn_plan *plan;
    tn_param *param;
    tn_run_options options;
    int output;
    tensor_state *tensor; /* plan->n_tensors */
    tn_op_run *op;        /* n_ops, the live ones in order */
    bool *goes_back;      /* n_ops: this op's backward runs */
    int n_ops;
    tn_layout_item *item;
    int n_items;
    void *block;
    size_t bytes, bytes_unshared;
    tn_arena arena;
    tn_run_gpu gpu; /* gpu.gpu is NULL on the processor, its precision fp32 or bf16 there */
};

/* Whether what callers see, and some kernels, is not what lies in the replica's memory. */
static bool is_staged(const tn_run *run) {
    return run->gpu.gpu || run->gpu.precision == TN_PRECISION_BF16;
}

static bool is_loss_source(const tn_run *run, const tn_op *op) {
    return run->options.mode == TN_TRAIN && tn_op_has_loss(op);
}

/* ---- which ops live, which tensors need a gradient ---- */

/* Marks what the output needs, and in training what every loss needs; the rest (training-only heads
 * in inference) is left out. */
static void mark_live(const tn_run *run, bool *live) {
    const tn_plan *plan = run->plan;
    live[run->output] = live[plan->input] = true;
    for (int i = plan->n_ops - 1; i >= 0; i--) {
        const tn_op *op = &plan->op[i];
        if (is_loss_source(run, op)) live[op->out] = true;
        if (!live[op->out]) continue;
        for (int j = 0; j < op->n_in; j++) live[op->in[j]] = true;
    }
}

/* The ops to be run, pairs made one where that is possible. Returns their number, or -1. */
static int choose_ops(tn_run *run, const tn_op **ops) {
    const int n = run->plan->n_tensors;
    bool *live = tn_arena_alloc(&run->arena, 2 * (size_t)n);
    if (!live) return -1;
    bool *wanted = live + n;
    mark_live(run, live);
    wanted[run->output] = true;
    for (int t = 0; t < n; t++) wanted[t] |= run->tensor[t].kept;
    for (int i = 0; i < run->plan->n_ops; i++)
        if (is_loss_source(run, &run->plan->op[i])) wanted[run->plan->op[i].out] = true;
    const int n_ops = tn_merge_ops(run->plan, live, wanted, &run->arena, ops);
    for (int t = 0; t < n; t++) run->tensor[t].live = live[t];
    return n_ops;
}

static bool op_learns(const tn_run *run, const tn_op *op) {
    if (run->options.mode != TN_TRAIN) return false;
    for (int i = 0; i < op->n_param; i++) {
        const tn_param_spec *spec = &run->plan->param[op->param[i]];
        if (!spec->frozen && tn_param_learns(spec)) return true;
    }
    return false;
}

static void mark_needs_grad(tn_run *run) {
    if (run->options.mode == TN_INFER) return;
    for (int i = 0; i < run->options.n_keep; i++)
        run->tensor[run->options.keep[i]].needs_grad = true;
    if (run->plan->grad_input) run->tensor[run->plan->input].needs_grad = true;
    for (int i = 0; i < run->n_ops; i++) {
        const tn_op *op = run->op[i].op;
        bool needs = op_learns(run, op);
        for (int j = 0; j < op->n_in; j++) needs |= run->tensor[op->in[j]].needs_grad;
        if (needs) run->tensor[op->out].needs_grad = true;
    }
}

/* Walks backward once: an op goes back when its output's gradient exists (or it is a loss), and the
 * first op to reach a tensor overwrites its gradient, later ones add. */
static void mark_backward(tn_run *run) {
    if (run->options.mode == TN_INFER) return;
    if (run->options.output_gradient) run->tensor[run->output].has_grad = true;
    for (int i = run->n_ops - 1; i >= 0; i--) {
        tn_op_run *r = &run->op[i];
        tensor_state *out = &run->tensor[r->op->out];
        if (!out->needs_grad) continue;
        run->goes_back[i] = out->has_grad || is_loss_source(run, r->op);
        if (!run->goes_back[i]) continue;
        r->wants_params = op_learns(run, r->op);
        for (int j = 0; j < r->op->n_in; j++) {
            tensor_state *in = &run->tensor[r->op->in[j]];
            if (!in->needs_grad) continue;
            r->accumulate[j] = in->has_grad;
            in->has_grad = true;
            r->din[j] = in->value;
        }
    }
}

/* ---- tails: ops that the kernel before them does ---- */

static bool is_tail(const tn_run *run, int i) {
    return i > 0 && run->op[i - 1].pass[TN_FORWARD].takes_tail;
}

/* Whether an op at `from` or later reads tensor t. */
static bool is_read_from(const tn_run *run, int t, int from) {
    for (int i = from; i < run->n_ops; i++)
        for (int j = 0; j < run->op[i].op->n_in; j++)
            if (run->op[i].op->in[j] == t) return true;
    return false;
}

static bool outlives(const tn_run *run, int t) {
    return t == run->plan->input || t == run->output || run->tensor[t].kept;
}

/* Offers op i the one behind it. */
static void offer_tail(const tn_run *run, int i) {
    tn_op_run *r = &run->op[i];
    if (run->options.mode != TN_INFER || r->gpu || i + 1 >= run->n_ops) return;
    const tn_op *tail = run->op[i + 1].op;
    const int between = r->op->out;
    if (tail->in[0] != between || outlives(run, between)) return;
    if (run->tensor[tail->out].value.dtype != r->out.dtype) return;
    for (int j = 1; j < tail->n_in; j++)
        if (tail->in[j] == between) return;
    if (is_read_from(run, between, i + 2)) return;
    r->tail = &run->op[i + 1];
    if (tail->n_in != 2) return;
    const int skip = tail->in[1];
    r->tail_in_place = skip < tail->out && !outlives(run, skip) && !is_read_from(run, skip, i + 2);
    for (int j = 0; j < r->op->n_in; j++) r->tail_in_place &= r->op->in[j] != skip;
}

/* After prepare: op i's output moves to where its tail's is. */
static void settle_tail(const tn_run *run, int i) {
    tn_op_run *r = &run->op[i];
    const tn_kernel_run *k = &r->pass[TN_FORWARD];
    if (!k->takes_tail) {
        r->tail = NULL;
        return;
    }
    run->tensor[r->op->out].live = false;
    if (k->in_place) run->tensor[r->tail->op->out].over = r->tail->op->in[1];
}

static size_t tensor_bytes(const tn_tensor *t) {
    return tn_pixels(t) * (size_t)t->pitch * tn_element_bytes(t);
}

/* After prepare: where op i allows it, what it makes of its output's gradient takes that one's
 * memory: what was just read need not be fetched again to be written. */
static void settle_gradient(const tn_run *run, int i) {
    const tn_op_run *r = &run->op[i];
    const int last = r->op->n_in - 1, out = r->op->out;
    if (!r->pass[TN_BACKWARD_DATA].in_place || r->gpu || outlives(run, out)) return;
    if (!run->tensor[out].has_grad || !r->din[last].n || r->accumulate[last]) return;
    if (tensor_bytes(&r->din[last]) != tensor_bytes(&r->dout)) return;
    run->tensor[r->op->in[last]].grad_over = out;
}

/* ---- memory ---- */

static int add_item(tn_run *run, size_t bytes, int first, int last) {
    run->item[run->n_items] = (tn_layout_item){.bytes = bytes, .first = first, .last = last};
    return run->n_items++;
}

static int back_time(const tn_run *run, int i) {
    return 2 * run->n_ops - 1 - i;
}

static int forward_time(const tn_run *run, int i) {
    return is_tail(run, i) ? i - 1 : i;
}

/* From when to when tensor t's value is needed. Lifetimes: forward of live op i is time i (a
 * tail's is that of the op before it), its backward time 2n-1-i; 2n is after everything. */
static tn_layout_item value_life(const tn_run *run, int t) {
    const tensor_state *s = &run->tensor[t];
    const int end = 2 * run->n_ops;
    const bool all_along = t == run->plan->input;
    int first = all_along ? 0 : end, last = all_along || outlives(run, t) ? end : 0;
    for (int i = 0; i < run->n_ops; i++) {
        const tn_op *op = run->op[i].op;
        const unsigned keeps = run->goes_back[i] && op->kind->keeps ? op->kind->keeps(op) : 0;
        const int when = forward_time(run, i);
        if (op->out == t) {
            if (when < first) first = when;
            if (when > last) last = when;
            if ((keeps & TN_KEEPS_OUT) && back_time(run, i) > last) last = back_time(run, i);
        }
        for (int j = 0; j < op->n_in; j++) {
            if (op->in[j] != t) continue;
            if (when > last) last = when;
            if ((keeps & TN_KEEPS_IN(j)) && back_time(run, i) > last) last = back_time(run, i);
        }
    }
    return (tn_layout_item){.bytes = tensor_bytes(&s->value), .first = first, .last = last};
}

/* The same of its gradient. */
static tn_layout_item grad_life(const tn_run *run, int t) {
    const tensor_state *s = &run->tensor[t];
    const int end = 2 * run->n_ops;
    const bool from_outside = t == run->output && run->options.output_gradient;
    int first = from_outside ? 0 : end, last = outlives(run, t) ? end : 0;
    for (int i = 0; i < run->n_ops; i++) {
        const tn_op *op = run->op[i].op;
        const int when = back_time(run, i);
        if (op->out == t && run->goes_back[i] && when > last) last = when;
        for (int j = 0; j < op->n_in; j++)
            if (op->in[j] == t && run->op[i].din[j].n && when < first) first = when;
    }
    if (last < first) last = first;
    return (tn_layout_item){.bytes = tensor_bytes(&s->value), .first = first, .last = last};
}

/* Memory of its own for `life`, or that of `over`, an item's place (-1: none), for longer. */
static int lay_out(tn_run *run, tn_layout_item life, int over) {
    if (over < 0) return add_item(run, life.bytes, life.first, life.last);
    if (life.last > run->item[over].last) run->item[over].last = life.last;
    return over;
}

/* What is taken over has its place by then: an op's output comes behind its inputs. */
static void lay_out_tensors(tn_run *run) {
    tensor_state *tensor = run->tensor;
    for (int t = 0; t < run->plan->n_tensors; t++) {
        const int over = tensor[t].over ? tensor[tensor[t].over].value_item : -1;
        if (tensor[t].live) tensor[t].value_item = lay_out(run, value_life(run, t), over);
    }
    for (int t = run->plan->n_tensors - 1; t >= 0; t--) {
        if (!tensor[t].live || !tensor[t].has_grad) continue;
        const int over = tensor[t].grad_over ? tensor[tensor[t].grad_over].grad_item : -1;
        tensor[t].grad_item = lay_out(run, grad_life(run, t), over);
    }
}

typedef struct op_items {
    int save, scratch[TN_PASSES];
} op_items;

static void lay_out_ops(tn_run *run, op_items *items) {
    for (int i = 0; i < run->n_ops; i++) {
        tn_op_run *r = &run->op[i];
        items[i].save = -1;
        if (r->save_bytes) {
            items[i].save =
                add_item(run, r->save_bytes, i, run->goes_back[i] ? back_time(run, i) : i);
        }
        for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) {
            const int when = p == TN_FORWARD ? i : back_time(run, i);
            items[i].scratch[p] =
                r->pass[p].scratch_bytes ? add_item(run, r->pass[p].scratch_bytes, when, when) : -1;
        }
    }
}

static void *item_memory(const tn_run *run, int item) {
    return item < 0 ? NULL : (char *)run->block + run->item[item].offset;
}

static void hand_out_memory(tn_run *run, const op_items *items) {
    for (int t = 0; t < run->plan->n_tensors; t++) {
        tensor_state *s = &run->tensor[t];
        s->value.data = item_memory(run, s->value_item);
        s->grad = s->value;
        s->grad.data = item_memory(run, s->grad_item);
    }
    for (int i = 0; i < run->n_ops; i++) {
        tn_op_run *r = &run->op[i];
        for (int j = 0; j < r->op->n_in; j++) {
            const tensor_state *in = &run->tensor[r->op->in[j]];
            r->in[j] = in->value;
            if (r->din[j].n) r->din[j] = in->grad;
        }
        r->out = run->tensor[r->tail ? r->tail->op->out : r->op->out].value;
        r->dout = run->tensor[r->op->out].grad;
        r->save = item_memory(run, items[i].save);
        for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) {
            r->pass[p].scratch = item_memory(run, items[i].scratch[p]);
        }
    }
}

/* Callers see the input, the output and what is kept in the processor's memory and in fp32. */
static tn_status take_twins(tn_run *run) {
    const tn_plan *plan = run->plan;
    TN_TRY(tn_run_gpu_twins(&run->gpu, 2 * plan->n_tensors, &run->arena));
    for (int t = 0; t < plan->n_tensors; t++) {
        tensor_state *s = &run->tensor[t];
        if (run->options.views_there) break;
        if (!s->kept && t != plan->input && t != run->output) continue;
        if (!run->gpu.gpu && s->value.dtype == TN_REAL) continue;
        if (s->value.data) s->value_twin = tn_run_gpu_twin(&run->gpu, s->value);
        if (s->grad.data) s->grad_twin = tn_run_gpu_twin(&run->gpu, s->grad);
    }
    return tn_run_gpu_take_pages(&run->gpu, run->op, run->n_ops);
}

static tn_status take_gpu_memory(tn_run *run, const op_items *items) {
    const tn_plan *plan = run->plan;
    TN_TRY(tn_run_gpu_take(&run->gpu, run->op, run->n_ops, run->bytes, run->options.batch,
                           tn_shape_count(plan->tensor[plan->output].shape), &run->arena));
    run->block = run->gpu.block;
    hand_out_memory(run, items);
    return take_twins(run);
}

static tn_status take_memory(tn_run *run) {
    const size_t most = 2 * (size_t)run->plan->n_tensors + (1 + TN_PASSES) * (size_t)run->n_ops;
    run->item = tn_arena_alloc(&run->arena, most * sizeof *run->item);
    op_items *items = tn_arena_alloc(&run->arena, (size_t)(run->n_ops + 1) * sizeof *items);
    if (!run->item || !items) return TN_FAIL;
    lay_out_tensors(run);
    lay_out_ops(run, items);
    for (int i = 0; i < run->n_items; i++) run->bytes_unshared += run->item[i].bytes;
    run->bytes = tn_layout_pack(run->item, run->n_items);
    if (run->bytes == (size_t)-1) return tn_fail("out of memory while laying out buffers");
    if (run->options.plan_only) return TN_OK;
    if (run->gpu.gpu) return take_gpu_memory(run, items);
    run->block = tn_pages_alloc(run->bytes);
    if (!run->block) {
        return tn_fail_in("mini-batch of %d images (a smaller one needs less: raise subdivisions)",
                          run->options.batch);
    }
    hand_out_memory(run, items);
    return is_staged(run) ? take_twins(run) : TN_OK;
}

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
    const int n_ops = op ? choose_ops(run, op) : -1;
    if (n_ops < 0) return TN_FAIL;
    run->op = tn_arena_alloc(&run->arena, (size_t)(n_ops + 1) * sizeof *run->op);
    run->goes_back = tn_arena_alloc(&run->arena, (size_t)(n_ops + 1) * sizeof *run->goes_back);
    if (!run->op || !run->goes_back) return TN_FAIL;
    while (run->n_ops < n_ops) {
        TN_TRY(set_up_op(run, &run->op[run->n_ops], op[run->n_ops]));
        run->n_ops++;
    }
    mark_needs_grad(run);
    mark_backward(run);
    for (int i = 0; i < run->n_ops; i++) {
        tn_op_run *r = &run->op[i];
        if (run->goes_back[i] && run->tensor[r->op->out].has_grad) r->dout = r->out;
        if (is_tail(run, i)) continue;
        if (is_staged(run)) TN_TRY(tn_run_gpu_attach(&run->gpu, r, &run->arena));
        offer_tail(run, i);
        TN_TRY(tn_op_prepare(r, run->options.kernels));
        settle_tail(run, i);
        settle_gradient(run, i);
    }
    return take_memory(run);
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
    const tensor_state *in = &run->tensor[run->plan->input], *out = &run->tensor[run->output];
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
        const tensor_state *s = &run->tensor[t];
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

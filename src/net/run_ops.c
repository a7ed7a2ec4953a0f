/* Which ops of a plan a replica runs, which of them go back, and what kernels may do together. */
#include "layers/ops/loss.h"
#include "layers/ops/norm_act.h"
#include "src/net/merge.h"
#include "src/net/run_parts.h"

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
int tn_run_choose_ops(tn_run *run, const tn_op **ops) {
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

void tn_run_mark_needs_grad(tn_run *run) {
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
void tn_run_mark_backward(tn_run *run) {
    if (run->options.mode == TN_INFER) return;
    if (run->options.output_gradient) run->tensor[run->output].has_grad = true;
    for (int i = run->n_ops - 1; i >= 0; i--) {
        tn_op_run *r = &run->op[i];
        tn_run_tensor *out = &run->tensor[r->op->out];
        if (!out->needs_grad) continue;
        run->goes_back[i] = out->has_grad || is_loss_source(run, r->op);
        if (!run->goes_back[i]) continue;
        r->wants_params = op_learns(run, r->op);
        for (int j = 0; j < r->op->n_in; j++) {
            tn_run_tensor *in = &run->tensor[r->op->in[j]];
            if (!in->needs_grad) continue;
            r->accumulate[j] = in->has_grad;
            in->has_grad = true;
            r->din[j] = in->value;
        }
    }
}

/* ---- tails: ops that the kernel before them does ---- */

bool tn_run_is_tail(const tn_run *run, int i) {
    return i > 0 && run->op[i - 1].pass[TN_FORWARD].takes_tail;
}

/* Whether an op at `from` or later reads tensor t. */
static bool is_read_from(const tn_run *run, int t, int from) {
    for (int i = from; i < run->n_ops; i++)
        for (int j = 0; j < run->op[i].op->n_in; j++)
            if (run->op[i].op->in[j] == t) return true;
    return false;
}

/* Offers op i the one behind it. */
void tn_run_offer_tail(const tn_run *run, int i) {
    tn_op_run *r = &run->op[i];
    if (run->options.mode != TN_INFER || r->gpu || i + 1 >= run->n_ops) return;
    const tn_op *tail = run->op[i + 1].op;
    const int between = r->op->out;
    if (tail->in[0] != between || tn_run_outlives(run, between)) return;
    if (run->tensor[tail->out].value.dtype != r->out.dtype) return;
    for (int j = 1; j < tail->n_in; j++)
        if (tail->in[j] == between) return;
    if (is_read_from(run, between, i + 2)) return;
    r->tail = &run->op[i + 1];
    if (tail->n_in != 2) return;
    const int skip = tail->in[1];
    r->tail_in_place =
        skip < tail->out && !tn_run_outlives(run, skip) && !is_read_from(run, skip, i + 2);
    for (int j = 0; j < r->op->n_in; j++) r->tail_in_place &= r->op->in[j] != skip;
}

/* Lets op i leave its output's moments to the batch norm behind it. Whoever else reads that output
 * does not matter. */
tn_status tn_run_offer_moments(tn_run *run, int i) {
    tn_op_run *r = &run->op[i];
    if (run->options.mode != TN_TRAIN || r->out.dtype != TN_REAL || i + 1 >= run->n_ops)
        return TN_OK;
    tn_op_run *reader = &run->op[i + 1];
    if (reader->op->kind != &tn_op_norm_act || reader->op->in[0] != r->op->out) return TN_OK;
    const size_t rows = (size_t)r->threads, c = (size_t)r->out.c;
    tn_channel_moments *m = tn_arena_alloc(&run->arena, sizeof *m);
    double *memory = tn_arena_alloc(&run->arena, (rows + 2 * rows * c) * sizeof *memory);
    if (!m || !memory) return TN_FAIL;
    *m = (tn_channel_moments){r->threads, false, memory, memory + rows, memory + rows + rows * c};
    r->leaves = m;
    reader->found = m;
    return TN_OK;
}

/* After prepare: op i's output moves to where its tail's is. */
void tn_run_settle_tail(const tn_run *run, int i) {
    tn_op_run *r = &run->op[i];
    const tn_kernel_run *k = &r->pass[TN_FORWARD];
    if (!k->takes_tail) {
        r->tail = NULL;
        return;
    }
    run->tensor[r->op->out].live = false;
    if (k->in_place) run->tensor[r->tail->op->out].over = r->tail->op->in[1];
}

/* After prepare: where op i allows it, what it makes of its output's gradient takes that one's
 * memory: what was just read need not be fetched again to be written. */
void tn_run_settle_gradient(const tn_run *run, int i) {
    const tn_op_run *r = &run->op[i];
    const int last = r->op->n_in - 1, out = r->op->out;
    if (!r->pass[TN_BACKWARD_DATA].in_place || r->gpu || tn_run_outlives(run, out)) return;
    if (!run->tensor[out].has_grad || !r->din[last].n || r->accumulate[last]) return;
    if (tn_run_tensor_bytes(&r->din[last]) != tn_run_tensor_bytes(&r->dout)) return;
    run->tensor[r->op->in[last]].grad_over = out;
}

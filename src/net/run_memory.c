/* Where everything of a replica lies: from when to when each buffer lives, and one block for all.
 */
#include "src/net/run_parts.h"

static int add_item(tn_run *run, size_t bytes, int first, int last) {
    run->item[run->n_items] = (tn_layout_item){.bytes = bytes, .first = first, .last = last};
    return run->n_items++;
}

static int back_time(const tn_run *run, int i) {
    return 2 * run->n_ops - 1 - i;
}

static int forward_time(const tn_run *run, int i) {
    return tn_run_is_tail(run, i) ? i - 1 : i;
}

/* From when to when tensor t's value is needed. Lifetimes: forward of live op i is time i (a
 * tail's is that of the op before it), its backward time 2n-1-i; 2n is after everything. */
static tn_layout_item value_life(const tn_run *run, int t) {
    const tn_run_tensor *s = &run->tensor[t];
    const int end = 2 * run->n_ops;
    const bool all_along = t == run->plan->input;
    int first = all_along ? 0 : end, last = all_along || tn_run_outlives(run, t) ? end : 0;
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
    return (tn_layout_item){.bytes = tn_run_tensor_bytes(&s->value), .first = first, .last = last};
}

/* The same of its gradient. */
static tn_layout_item grad_life(const tn_run *run, int t) {
    const tn_run_tensor *s = &run->tensor[t];
    const int end = 2 * run->n_ops;
    const bool from_outside = t == run->output && run->options.output_gradient;
    int first = from_outside ? 0 : end, last = tn_run_outlives(run, t) ? end : 0;
    for (int i = 0; i < run->n_ops; i++) {
        const tn_op *op = run->op[i].op;
        const int when = back_time(run, i);
        if (op->out == t && run->goes_back[i] && when > last) last = when;
        for (int j = 0; j < op->n_in; j++)
            if (op->in[j] == t && run->op[i].din[j].n && when < first) first = when;
    }
    if (last < first) last = first;
    return (tn_layout_item){.bytes = tn_run_tensor_bytes(&s->value), .first = first, .last = last};
}

/* Memory of its own for `life`, or that of `over`, an item's place (-1: none), for longer. */
static int lay_out(tn_run *run, tn_layout_item life, int over) {
    if (over < 0) return add_item(run, life.bytes, life.first, life.last);
    if (life.last > run->item[over].last) run->item[over].last = life.last;
    return over;
}

/* What is taken over has its place by then: an op's output comes behind its inputs. */
static void lay_out_tensors(tn_run *run) {
    tn_run_tensor *tensor = run->tensor;
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
        tn_run_tensor *s = &run->tensor[t];
        s->value.data = item_memory(run, s->value_item);
        s->grad = s->value;
        s->grad.data = item_memory(run, s->grad_item);
    }
    for (int i = 0; i < run->n_ops; i++) {
        tn_op_run *r = &run->op[i];
        for (int j = 0; j < r->op->n_in; j++) {
            const tn_run_tensor *in = &run->tensor[r->op->in[j]];
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
        tn_run_tensor *s = &run->tensor[t];
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

tn_status tn_run_take_memory(tn_run *run) {
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
    return tn_run_is_staged(run) ? take_twins(run) : TN_OK;
}

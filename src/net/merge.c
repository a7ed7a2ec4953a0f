#include "src/net/merge.h"

/* Who reads a tensor. */
typedef struct readers {
    int count, op; /* op: the last one */
} readers;

static readers *find_readers(const tn_plan *plan, const bool *live, tn_arena *arena) {
    readers *of = tn_arena_alloc(arena, (size_t)plan->n_tensors * sizeof *of);
    for (int i = 0; of && i < plan->n_ops; i++) {
        const tn_op *op = &plan->op[i];
        if (!live[op->out]) continue;
        for (int j = 0; j < op->n_in; j++) {
            of[op->in[j]].count++;
            of[op->in[j]].op = i;
        }
    }
    return of;
}

int tn_merge_ops(const tn_plan *plan, bool *live, const bool *wanted, tn_arena *arena,
                 const tn_op **ops) {
    const readers *of = find_readers(plan, live, arena);
    const tn_op **place = tn_arena_alloc(arena, (size_t)plan->n_ops * sizeof *place);
    if (!of || !place) return -1;
    for (int i = 0; i < plan->n_ops; i++) {
        const tn_op *op = place[i] ? place[i] : &plan->op[i];
        if (!live[op->out]) continue;
        place[i] = op;
        const readers r = of[op->out];
        if (!op->kind->merge || r.count != 1 || wanted[op->out] || place[r.op]) continue;
        tn_op *merged;
        const tn_status status = op->kind->merge(op, &plan->op[r.op], arena, &merged);
        if (status == TN_FAIL) return -1;
        if (status == TN_REFUSED) continue;
        live[op->out] = false;
        place[i] = NULL;
        place[r.op] = merged;
    }
    int n = 0;
    for (int i = 0; i < plan->n_ops; i++)
        if (place[i]) ops[n++] = place[i];
    return n;
}

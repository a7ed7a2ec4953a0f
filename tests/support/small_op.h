/* One op over a test's own arrays, for tests that know what must come out. */
#ifndef TN_TESTS_SMALL_OP_H
#define TN_TESTS_SMALL_OP_H

#include "layers/op.h"

#include <stdlib.h>

typedef struct tn_small_op {
    tn_op op;
    tn_op_run r;
    tn_tensor in[4], din[4];
    bool add[4];
    tn_param_spec spec[4];
    tn_param param[4], *params[4];
    tn_step step;
} tn_small_op;

static inline tn_tensor tn_dense(tn_real *data, int n, int h, int w, int c) {
    return (tn_tensor){.data = data, .n = n, .h = h, .w = w, .c = c, .pitch = c};
}

/* Everything but tensors and parameters: fill s->in, s->din, s->r.out, s->r.dout, s->param. */
static inline void tn_small_open(tn_small_op *s, const tn_op_kind *kind, const void *attr,
                                 tn_mode mode, int n_in, int n_param) {
    *s = (tn_small_op){.op = {.kind = kind, .attr = attr, .name = "7.op", .layer = 7}};
    s->op.n_in = n_in;
    s->op.n_param = n_param;
    for (int i = 0; i < n_param; i++) {
        s->op.param[i] = i;
        s->param[i].spec = &s->spec[i];
        s->params[i] = &s->param[i];
    }
    s->step = (tn_step){.seed = 1, .step = 5, .n_valid = 1 << 20, .grad_scale = 1};
    s->r = (tn_op_run){.op = &s->op,
                       .mode = mode,
                       .threads = 2,
                       .in = s->in,
                       .din = s->din,
                       .accumulate = s->add,
                       .param = s->params,
                       .wants_params = mode != TN_INFER && n_param > 0,
                       .step = &s->step};
}

static inline tn_status tn_small_prepare(tn_small_op *s, const char *kernel) {
    TN_TRY(tn_op_prepare(&s->r, kernel));
    for (int p = 0; p < TN_PASSES; p++) {
        const size_t bytes = (s->r.pass[p].scratch_bytes + 63) / 64 * 64;
        if (bytes && !(s->r.pass[p].scratch = aligned_alloc(64, bytes))) return tn_fail("memory");
    }
    const size_t bytes = (s->r.save_bytes + 63) / 64 * 64;
    if (bytes && !(s->r.save = aligned_alloc(64, bytes))) return tn_fail("memory");
    return TN_OK;
}

static inline void tn_small_close(tn_small_op *s) {
    for (int p = 0; p < TN_PASSES; p++) free(s->r.pass[p].scratch);
    free(s->r.save);
    s->r.save = NULL;
    tn_op_release(&s->r);
}

#endif

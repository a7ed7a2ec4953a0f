#include "layers/ops/weighted_onednn.h"

#include "layers/device/bfloat16.h"
#include "layers/ops/library_onednn.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, MAX_DATA = 4, MAX_ARGS = MAX_DATA + 1 };

/* A primitive with its memory objects, their data set before each execution. */
typedef struct call {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[MAX_ARGS];
    int n_args;
    size_t scratchpad_bytes;
} call;

typedef struct state {
    dnnl_stream_t stream;
    call compute, reorder; /* reorder: master to packed, or packed gradients onto plain ones */
    size_t packed_bytes, result_at;
    void *packed; /* weights in the primitive's format */
    int threads;
    bool is_packed, clears;
    uint64_t version;
    const tn_real *master;
    tn_epilogue epilogue; /* its factor goes into the weights, its shift is the bias */
    float *folded;        /* master weights times factor */
} state;

/* ---- the library ---- */

static tn_status check(const tn_op_run *r, dnnl_status_t status, const char *what) {
    if (status == dnnl_success) return TN_OK;
    if (status == dnnl_unimplemented) return TN_REFUSED;
    return tn_fail("%s: oneDNN could not %s (status %d)", r->op->name, what, (int)status);
}

static size_t round_up(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- calls ---- */

static void call_free(call *c) {
    for (int i = 0; i < c->n_args; i++) dnnl_memory_destroy(c->arg[i].memory);
    if (c->primitive) dnnl_primitive_destroy(c->primitive);
    *c = (call){0};
}

static dnnl_status_t add_arg(call *c, int index, const dnnl_memory_desc_t *desc) {
    dnnl_memory_t memory;
    const dnnl_status_t status =
        dnnl_memory_create(&memory, desc, tn_onednn_engine(), DNNL_MEMORY_NONE);
    if (status == dnnl_success) c->arg[c->n_args++] = (dnnl_exec_arg_t){index, memory};
    return status;
}

static dnnl_status_t call_make(call *c, const_dnnl_primitive_desc_t pd, const int index[MAX_DATA],
                               const dnnl_memory_desc_t *const desc[MAX_DATA]) {
    dnnl_status_t status = dnnl_primitive_create(&c->primitive, pd);
    for (int i = 0; i < MAX_DATA && index[i] && status == dnnl_success; i++)
        status = add_arg(c, index[i], desc[i]);
    const dnnl_memory_desc_t *pad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    c->scratchpad_bytes = pad ? dnnl_memory_desc_get_size(pad) : 0;
    if (status == dnnl_success && c->scratchpad_bytes)
        status = add_arg(c, DNNL_ARG_SCRATCHPAD, pad);
    return status;
}

/* data: of the arguments in the order of call_make. */
static dnnl_status_t call_run(const state *s, const call *c, void *const data[MAX_DATA],
                              void *scratchpad) {
    for (int i = 0; i < c->n_args; i++) {
        void *p = c->arg[i].arg == DNNL_ARG_SCRATCHPAD ? scratchpad : data[i];
        const dnnl_status_t status = dnnl_memory_set_data_handle(c->arg[i].memory, p);
        if (status != dnnl_success) return status;
    }
    return dnnl_primitive_execute(c->primitive, s->stream, c->n_args, c->arg);
}

/* ---- prepare ---- */

/* The skip lies where the output goes, so it is a sum; then the activation. A relu has a slope of
 * 1e-30 below zero: with 0 the library's turns NaN into 0, and a broken net would answer as surely
 * as a sound one. What that adds is lost in the rounding of any sum. */
static dnnl_status_t set_epilogue(dnnl_primitive_attr_t attr, const tn_epilogue *e) {
    const float slope = e->leak == 0 ? 1e-30F : e->leak;
    dnnl_post_ops_t ops;
    dnnl_status_t status = dnnl_post_ops_create(&ops);
    if (status != dnnl_success) return status;
    if (e->skips) status = dnnl_post_ops_append_sum(ops, 1);
    if (status == dnnl_success && e->leak != 1)
        status = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, slope, 0);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    return status;
}

static tn_status describe(const tn_op_run *r, const tn_epilogue *e, const_dnnl_op_desc_t desc,
                          const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *pd) {
    dnnl_primitive_attr_t attr;
    TN_TRY(check(r, dnnl_primitive_attr_create(&attr), "make attributes"));
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && e->norm) status = set_epilogue(attr, e);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(pd, desc, attr, tn_onednn_engine(), hint);
    dnnl_primitive_attr_destroy(attr);
    return check(r, status, "describe the operation");
}

static const char *implementation(const_dnnl_primitive_desc_t pd) {
    const char *name = "";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    return name;
}

/* Its matrix product may split a sum among threads, and its block products of less than a vector of
 * filters group it by how many there are: the answer of a net must not depend on that. */
static int threads_for(const tn_op_run *r, const_dnnl_primitive_desc_t pd) {
    enum { VECTOR = 16 };
    const char *name = implementation(pd);
    const bool varies = strstr(name, "gemm") || (strstr(name, "brg") && r->out.c < VECTOR);
    return r->mode == TN_INFER && varies ? 1 : r->threads;
}

/* Packs master weights (before forward, backward data), or adds packed gradients to plain ones. */
static tn_status make_reorder(const tn_op_run *r, state *s, const dnnl_memory_desc_t *packed,
                              const dnnl_memory_desc_t *master, bool add_to_master) {
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t sum;
    TN_TRY(check(r, dnnl_primitive_attr_create(&attr), "make attributes"));
    dnnl_status_t status = dnnl_post_ops_create(&sum);
    if (status == dnnl_success) {
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
        if (add_to_master && status == dnnl_success) status = dnnl_post_ops_append_sum(sum, 1.0f);
        if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attr, sum);
        dnnl_post_ops_destroy(sum);
    }
    const dnnl_memory_desc_t *from = add_to_master ? packed : master;
    const dnnl_memory_desc_t *to = add_to_master ? master : packed;
    dnnl_primitive_desc_t pd = NULL;
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, from, tn_onednn_engine(), to,
                                                    tn_onednn_engine(), attr);
    if (status == dnnl_success)
        status = call_make(&s->reorder, pd, (const int[MAX_DATA]){DNNL_ARG_FROM, DNNL_ARG_TO},
                           (const dnnl_memory_desc_t *const[MAX_DATA]){from, to});
    if (pd) dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    return check(r, status, "reorder weights");
}

static tn_status make_calls(const tn_op_run *r, state *s, tn_pass pass,
                            const_dnnl_primitive_desc_t pd, const tn_weighted_shapes *shapes) {
    const int bias = s->epilogue.norm ? DNNL_ARG_BIAS : 0;
    const int index[TN_PASSES][MAX_DATA] = {
        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, bias},
        {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
    };
    const bool gradient = pass == TN_BACKWARD_PARAMS;
    const dnnl_memory_desc_t *packed = dnnl_primitive_desc_query_md(
        pd, gradient ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    s->packed_bytes = dnnl_memory_desc_get_size(packed);
    const dnnl_memory_desc_t *const desc[MAX_DATA] = {pass == TN_BACKWARD_DATA ? &shapes->diff_src
                                                                               : &shapes->src,
                                                      packed, &shapes->dst, &shapes->shift};
    TN_TRY(check(r, call_make(&s->compute, pd, index[pass], desc), "make the primitive"));
    TN_TRY(make_reorder(r, s, packed, &shapes->master, gradient));
    if (gradient) return TN_OK;
    if (s->epilogue.norm && !(s->folded = malloc(dnnl_memory_desc_get_size(&shapes->master))))
        return tn_fail("%s: out of memory for folded weights", r->op->name);
    s->packed = aligned_alloc(ALIGN, round_up(s->packed_bytes));
    return s->packed ? TN_OK
                     : tn_fail("%s: out of memory for %zu bytes of packed weights", r->op->name,
                               s->packed_bytes);
}

static tn_status describe_pass(const tn_op_run *r, const tn_epilogue *e, tn_pass pass,
                               const_dnnl_op_desc_t desc, const_dnnl_op_desc_t forward,
                               dnnl_primitive_desc_t *pd) {
    dnnl_primitive_desc_t hint = NULL;
    tn_status status = pass == TN_FORWARD ? TN_OK : describe(r, e, forward, NULL, &hint);
    if (status == TN_OK) status = describe(r, e, desc, hint, pd);
    if (hint) dnnl_primitive_desc_destroy(hint);
    return status;
}

/* Descriptions hold for the number of threads they were made with: scratchpads and the split of
 * the work follow from it. */
static tn_status prepare_state(tn_op_run *r, state *s, tn_pass pass, const_dnnl_op_desc_t desc,
                               const_dnnl_op_desc_t forward, const tn_weighted_shapes *shapes) {
    TN_TRY(check(r, dnnl_stream_create(&s->stream, tn_onednn_engine(), dnnl_stream_default_flags),
                 "start"));
    dnnl_primitive_desc_t pd = NULL;
    tn_status status = describe_pass(r, &s->epilogue, pass, desc, forward, &pd);
    if (status == TN_OK) {
        s->threads = threads_for(r, pd);
        if (s->threads != r->threads) {
            tn_onednn_set_threads(s->threads);
            dnnl_primitive_desc_destroy(pd);
            pd = NULL;
            status = describe_pass(r, &s->epilogue, pass, desc, forward, &pd);
        }
    }
    /* The library's plain C++ is slower than ours. */
    if (status == TN_OK && strncmp(implementation(pd), "ref", 3) == 0) status = TN_REFUSED;
    s->clears = status == TN_OK && !strstr(implementation(pd), "1x1");
    if (status == TN_OK) status = make_calls(r, s, pass, pd, shapes);
    if (pd) dnnl_primitive_desc_destroy(pd);
    return status;
}

tn_status tn_weighted_onednn_prepare(tn_op_run *r, tn_kernel_run *k, tn_pass pass,
                                     const_dnnl_op_desc_t desc, const_dnnl_op_desc_t forward,
                                     const tn_weighted_shapes *shapes, tn_epilogue *epilogue) {
    state *s = calloc(1, sizeof *s);
    if (!s) {
        if (epilogue) tn_epilogue_free(epilogue);
        return tn_fail("%s: out of memory", r->op->name);
    }
    k->state = s;
    if (epilogue) s->epilogue = *epilogue;
    TN_TRY(check(r, tn_onednn_start(), "start"));
    const int threads = tn_onednn_set_threads(r->threads);
    const tn_status status = prepare_state(r, s, pass, desc, forward, shapes);
    tn_onednn_set_threads(threads);
    if (status != TN_OK) return status; /* the caller releases what there is */
    const size_t pad = s->compute.scratchpad_bytes > s->reorder.scratchpad_bytes
                           ? s->compute.scratchpad_bytes
                           : s->reorder.scratchpad_bytes;
    /* After the scratchpad: gradients that are then added to what is there already. */
    s->result_at = round_up(pad);
    size_t result = 0;
    if (pass == TN_BACKWARD_PARAMS) result = s->packed_bytes;
    if (pass == TN_BACKWARD_DATA && r->accumulate[0])
        result = tn_elements(&r->in[0]) * sizeof(float);
    k->scratch_bytes = s->result_at + round_up(result);
    return TN_OK;
}

void tn_weighted_onednn_release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    call_free(&s->compute);
    call_free(&s->reorder);
    if (s->stream) dnnl_stream_destroy(s->stream);
    free(s->packed);
    free(s->folded);
    tn_epilogue_free(&s->epilogue);
    free(s);
    k->state = NULL;
}

dnnl_data_type_t tn_weighted_onednn_type(const tn_tensor *t) {
    return t->dtype == TN_BF16 ? dnnl_bf16 : dnnl_f32;
}

static void nhwc(dnnl_memory_desc_t *desc, const tn_tensor *t, dnnl_data_type_t type) {
    const dnnl_dims_t dims = {t->n, t->c, t->h, t->w};
    dnnl_memory_desc_init_by_tag(desc, 4, dims, type, dnnl_nhwc);
}

void tn_weighted_onednn_weights(const tn_op_run *r, int n_dims, const dnnl_dims_t dims,
                                dnnl_format_tag_t order, tn_weighted_shapes *shapes) {
    dnnl_memory_desc_init_by_tag(&shapes->weights, n_dims, dims, tn_weighted_onednn_type(&r->in[0]),
                                 dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&shapes->diff_weights, n_dims, dims, dnnl_f32,
                                 dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&shapes->master, n_dims, dims, dnnl_f32, order);
}

tn_status tn_weighted_onednn_activations(const tn_op_run *r, tn_weighted_shapes *shapes) {
    if (!tn_is_dense(&r->in[0]) || !tn_is_dense(&r->out)) return TN_REFUSED;
    if (r->din[0].n > 0 && !tn_is_dense(&r->din[0])) return TN_REFUSED;
    if (r->dout.n > 0 && !tn_is_dense(&r->dout)) return TN_REFUSED;
    nhwc(&shapes->src, &r->in[0], tn_weighted_onednn_type(&r->in[0]));
    nhwc(&shapes->dst, &r->out, tn_weighted_onednn_type(&r->out));
    /* What is added to what is there is rounded once, as their sum. */
    shapes->diff_src = shapes->src;
    if (r->accumulate[0]) nhwc(&shapes->diff_src, &r->in[0], dnnl_f32);
    return TN_OK;
}

/* ---- run ---- */

/* Master weights times what batch norm makes of each filter's sum. */
static float *fold(const tn_op_run *r, state *s) {
    const tn_param *p = r->param[0];
    const size_t filters = (size_t)r->out.c, each = p->spec->count / filters;
    for (size_t f = 0; f < filters; f++)
        for (size_t i = 0; i < each; i++)
            s->folded[f * each + i] = p->value[f * each + i] * s->epilogue.factor[f];
    return s->folded;
}

static dnnl_status_t pack(const tn_op_run *r, tn_kernel_run *k) {
    state *s = k->state;
    const tn_param *p = r->param[0];
    const bool refolded = tn_epilogue_fill(&s->epilogue);
    if (s->is_packed && !refolded && s->version == p->version && s->master == p->value)
        return dnnl_success;
    float *master = s->folded ? fold(r, s) : p->value;
    const dnnl_status_t status =
        call_run(s, &s->reorder, (void *const[MAX_DATA]){master, s->packed}, k->scratch);
    s->is_packed = status == dnnl_success;
    s->version = p->version;
    s->master = p->value;
    return status;
}

tn_status tn_weighted_onednn_forward(tn_op_run *r, tn_kernel_run *k) {
    state *s = k->state;
    const int threads = tn_onednn_set_threads(s->threads);
    dnnl_status_t status = pack(r, k);
    if (status == dnnl_success)
        status = call_run(
            s, &s->compute,
            (void *const[MAX_DATA]){r->in[0].data, s->packed, r->out.data, s->epilogue.shift},
            k->scratch);
    tn_onednn_set_threads(threads);
    return check(r, status, "run forward");
}

static void add(const tn_tensor *to, const float *sum, int threads) {
    const size_t count = tn_elements(to);
    if (to->dtype == TN_BF16) {
        tn_bf16 *const at = to->data;
#pragma omp parallel for simd schedule(static) num_threads(threads)
        for (size_t i = 0; i < count; i++)
            at[i] = tn_bf16_from_float(tn_bf16_to_float(at[i]) + sum[i]);
        return;
    }
    float *const at = to->data;
#pragma omp parallel for simd schedule(static) num_threads(threads)
    for (size_t i = 0; i < count; i++) at[i] += sum[i];
}

tn_status tn_weighted_onednn_backward_data(tn_op_run *r, tn_kernel_run *k) {
    state *s = k->state;
    if (!r->din[0].data) return TN_OK;
    void *const din = r->din[0].data;
    float *const sum = r->accumulate[0] ? (float *)((char *)k->scratch + s->result_at) : NULL;
    void *const to = sum ? sum : din;
    const int threads = tn_onednn_set_threads(s->threads);
    dnnl_status_t status = pack(r, k);
    if (status == dnnl_success)
        status = call_run(s, &s->compute, (void *const[MAX_DATA]){to, s->packed, r->dout.data},
                          k->scratch);
    tn_onednn_set_threads(threads);
    if (status == dnnl_success && sum) add(&r->din[0], sum, r->threads);
    return check(r, status, "run backward");
}

tn_status tn_weighted_onednn_backward_params(tn_op_run *r, tn_kernel_run *k) {
    state *s = k->state;
    void *gradient = (char *)k->scratch + s->result_at;
    const int threads = tn_onednn_set_threads(s->threads);
    /* Of bf16 the library multiplies what its own rows leave unwritten by zero. */
    if (r->in[0].dtype == TN_BF16 && s->clears) memset(k->scratch, 0, s->compute.scratchpad_bytes);
    dnnl_status_t status = call_run(
        s, &s->compute, (void *const[MAX_DATA]){r->in[0].data, gradient, r->dout.data}, k->scratch);
    if (status == dnnl_success)
        status = call_run(s, &s->reorder,
                          (void *const[MAX_DATA]){gradient, r->param[0]->grad, NULL}, k->scratch);
    tn_onednn_set_threads(threads);
    return check(r, status, "run backward");
}

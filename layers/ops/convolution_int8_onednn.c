/* Convolution in 8 bits, in inference: activations in one step a tensor (r->quantisation), weights
 * in one a filter, sums exact in 32 bits, and from there on fp32: batch norm or bias, skip and
 * activation where the tail is taken over. By oneDNN, on processors with AVX512_VNNI: without it,
 * the library's sums of products saturate at 16 bits. */
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/epilogue.h"
#include "layers/ops/int8.h"
#include "layers/ops/library_onednn.h"
#include "layers/ops/quantise.h"

#include <dnnl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, MOST_ARGS = 6, MOST_WEIGHT = 127 };

/* A primitive with its memory objects, their data set before each execution. */
typedef struct call {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[MOST_ARGS];
    int n_args;
} call;

typedef struct state {
    dnnl_stream_t stream;
    call compute, reorder;
    size_t scratchpad_bytes[2]; /* compute's, reorder's */
    size_t broken_at, scratchpad_at;
    tn_epilogue epilogue;
    int8_t *plain; /* weights in the file's order */
    void *packed;  /* in the primitive's format */
    float *factor; /* (filters): what a sum is multiplied by */
    bool is_packed;
    uint64_t version;
    const tn_real *master;
} state;

/* ---- the library ---- */

bool tn_int8_runs_here(void) {
#if defined(__x86_64__)
    const unsigned vnni = (unsigned)dnnl_cpu_isa_avx512_core_vnni;
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512dq") &&
           ((unsigned)dnnl_get_effective_cpu_isa() & vnni) == vnni;
#else
    return false;
#endif
}

static tn_status check(const tn_op_run *r, dnnl_status_t status, const char *what) {
    if (status == dnnl_success) return TN_OK;
    if (status == dnnl_unimplemented || status == dnnl_invalid_arguments) return TN_REFUSED;
    return tn_fail("%s: oneDNN could not %s (status %d)", r->op->name, what, (int)status);
}

static size_t round_up(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static void call_free(call *c) {
    for (int i = 0; i < c->n_args; i++) dnnl_memory_destroy(c->arg[i].memory);
    if (c->primitive) dnnl_primitive_destroy(c->primitive);
    *c = (call){0};
}

static dnnl_status_t call_add(call *c, int index, const dnnl_memory_desc_t *desc) {
    dnnl_memory_t memory;
    const dnnl_status_t status =
        dnnl_memory_create(&memory, desc, tn_onednn_engine(), DNNL_MEMORY_NONE);
    if (status == dnnl_success) c->arg[c->n_args++] = (dnnl_exec_arg_t){index, memory};
    return status;
}

/* The scratchpad is the last argument, where there is one. */
static dnnl_status_t call_add_scratchpad(call *c, const_dnnl_primitive_desc_t pd, size_t *bytes) {
    const dnnl_memory_desc_t *pad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    *bytes = pad ? dnnl_memory_desc_get_size(pad) : 0;
    return *bytes ? call_add(c, DNNL_ARG_SCRATCHPAD, pad) : dnnl_success;
}

static dnnl_status_t call_run(const state *s, const call *c, void *const data[MOST_ARGS]) {
    for (int i = 0; i < c->n_args; i++) {
        const dnnl_status_t status = dnnl_memory_set_data_handle(c->arg[i].memory, data[i]);
        if (status != dnnl_success) return status;
    }
    return dnnl_primitive_execute(c->primitive, s->stream, c->n_args, c->arg);
}

/* ---- prepare ---- */

typedef struct shapes {
    dnnl_memory_desc_t src, dst, weights, plain, channels;
    dnnl_convolution_desc_t op;
} shapes;

static dnnl_status_t describe_shapes(const tn_op_run *r, shapes *s) {
    const tn_convolution_attr *a = r->op->attr;
    const tn_tensor *in = &r->in[0], *out = &r->out;
    const int g = a->groups, n = g > 1 ? 5 : 4;
    const dnnl_dims_t dense = {out->c, in->c, a->kh, a->kw};
    const dnnl_dims_t grouped = {g, out->c / g, in->c / g, a->kh, a->kw};
    const dnnl_dims_t from = {in->n, in->c, in->h, in->w}, to = {out->n, out->c, out->h, out->w};
    const dnnl_dims_t channels = {1, out->c, 1, 1};
    const dnnl_dims_t stride = {a->stride_y, a->stride_x}, pad = {a->pad_y, a->pad_x};
    const dnnl_dims_t holes = {a->dilation - 1, a->dilation - 1};
    const dnnl_dim_t *dims = g > 1 ? grouped : dense;
    dnnl_memory_desc_init_by_tag(&s->src, 4, from, r->quantisation->is_signed ? dnnl_s8 : dnnl_u8,
                                 dnnl_nhwc);
    dnnl_memory_desc_init_by_tag(&s->dst, 4, to, dnnl_f32, dnnl_nhwc);
    dnnl_memory_desc_init_by_tag(&s->weights, n, dims, dnnl_s8, dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&s->plain, n, dims, dnnl_s8, g > 1 ? dnnl_goihw : dnnl_oihw);
    dnnl_memory_desc_init_by_tag(&s->channels, 4, channels, dnnl_f32, dnnl_nhwc);
    return dnnl_dilated_convolution_forward_desc_init(&s->op, dnnl_forward_inference,
                                                      dnnl_convolution_direct, &s->src, &s->weights,
                                                      NULL, &s->dst, stride, holes, pad, pad);
}

/* As post-operations all of it can change with the parameters. The relu's slope of 1e-30 keeps NaN
 * what it is (weighted_onednn.c). */
static dnnl_status_t add_post_ops(dnnl_post_ops_t ops, const tn_epilogue *e,
                                  const dnnl_memory_desc_t *channels) {
    const float slope = e->leak == 0 ? 1e-30F : e->leak;
    dnnl_status_t status = dnnl_post_ops_append_binary(ops, dnnl_binary_mul, channels);
    if (!e->norm) return status;
    if (status == dnnl_success)
        status = dnnl_post_ops_append_binary(ops, dnnl_binary_add, channels);
    if (status == dnnl_success && e->skips) status = dnnl_post_ops_append_sum(ops, 1);
    if (status == dnnl_success && e->leak != 1)
        status = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, slope, 0);
    return status;
}

static dnnl_status_t describe(const shapes *s, const tn_epilogue *e, dnnl_primitive_desc_t *pd) {
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && (status = dnnl_post_ops_create(&ops)) == dnnl_success) {
        status = add_post_ops(ops, e, &s->channels);
        if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attr, ops);
        dnnl_post_ops_destroy(ops);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(pd, &s->op, attr, tn_onednn_engine(), NULL);
    dnnl_primitive_attr_destroy(attr);
    return status;
}

/* The library's plain C++, or its matrix product on a copy of the image, is slower than our fp32.
 */
static bool is_slow(const_dnnl_primitive_desc_t pd) {
    const char *name = "";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    return strstr(name, "ref") || strstr(name, "gemm");
}

static dnnl_status_t make_reorder(state *s, const dnnl_memory_desc_t *plain,
                                  const dnnl_memory_desc_t *packed) {
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, plain, tn_onednn_engine(), packed,
                                                    tn_onednn_engine(), attr);
    if (status == dnnl_success) status = dnnl_primitive_create(&s->reorder.primitive, pd);
    if (status == dnnl_success) status = call_add(&s->reorder, DNNL_ARG_FROM, plain);
    if (status == dnnl_success) status = call_add(&s->reorder, DNNL_ARG_TO, packed);
    if (status == dnnl_success)
        status = call_add_scratchpad(&s->reorder, pd, &s->scratchpad_bytes[1]);
    if (pd) dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    return status;
}

static dnnl_status_t make_compute(state *s, const_dnnl_primitive_desc_t pd, const shapes *sh) {
    const int post = DNNL_ARG_SRC_1;
    call *c = &s->compute;
    dnnl_status_t status = dnnl_primitive_create(&c->primitive, pd);
    if (status == dnnl_success) status = call_add(c, DNNL_ARG_SRC, &sh->src);
    if (status == dnnl_success)
        status = call_add(c, DNNL_ARG_WEIGHTS,
                          dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    if (status == dnnl_success) status = call_add(c, DNNL_ARG_DST, &sh->dst);
    if (status == dnnl_success)
        status = call_add(c, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | post, &sh->channels);
    if (status == dnnl_success && s->epilogue.norm)
        status = call_add(c, DNNL_ARG_ATTR_MULTIPLE_POST_OP(1) | post, &sh->channels);
    return status == dnnl_success ? call_add_scratchpad(c, pd, &s->scratchpad_bytes[0]) : status;
}

static tn_status take_memory(const tn_op_run *r, state *s, const shapes *sh,
                             const dnnl_memory_desc_t *packed) {
    s->plain = malloc(dnnl_memory_desc_get_size(&sh->plain));
    s->packed = aligned_alloc(ALIGN, round_up(dnnl_memory_desc_get_size(packed)));
    s->factor = malloc((size_t)r->out.c * sizeof *s->factor);
    return s->plain && s->packed && s->factor
               ? TN_OK
               : tn_fail("%s: out of memory for weights in 8 bits", r->op->name);
}

static tn_status make_calls(const tn_op_run *r, state *s) {
    shapes sh;
    dnnl_primitive_desc_t pd = NULL;
    TN_TRY(check(r, dnnl_stream_create(&s->stream, tn_onednn_engine(), dnnl_stream_default_flags),
                 "start"));
    /* The library has no words for some shapes that are sound. */
    if (describe_shapes(r, &sh) != dnnl_success) return TN_REFUSED;
    TN_TRY(check(r, describe(&sh, &s->epilogue, &pd), "describe the operation"));
    tn_status status = is_slow(pd) ? TN_REFUSED : TN_OK;
    const dnnl_memory_desc_t *packed = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    if (status == TN_OK) status = check(r, make_compute(s, pd, &sh), "make the primitive");
    if (status == TN_OK) status = check(r, make_reorder(s, &sh.plain, packed), "reorder weights");
    if (status == TN_OK) status = take_memory(r, s, &sh, packed);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

static void release(tn_op_run *r, tn_kernel_run *k) {
    (void)r;
    state *s = k->state;
    if (!s) return;
    call_free(&s->compute);
    call_free(&s->reorder);
    if (s->stream) dnnl_stream_destroy(s->stream);
    free(s->plain);
    free(s->packed);
    free(s->factor);
    tn_epilogue_free(&s->epilogue);
    free(s);
    k->state = NULL;
}

static tn_status prepare_with(tn_op_run *r, tn_kernel_run *k, const tn_epilogue *epilogue) {
    state *s = calloc(1, sizeof *s);
    if (!s) return tn_fail("%s: out of memory", r->op->name);
    k->state = s;
    TN_TRY(check(r, tn_onednn_start(), "start"));
    s->epilogue = *epilogue;
    const int threads = tn_onednn_set_threads(r->threads);
    const tn_status status = make_calls(r, s);
    tn_onednn_set_threads(threads);
    if (status != TN_OK) {
        s->epilogue = (tn_epilogue){0}; /* it stays the caller's */
        return status;
    }
    const size_t pad = s->scratchpad_bytes[0] > s->scratchpad_bytes[1] ? s->scratchpad_bytes[0]
                                                                       : s->scratchpad_bytes[1];
    /* the library may load whole vectors at the end of the image */
    s->broken_at = round_up(tn_elements(&r->in[0])) + ALIGN;
    s->scratchpad_at = s->broken_at + round_up((size_t)r->in[0].n);
    k->scratch_bytes = s->scratchpad_at + round_up(pad);
    return TN_OK;
}

static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    if (r->mode != TN_INFER || r->gpu || !r->quantisation || !(r->quantisation->step > 0))
        return TN_REFUSED;
    if (!tn_int8_runs_here() || !tn_is_dense(&r->out)) return TN_REFUSED;
    tn_epilogue e;
    TN_TRY(tn_epilogue_take(&e, r, k, true));
    tn_status status = prepare_with(r, k, &e);
    if (status == TN_OK || !e.norm) return status;
    release(r, k);
    tn_epilogue_free(&e);
    if (status != TN_REFUSED) return status;
    k->takes_tail = k->in_place = false;
    return prepare_with(r, k, &e);
}

/* ---- run ---- */

/* Rounds some of n values the other way, those nearest to their half first, until the errors' sum
 * is at most a half: what a filter makes of an even surface then stays what it was. */
static void balance(const tn_real *w, float per_step, size_t n, int8_t *to) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)to[i] - (double)(w[i] * per_step);
    while (fabs(sum) > 0.5) {
        const int way = sum > 0 ? 1 : -1;
        size_t chosen = n;
        float most = 0;
        for (size_t i = 0; i < n; i++) {
            const float error = (float)way * ((float)to[i] - w[i] * per_step);
            if (error <= most || to[i] == -way * MOST_WEIGHT) continue;
            most = error;
            chosen = i;
        }
        if (chosen == n) return;
        to[chosen] = (int8_t)(to[chosen] - way);
        sum -= way;
    }
}

/* A filter's weights and what one step of them means; NaN where one is not finite. */
static float quantise_filter(const tn_real *w, size_t n, size_t taps, int8_t *to) {
    float most = 0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        finite &= isfinite(w[i]);
        if (fabsf(w[i]) > most) most = fabsf(w[i]);
    }
    memset(to, 0, n);
    if (!finite || most == 0) return finite ? 0 : NAN;
    const float per_step = MOST_WEIGHT / most;
    for (size_t i = 0; i < n; i++) to[i] = (int8_t)lrintf(w[i] * per_step);
    for (size_t i = 0; i < n; i += taps) balance(w + i, per_step, taps, to + i);
    balance(w, per_step, n, to);
    return most / MOST_WEIGHT;
}

static dnnl_status_t pack(const tn_op_run *r, tn_kernel_run *k) {
    state *s = k->state;
    const tn_param *p = r->param[0];
    const bool refilled = tn_epilogue_fill(&s->epilogue);
    if (s->is_packed && !refilled && s->version == p->version && s->master == p->value)
        return dnnl_success;
    const tn_convolution_attr *a = r->op->attr;
    const size_t filters = (size_t)r->out.c, each = p->spec->count / filters;
    for (size_t f = 0; f < filters; f++) {
        const float step = quantise_filter(p->value + f * each, each, (size_t)a->kh * (size_t)a->kw,
                                           s->plain + f * each);
        s->factor[f] = step * r->quantisation->step;
        if (s->epilogue.norm) s->factor[f] *= s->epilogue.factor[f];
    }
    const dnnl_status_t status = call_run(
        s, &s->reorder,
        (void *const[MOST_ARGS]){s->plain, s->packed, (char *)k->scratch + s->scratchpad_at});
    s->is_packed = status == dnnl_success;
    s->version = p->version;
    s->master = p->value;
    return status;
}

/* What was not finite in an image is not finite in what comes of it. */
static void spread_broken(const tn_tensor *out, const uint8_t *broken) {
    const size_t image = (size_t)out->h * (size_t)out->w * (size_t)out->c;
    for (int n = 0; n < out->n; n++)
        for (size_t i = 0; broken[n] && i < image; i++) tn_data(out)[(size_t)n * image + i] = NAN;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    state *s = k->state;
    char *scratch = k->scratch;
    uint8_t *broken = (uint8_t *)scratch + s->broken_at;
    void *pad = scratch + s->scratchpad_at;
    const int threads = tn_onednn_set_threads(r->threads);
    dnnl_status_t status = pack(r, k);
    tn_quantise_avx512(&r->in[0], r->quantisation, r->threads, scratch, broken);
    void *const with_shift[MOST_ARGS] = {scratch,   s->packed,         r->out.data,
                                         s->factor, s->epilogue.shift, pad};
    void *const without[MOST_ARGS] = {scratch, s->packed, r->out.data, s->factor, pad};
    if (status == dnnl_success)
        status = call_run(s, &s->compute, s->epilogue.norm ? with_shift : without);
    tn_onednn_set_threads(threads);
    TN_TRY(check(r, status, "run forward"));
    spread_broken(&r->out, broken);
    return TN_OK;
}

const tn_kernel tn_convolution_forward_int8 = {"int8", prepare, forward, release};

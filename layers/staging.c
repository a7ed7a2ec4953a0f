#include "layers/staging.h"

#include "layers/device/bfloat16.h"

#include <string.h>

enum { ALIGN = 64 };

static size_t rounded(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- views ---- */

/* Elements from the first to the last, gaps in between included. */
static size_t extent(const tn_tensor *t) {
    const size_t pixels = tn_pixels(t);
    return pixels ? (pixels - 1) * (size_t)t->pitch + (size_t)t->c : 0;
}

size_t tn_staging_view_bytes(const tn_tensor *t) {
    return extent(t) * sizeof(tn_real);
}

/* bf16 lies in the upper half of the room at first: reading from there never meets what was
 * written below. */
static void widen(tn_real *to, size_t count) {
    const char *from = (const char *)to + count * sizeof(tn_bf16);
    for (size_t i = 0; i < count; i++) {
        tn_bf16 b;
        memcpy(&b, from + i * sizeof b, sizeof b);
        to[i] = (tn_real)tn_bf16_to_float(b);
    }
}

static void narrow(tn_real *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const tn_bf16 b = tn_bf16_from_float((float)from[i]);
        memcpy((char *)from + i * sizeof b, &b, sizeof b);
    }
}

/* In the processor's memory, as the calling thread's OpenMP team: the pixels, not their gaps. */
static void view_here(const tn_tensor *t, tn_real *host, bool out) {
    const size_t c = (size_t)t->c, pitch = (size_t)t->pitch;
    const size_t runs = tn_is_dense(t) ? (tn_elements(t) + 4095) / 4096 : tn_pixels(t);
    const size_t step = tn_is_dense(t) ? 4096 : pitch, all = tn_elements(t);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < runs; i++) {
        const size_t rest = all - i * step;
        const size_t n = !tn_is_dense(t) ? c : rest < step ? rest : step;
        tn_bf16 *narrow = (tn_bf16 *)t->data + i * step;
        tn_real *wide = host + i * step;
        for (size_t j = 0; out && j < n; j++) wide[j] = (tn_real)tn_bf16_to_float(narrow[j]);
        for (size_t j = 0; !out && j < n; j++) narrow[j] = tn_bf16_from_float((float)wide[j]);
    }
}

static void copy_here(const tn_tensor *t, tn_real *host, bool out) {
    for (size_t p = 0; p < tn_pixels(t); p++) {
        tn_real *at = tn_data(t) + p * (size_t)t->pitch, *copy = host + p * (size_t)t->pitch;
        memcpy(out ? copy : at, out ? at : copy, (size_t)t->c * sizeof *at);
    }
}

tn_status tn_staging_view_out(tn_gpu *gpu, const tn_tensor *t, tn_real *host, const char *what) {
    const size_t count = extent(t);
    if (!gpu) {
        (t->dtype == TN_BF16 ? view_here : copy_here)(t, host, true);
        return TN_OK;
    }
    if (t->dtype != TN_BF16)
        return tn_gpu_copy_out(gpu, host, t->data, count * sizeof(tn_real), what);
    const size_t bytes = count * sizeof(tn_bf16);
    TN_TRY(tn_gpu_copy_out(gpu, (char *)host + bytes, t->data, bytes, what));
    widen(host, count);
    return TN_OK;
}

tn_status tn_staging_view_in(tn_gpu *gpu, const tn_tensor *t, tn_real *host, const char *what) {
    const size_t count = extent(t);
    if (!gpu) {
        (t->dtype == TN_BF16 ? view_here : copy_here)(t, host, false);
        return TN_OK;
    }
    if (t->dtype == TN_BF16) narrow(host, count);
    return tn_gpu_copy_in(gpu, t->data, host, count * tn_element_bytes(t), what);
}

/* ---- attaching ---- */

static bool has_halves(const tn_op_run *r) {
    bool any = r->out.dtype == TN_BF16;
    for (int i = 0; i < r->op->n_in; i++) any |= r->in[i].dtype == TN_BF16;
    return any;
}

bool tn_staging_serves(const tn_op_run *r, const tn_kernel *kernel) {
    if (kernel->device != TN_ON_CPU) return false;
    return r->gpu || (!kernel->takes_bf16 && has_halves(r));
}

/* One view of r, and its counterpart of r->host, in a pass. */
typedef struct piece {
    const tn_tensor *gpu;
    tn_tensor *host;
    bool read, write;
} piece;

/* r->host, and room for the pieces of a pass: every input, its gradient, out and dout. */
typedef struct staged {
    tn_op_run run;
    piece *piece;
} staged;

static tn_tensor on_host(tn_tensor t) {
    t.data = NULL;
    t.dtype = TN_REAL;
    return t;
}

tn_status tn_staging_attach(tn_op_run *r, tn_param *const *host_param, tn_staging *staging,
                            tn_arena *arena) {
    const size_t n = (size_t)r->op->n_in, params = (size_t)r->op->n_param;
    staged *s = tn_arena_alloc(arena, sizeof *s);
    if (!s) return TN_FAIL;
    s->piece = tn_arena_alloc(arena, (2 * n + 2) * sizeof *s->piece);
    tn_op_run *h = &s->run;
    *h = (tn_op_run){.op = r->op,
                     .mode = r->mode,
                     .threads = r->threads,
                     .out = on_host(r->out),
                     .dout = on_host(r->dout),
                     .wants_params = r->wants_params,
                     .leaves = r->leaves,
                     .found = r->found};
    h->in = tn_arena_alloc(arena, n * sizeof *h->in);
    h->din = tn_arena_alloc(arena, n * sizeof *h->din);
    h->accumulate = tn_arena_alloc(arena, n * sizeof *h->accumulate);
    h->param = tn_arena_alloc(arena, params * sizeof(tn_param *));
    if (!s->piece || !h->in || !h->din || !h->accumulate || !h->param) return TN_FAIL;
    for (size_t i = 0; i < n; i++) {
        h->in[i] = on_host(r->in[i]);
        h->din[i] = on_host(r->din[i]);
        h->accumulate[i] = r->accumulate[i];
    }
    for (size_t i = 0; i < params; i++) h->param[i] = host_param[i];
    r->host = h;
    r->staging = staging;
    return TN_OK;
}

/* ---- what a pass reads and writes ---- */

static bool is_staged(const tn_op_run *r, tn_pass pass) {
    const tn_kernel *kernel = r->pass[pass].kernel;
    return r->host && kernel && tn_staging_serves(r, kernel);
}

/* Bits of tn_op_kind.keeps: which values backward passes read. */
static unsigned kept(const tn_op_run *r) {
    return r->op->kind->keeps ? r->op->kind->keeps(r->op) : 0;
}

static bool writes_gradients(const tn_op_run *r, tn_pass pass) {
    if (pass == TN_BACKWARD_PARAMS) return true;
    const bool own_pass = r->op->kind->kernels[TN_BACKWARD_PARAMS] != NULL;
    return pass == TN_BACKWARD_DATA && r->wants_params && !own_pass;
}

/* What is overwritten is read as well where there are gaps between its pixels: they are others'. */
static void add_piece(piece *list, int *n, const tn_tensor *gpu, tn_tensor *host, bool read,
                      bool write) {
    if (!gpu->data || gpu->n == 0) return;
    list[(*n)++] = (piece){gpu, host, read || (write && !tn_is_dense(gpu)), write};
}

static int pieces_of(const tn_op_run *r, tn_pass pass, piece *list) {
    int n = 0;
    tn_op_run *h = r->host;
    const bool forward = pass == TN_FORWARD;
    for (int i = 0; i < r->op->n_in; i++)
        if (forward || (kept(r) & TN_KEEPS_IN(i)))
            add_piece(list, &n, &r->in[i], &h->in[i], true, false);
    if (forward || (kept(r) & TN_KEEPS_OUT))
        add_piece(list, &n, &r->out, &h->out, !forward, forward);
    if (forward) return n;
    add_piece(list, &n, &r->dout, &h->dout, true, false);
    for (int i = 0; i < r->op->n_in && pass == TN_BACKWARD_DATA; i++)
        add_piece(list, &n, &r->din[i], &h->din[i], r->accumulate[i], true);
    return n;
}

size_t tn_staging_bytes(const tn_op_run *r, tn_pass pass) {
    if (!is_staged(r, pass)) return 0;
    size_t bytes = rounded(r->host->pass[pass].scratch_bytes);
    if (r->gpu) bytes += rounded(r->save_bytes);
    for (int i = 0; i < r->op->n_in; i++)
        bytes +=
            rounded(tn_staging_view_bytes(&r->in[i])) + rounded(tn_staging_view_bytes(&r->din[i]));
    return bytes + 2 * rounded(tn_staging_view_bytes(&r->out));
}

/* ---- running ---- */

static tn_status params_out(tn_op_run *r, tn_pass pass) {
    if (!r->gpu) return TN_OK;
    for (int i = 0; i < r->op->n_param; i++) {
        const tn_param *from = r->param[i];
        tn_param *to = r->host->param[i];
        const size_t bytes = from->spec->count * sizeof(tn_real);
        if (to->version != from->version) {
            TN_TRY(tn_gpu_copy_out(r->gpu, to->value, from->value, bytes, from->spec->name));
            to->version = from->version;
        }
        if (from->grad && writes_gradients(r, pass))
            TN_TRY(tn_gpu_copy_out(r->gpu, to->grad, from->grad, bytes, from->spec->name));
    }
    return TN_OK;
}

static tn_status params_in(tn_op_run *r, tn_pass pass) {
    if (!r->gpu) return TN_OK;
    for (int i = 0; i < r->op->n_param; i++) {
        tn_param *to = r->param[i];
        const tn_param *from = r->host->param[i];
        const size_t bytes = to->spec->count * sizeof(tn_real);
        if (from->version != to->version) {
            TN_TRY(tn_gpu_copy_in(r->gpu, to->value, from->value, bytes, to->spec->name));
            to->version = from->version;
        }
        if (to->grad && writes_gradients(r, pass))
            TN_TRY(tn_gpu_copy_in(r->gpu, to->grad, from->grad, bytes, to->spec->name));
    }
    return TN_OK;
}

/* What forward left, or room for it. */
static tn_status save_out(tn_op_run *r, tn_pass pass, void *room) {
    tn_op_run *h = r->host;
    h->save_bytes = r->save_bytes;
    h->save = r->gpu ? room : r->save;
    if (!r->gpu || !h->save || pass == TN_FORWARD) return TN_OK;
    return tn_gpu_copy_out(r->gpu, h->save, r->save, r->save_bytes, r->op->name);
}

static tn_status save_in(tn_op_run *r, tn_pass pass) {
    if (!r->gpu || !r->host->save || pass != TN_FORWARD) return TN_OK;
    return tn_gpu_copy_in(r->gpu, r->save, r->host->save, r->save_bytes, r->op->name);
}

/* Hands out staging memory from its beginning. */
static void *take(const tn_staging *s, size_t *used, size_t bytes) {
    void *at = s->block + *used;
    *used += rounded(bytes);
    return bytes ? at : NULL;
}

static tn_status run_there(tn_op_run *r, tn_pass pass, const piece *list, int n) {
    tn_op_run *h = r->host;
    tn_kernel_run *k = &h->pass[pass];
    size_t used = 0;
    TN_TRY(save_out(r, pass, r->gpu ? take(r->staging, &used, r->save_bytes) : NULL));
    k->scratch = take(r->staging, &used, k->scratch_bytes);
    for (int i = 0; i < n; i++) {
        list[i].host->data = take(r->staging, &used, tn_staging_view_bytes(list[i].gpu));
        if (!list[i].read) continue;
        TN_TRY(tn_staging_view_out(r->gpu, list[i].gpu, list[i].host->data, r->op->name));
    }
    TN_TRY(params_out(r, pass));
    h->step = r->gpu ? r->staging->step : r->step;
    TN_TRY(k->kernel->run(h, k));
    TN_TRY(params_in(r, pass));
    if (pass == TN_FORWARD) r->loss = h->loss;
    TN_TRY(save_in(r, pass));
    for (int i = 0; i < n; i++)
        if (list[i].write)
            TN_TRY(tn_staging_view_in(r->gpu, list[i].gpu, list[i].host->data, r->op->name));
    return TN_OK;
}

tn_status tn_staging_run(tn_op_run *r, tn_pass pass) {
    piece *list = ((staged *)r->host)->piece;
    const int n = pieces_of(r, pass, list);
    const tn_status status = run_there(r, pass, list, n);
    for (int i = 0; i < n; i++) list[i].host->data = NULL;
    return status;
}

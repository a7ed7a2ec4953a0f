#include "src/net/run_gpu.h"

#include "layers/ops/input.h"
#include "layers/ops/loss.h"
#include "src/net/run.h"

#include <stdio.h>
#include <string.h>

enum { ALIGN = 256 };

static size_t rounded(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

tn_status tn_run_gpu_open(tn_run_gpu *g, const tn_run_options *options, tn_param *param,
                          int n_params) {
    if (!options->mirror)
        TN_TRY(tn_mirror_create(options->gpu, param, n_params, options->mode == TN_TRAIN,
                                &g->own_mirror));
    g->mirror = options->mirror ? options->mirror : g->own_mirror;
    g->gpu = tn_mirror_gpu(g->mirror);
    g->precision = options->precision;
    g->choices = options->choices;
    return TN_OK;
}

tn_status tn_run_gpu_attach(tn_run_gpu *g, tn_op_run *r, tn_arena *arena) {
    tn_param *staged[4];
    for (int i = 0; i < r->op->n_param; i++)
        staged[i] = g->gpu ? tn_mirror_staging(g->mirror) + r->op->param[i] : r->param[i];
    r->gpu = g->gpu;
    r->precision = g->precision;
    r->choices = g->choices;
    return tn_staging_attach(r, staged, &g->staging, arena);
}

tn_status tn_run_gpu_take(tn_run_gpu *g, tn_op_run *op, int n_ops, size_t bytes, int batch,
                          size_t outputs, tn_arena *arena) {
    g->truth_bytes = (size_t)batch * outputs * sizeof(tn_real);
    g->loss_bytes = (size_t)n_ops * sizeof(double);
    g->loss = tn_arena_alloc(arena, g->loss_bytes + 1);
    if (!g->loss) return TN_FAIL;
    const size_t truth_at = rounded(bytes), losses_at = truth_at + rounded(g->truth_bytes);
    const size_t all = losses_at + rounded(g->loss_bytes);
    char what[64];
    snprintf(what, sizeof what, "a mini-batch of %d image%s", batch, batch == 1 ? "" : "s");
    TN_TRY(tn_gpu_alloc(g->gpu, all, what, &g->block));
    TN_TRY(tn_gpu_zero(g->gpu, g->block, all, "a replica's buffers"));
    g->truth = (tn_real *)((char *)g->block + truth_at);
    g->losses = (double *)((char *)g->block + losses_at);
    for (int i = 0; i < n_ops; i++) op[i].loss_at = g->losses + i;
    return TN_OK;
}

tn_status tn_run_gpu_twins(tn_run_gpu *g, int most, tn_arena *arena) {
    g->twin = tn_arena_alloc(arena, (size_t)most * sizeof *g->twin + 1);
    return g->twin ? TN_OK : TN_FAIL;
}

int tn_run_gpu_twin(tn_run_gpu *g, tn_tensor there) {
    tn_run_twin *twin = &g->twin[g->n_twins];
    twin->there = twin->here = there;
    twin->here.dtype = TN_REAL;
    return g->n_twins++;
}

tn_status tn_run_gpu_take_pages(tn_run_gpu *g, const tn_op_run *op, int n_ops) {
    for (int i = 0; i < n_ops; i++) {
        for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) {
            const size_t bytes = tn_staging_bytes(&op[i], p);
            if (bytes > g->staging.bytes) g->staging.bytes = bytes;
        }
    }
    for (int i = 0; i < g->n_twins; i++) {
        const size_t bytes = tn_staging_view_bytes(&g->twin[i].here);
        const bool narrowed = g->gpu && g->precision == TN_PRECISION_BF16;
        if (bytes > g->staging.bytes && narrowed) g->staging.bytes = bytes;
    }
    g->page_bytes = rounded(g->staging.bytes) + 1;
    for (int i = 0; i < g->n_twins; i++)
        g->page_bytes += rounded(tn_staging_view_bytes(&g->twin[i].here));
    g->pages = tn_pages_alloc(g->page_bytes);
    if (!g->pages) return tn_fail_in("staging");
    char *at = g->pages;
    g->staging.block = at;
    at += rounded(g->staging.bytes);
    for (int i = 0; i < g->n_twins; i++) {
        g->twin[i].here.data = at;
        at += rounded(tn_staging_view_bytes(&g->twin[i].here));
    }
    return TN_OK;
}

void tn_run_gpu_free(tn_run_gpu *g) {
    if (g->pages) tn_pages_free(g->pages, g->page_bytes);
    if (!g->gpu) return;
    tn_gpu_free(g->gpu, g->block);
    tn_gpu_free(g->gpu, g->bytes);
    tn_mirror_free(g->own_mirror);
}

#ifdef TN_REAL_DOUBLE /* is of the processor alone */
bool tn_run_gpu_takes_bytes(const tn_run_gpu *g, const tn_tensor *there) {
    (void)g;
    (void)there;
    return false;
}

tn_status tn_run_gpu_bytes_in(tn_run_gpu *g, const tn_tensor *there, const uint8_t *bytes,
                              const float *table) {
    (void)g;
    (void)there;
    (void)bytes;
    (void)table;
    return tn_fail("bytes cannot be a net's input here");
}
#else
bool tn_run_gpu_takes_bytes(const tn_run_gpu *g, const tn_tensor *there) {
    return g->gpu && tn_input_serves(g->gpu, there->c);
}

tn_status tn_run_gpu_bytes_in(tn_run_gpu *g, const tn_tensor *there, const uint8_t *bytes,
                              const float *table) {
    const size_t count = tn_elements(there), values = (size_t)there->c * TN_INPUT_VALUES;
    const size_t bytes_at = rounded(values * sizeof *table);
    if (!g->bytes) TN_TRY(tn_gpu_alloc(g->gpu, bytes_at + count, "images of bytes", &g->bytes));
    uint8_t *from = (uint8_t *)g->bytes + bytes_at;
    TN_TRY(tn_gpu_copy_in(g->gpu, g->bytes, table, values * sizeof *table, "a net's input"));
    TN_TRY(tn_gpu_copy_in(g->gpu, from, bytes, count, "a net's input"));
    TN_TRY(tn_input_widen(g->gpu, &(tn_input_args){*there, from, g->bytes}));
    g->widened = true;
    return TN_OK;
}
#endif

tn_status tn_run_gpu_twin_in(tn_run_gpu *g, int twin) {
    if (twin < 0) return TN_OK;
    const tn_run_twin *t = &g->twin[twin];
    tn_real *from = t->here.data;
    if (g->gpu &&
        t->there.dtype == TN_BF16) { /* made elsewhere: the caller's copy stays as it is */
        from = (tn_real *)g->staging.block;
        memcpy(from, t->here.data, tn_staging_view_bytes(&t->here));
    }
    return tn_staging_view_in(g->gpu, &t->there, from, "a net's input");
}

tn_status tn_run_gpu_twin_out(tn_run_gpu *g, int twin) {
    if (twin < 0) return TN_OK;
    const tn_run_twin *t = &g->twin[twin];
    return tn_staging_view_out(g->gpu, &t->there, t->here.data, "a net's output");
}

tn_status tn_run_gpu_begin(tn_run_gpu *g, const tn_step *step) {
    TN_TRY(tn_mirror_upload(g->mirror));
    g->staging.step = step;
    g->step = *step;
    if (!step->truth) return TN_OK;
    g->step.truth = g->truth;
    return tn_gpu_copy_in(g->gpu, g->truth, step->truth, g->truth_bytes, "a mini-batch's truth");
}

tn_status tn_run_gpu_fetch_losses(tn_run_gpu *g, tn_op_run *op, int n_ops) {
    bool there = false;
    for (int i = 0; i < n_ops; i++)
        there |= tn_op_has_loss(op[i].op) && op[i].pass[TN_FORWARD].kernel->device == TN_ON_GPU;
    if (!there || !g->step.truth) return TN_OK;
    TN_TRY(tn_gpu_copy_out(g->gpu, g->loss, g->losses, g->loss_bytes, "the losses"));
    for (int i = 0; i < n_ops; i++)
        if (tn_op_has_loss(op[i].op) && op[i].pass[TN_FORWARD].kernel->device == TN_ON_GPU)
            op[i].loss = g->loss[i];
    return TN_OK;
}

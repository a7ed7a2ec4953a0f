#include "src/net/optimizer_gpu.h"

#include "layers/ops/update.h"

#include <stdlib.h>
#include <string.h>

struct tn_optimizer_gpu {
    tn_optimizer *optimizer;
    tn_mirror *mirror;
    tn_gpu *gpu;
    bool kernels;
    int n_rows;
    int *param; /* of each row */
    tn_update_row *row;
    uint64_t most; /* elements of the largest */
    int *found;    /* a flag a row */
    /* on the GPU */
    void *block;
    float *moments;
    tn_update_row *row_there;
    int *found_there;
};

static size_t rounded(size_t bytes) {
    return (bytes + 255) / 256 * 256;
}

static void fill_rows(tn_optimizer_gpu *o) {
    const tn_optimizer *opt = o->optimizer;
    for (int i = 0; i < opt->n_params; i++) {
        const tn_param *p = &tn_mirror_params(o->mirror)[i];
        if (!p->grad || !tn_param_learns(p->spec)) continue;
        float *first = o->moments + opt->offset[i];
        o->param[o->n_rows] = i;
        o->row[o->n_rows++] = (tn_update_row){.value = (float *)p->value,
                                              .grad = (float *)p->grad,
                                              .first = first,
                                              .second = opt->second ? first + opt->count : NULL,
                                              .count = p->spec->count,
                                              .frozen = p->spec->frozen,
                                              .grad_scale = 1};
        if (p->spec->count > o->most) o->most = p->spec->count;
    }
}

static tn_status take_memory(tn_optimizer_gpu *o) {
    const size_t n = (size_t)o->optimizer->n_params + 1;
    o->param = calloc(n, sizeof *o->param);
    o->row = calloc(n, sizeof *o->row);
    o->found = calloc(n, sizeof *o->found);
    if (!o->param || !o->row || !o->found) return tn_fail("optimizer: out of memory");
    if (!o->kernels) return TN_OK;
    const size_t rows_at = rounded(o->optimizer->bytes);
    const size_t found_at = rows_at + rounded(n * sizeof *o->row);
    TN_TRY(tn_gpu_alloc(o->gpu, found_at + n * sizeof *o->found, "the optimizer's moments",
                        &o->block));
    o->moments = o->block;
    o->row_there = (tn_update_row *)((char *)o->block + rows_at);
    o->found_there = (int *)((char *)o->block + found_at);
    fill_rows(o);
    return tn_optimizer_gpu_moments_in(o);
}

tn_status tn_optimizer_gpu_create(tn_optimizer *optimizer, tn_mirror *mirror,
                                  tn_optimizer_gpu **out) {
    *out = NULL;
    tn_optimizer_gpu *o = calloc(1, sizeof *o);
    if (!o) return tn_fail("optimizer: out of memory");
    o->optimizer = optimizer;
    o->mirror = mirror;
    o->gpu = tn_mirror_gpu(mirror);
    o->kernels = sizeof(tn_real) == sizeof(float) && tn_update_serves(o->gpu);
    const tn_status status = take_memory(o);
    if (status != TN_OK) {
        tn_optimizer_gpu_free(o);
        return status;
    }
    *out = o;
    return TN_OK;
}

void tn_optimizer_gpu_free(tn_optimizer_gpu *o) {
    if (!o) return;
    tn_gpu_free(o->gpu, o->block);
    free(o->param);
    free(o->row);
    free(o->found);
    free(o);
}

static tn_status rows_in(tn_optimizer_gpu *o) {
    return tn_gpu_copy_in(o->gpu, o->row_there, o->row, (size_t)o->n_rows * sizeof *o->row,
                          "the optimizer's table");
}

tn_status tn_optimizer_gpu_non_finite(tn_optimizer_gpu *o, int *param) {
    *param = -1;
    if (!o->kernels) {
        TN_TRY(tn_mirror_gradients_out(o->mirror));
        *param = tn_params_non_finite_grad(tn_mirror_net(o->mirror), o->optimizer->n_params,
                                           o->optimizer->options.threads);
        return TN_OK;
    }
    const size_t bytes = (size_t)o->n_rows * sizeof *o->found;
    TN_TRY(rows_in(o));
    TN_TRY(tn_gpu_zero(o->gpu, o->found_there, bytes, "flags"));
    TN_TRY(tn_update_search(o->gpu, o->row_there, o->n_rows, o->most, o->found_there));
    TN_TRY(tn_gpu_copy_out(o->gpu, o->found, o->found_there, bytes, "flags"));
    for (int i = 0; i < o->n_rows && *param < 0; i++)
        if (o->found[i]) *param = o->param[i];
    return TN_OK;
}

/* The others take the new values up at their next forward. */
static tn_status update_on_processor(tn_optimizer_gpu *const *o, int n, double rate) {
    tn_mirror *mirror = o[0]->mirror;
    TN_TRY(tn_mirror_gradients_out(mirror));
    TN_TRY(tn_mirror_download(mirror));
    tn_optimizer_update(o[0]->optimizer, tn_mirror_net(mirror), rate);
    for (int i = 0; i < n; i++) TN_TRY(tn_mirror_gradients_zero(o[i]->mirror));
    return TN_OK;
}

static tn_status update_there(tn_optimizer_gpu *o, double rate) {
    const tn_optimizer *opt = o->optimizer;
    tn_param *param = tn_mirror_params(o->mirror);
    for (int i = 0; i < o->n_rows; i++)
        o->row[i].k = tn_optimizer_rates(opt, param[o->param[i]].spec, rate);
    TN_TRY(rows_in(o));
    TN_TRY(tn_update_run(o->gpu, o->row_there, o->n_rows, o->most, opt->options.kind != TN_SGD));
    for (int i = 0; i < o->n_rows; i++)
        if (!o->row[i].frozen) param[o->param[i]].version++;
    return TN_OK;
}

tn_status tn_optimizer_gpu_update(tn_optimizer_gpu *const *o, int n, double rate) {
    if (!o[0]->kernels) return update_on_processor(o, n, rate);
    for (int i = 0; i < n; i++) TN_TRY(update_there(o[i], rate));
    o[0]->optimizer->updates++;
    return TN_OK;
}

tn_status tn_optimizer_gpu_scale(tn_optimizer_gpu *o, float scale) {
    if (!o->kernels) return tn_fail("the program was built without nvcc: no kernel of updates");
    for (int i = 0; i < o->n_rows; i++) o->row[i].grad_scale = scale;
    return TN_OK;
}

tn_status tn_optimizer_gpu_moments_out(tn_optimizer_gpu *o) {
    if (!o->kernels) return TN_OK;
    return tn_gpu_copy_out(o->gpu, o->optimizer->pages, o->moments, o->optimizer->bytes,
                           "the optimizer's moments");
}

tn_status tn_optimizer_gpu_moments_in(tn_optimizer_gpu *o) {
    if (!o->kernels) return TN_OK;
    return tn_gpu_copy_in(o->gpu, o->moments, o->optimizer->pages, o->optimizer->bytes,
                          "the optimizer's moments");
}

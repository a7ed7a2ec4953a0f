#include "layers/op.h"

#include "layers/staging.h"

#include <string.h>

const char *tn_pass_name(tn_pass pass) {
    static const char *const names[TN_PASSES] = {"forward", "backward data", "backward params"};
    return names[pass];
}

static bool wants_data(const tn_op_run *r) {
    for (int i = 0; i < r->op->n_in; i++) {
        if (r->din[i].n > 0) return true;
    }
    return false;
}

static bool wants_pass(const tn_op_run *r, tn_pass pass) {
    const tn_op_kind *kind = r->op->kind;
    if (!kind->kernels[pass]) return false;
    if (pass == TN_FORWARD) return true;
    if (r->mode == TN_INFER) return false;
    if (pass == TN_BACKWARD_PARAMS) return r->wants_params;
    const bool params_too = r->wants_params && !kind->kernels[TN_BACKWARD_PARAMS];
    return wants_data(r) || params_too;
}

static tn_status try_kernel(tn_op_run *r, tn_pass pass, const tn_kernel *kernel) {
    if (!r->gpu && kernel->device == TN_ON_GPU) return TN_REFUSED;
    const bool staged = tn_staging_serves(r, kernel);
    if (staged && !r->host) return TN_REFUSED;
    tn_op_run *at = staged ? r->host : r; /* it is prepared, and later run, for r->host */
    tn_kernel_run *k = &at->pass[pass];
    *k = (tn_kernel_run){.kernel = kernel};
    const size_t save_bytes = r->save_bytes;
    at->save_bytes = save_bytes;
    const tn_status status = kernel->prepare ? kernel->prepare(at, k) : TN_OK;
    if (status == TN_OK) {
        r->save_bytes = at->save_bytes;
        if (at != r) r->pass[pass] = (tn_kernel_run){.kernel = kernel};
        return TN_OK;
    }
    if (k->state && kernel->release) kernel->release(at, k);
    *k = (tn_kernel_run){0};
    r->save_bytes = save_bytes;
    return status;
}

/* The first kernel that serves, of those of this name (NULL: any) that are staged or are not. */
static tn_status try_table(tn_op_run *r, tn_pass pass, const char *name, bool staged) {
    const tn_kernel *const *table = r->op->kind->kernels[pass];
    for (int i = 0; table[i]; i++) {
        if (tn_staging_serves(r, table[i]) != staged) continue;
        if (name && strcmp(table[i]->name, name) != 0) continue;
        const tn_status status = try_kernel(r, pass, table[i]);
        if (status != TN_REFUSED) return status;
    }
    return TN_REFUSED;
}

static tn_status choose(tn_op_run *r, tn_pass pass, const char *only) {
    for (int any = only ? 0 : 1; any < 2; any++) {
        for (int staged = 0; staged < 2; staged++) {
            const tn_status status = try_table(r, pass, any ? NULL : only, staged != 0);
            if (status != TN_REFUSED) return status;
        }
    }
    return tn_fail("%s: no kernel of %s serves %s", r->op->name, r->op->kind->name,
                   tn_pass_name(pass));
}

tn_status tn_op_prepare(tn_op_run *r, const char *only) {
    for (tn_pass pass = TN_FORWARD; pass < TN_PASSES; pass++) {
        r->pass[pass] = (tn_kernel_run){0};
        if (!wants_pass(r, pass)) continue;
        const tn_status status = choose(r, pass, only);
        if (status != TN_OK) {
            tn_op_release(r);
            return status;
        }
    }
    return TN_OK;
}

/* Names pass and shapes in an error that only knows of a call; which op it was, the caller says. */
static tn_status fail_in_pass(const tn_op_run *r, tn_pass pass) {
    const tn_tensor *in = &r->in[0], *out = &r->out;
    return tn_fail_in("%s %s, %dx%dx%dx%d to %dx%dx%dx%d", r->op->kind->name, tn_pass_name(pass),
                      in->n, in->h, in->w, in->c, out->n, out->h, out->w, out->c);
}

tn_status tn_op_run_pass(tn_op_run *r, tn_pass pass) {
    tn_kernel_run *k = &r->pass[pass];
    if (!k->kernel) return TN_OK;
    const bool staged = tn_staging_serves(r, k->kernel);
    const tn_status status = staged ? tn_staging_run(r, pass) : k->kernel->run(r, k);
    return status == TN_OK || !r->gpu ? status : fail_in_pass(r, pass);
}

tn_status tn_op_forward(tn_op_run *r) {
    return tn_op_run_pass(r, TN_FORWARD);
}

tn_status tn_op_backward(tn_op_run *r) {
    TN_TRY(tn_op_run_pass(r, TN_BACKWARD_PARAMS));
    return tn_op_run_pass(r, TN_BACKWARD_DATA);
}

void tn_op_release(tn_op_run *r) {
    for (tn_pass pass = TN_FORWARD; pass < TN_PASSES; pass++) {
        const tn_kernel *kernel = r->pass[pass].kernel;
        tn_op_run *at = kernel && tn_staging_serves(r, kernel) ? r->host : r;
        if (kernel && kernel->release) kernel->release(at, &at->pass[pass]);
        at->pass[pass] = r->pass[pass] = (tn_kernel_run){0};
    }
}

#include "layers/op.h"

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
    tn_kernel_run *k = &r->pass[pass];
    *k = (tn_kernel_run){.kernel = kernel};
    const size_t save_bytes = r->save_bytes;
    const tn_status status = kernel->prepare ? kernel->prepare(r, k) : TN_OK;
    if (status == TN_OK) return TN_OK;
    if (k->state && kernel->release) kernel->release(r, k);
    *k = (tn_kernel_run){0};
    r->save_bytes = save_bytes;
    return status;
}

static tn_status choose(tn_op_run *r, tn_pass pass, const char *only) {
    const tn_kernel *const *table = r->op->kind->kernels[pass];
    if (only) {
        for (int i = 0; table[i]; i++) {
            if (strcmp(table[i]->name, only) != 0) continue;
            const tn_status status = try_kernel(r, pass, table[i]);
            if (status != TN_REFUSED) return status;
        }
    }
    for (int i = 0; table[i]; i++) {
        const tn_status status = try_kernel(r, pass, table[i]);
        if (status != TN_REFUSED) return status;
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

static tn_status run_pass(tn_op_run *r, tn_pass pass) {
    tn_kernel_run *k = &r->pass[pass];
    return k->kernel ? k->kernel->run(r, k) : TN_OK;
}

tn_status tn_op_forward(tn_op_run *r) {
    return run_pass(r, TN_FORWARD);
}

tn_status tn_op_backward(tn_op_run *r) {
    TN_TRY(run_pass(r, TN_BACKWARD_PARAMS));
    return run_pass(r, TN_BACKWARD_DATA);
}

void tn_op_release(tn_op_run *r) {
    for (tn_pass pass = TN_FORWARD; pass < TN_PASSES; pass++) {
        tn_kernel_run *k = &r->pass[pass];
        if (k->kernel && k->kernel->release) k->kernel->release(r, k);
        *k = (tn_kernel_run){0};
    }
}

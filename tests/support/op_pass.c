#include "tests/support/op_pass.h"

#include <string.h>

const tn_pass tn_pass_order[TN_PASSES] = {TN_FORWARD, TN_BACKWARD_PARAMS, TN_BACKWARD_DATA};

bool tn_pass_is_run(const tn_harness_case *c, tn_pass pass) {
    if (!c->kind->kernels[pass]) return false;
    if (c->mode == TN_INFER) return pass == TN_FORWARD;
    return pass != TN_BACKWARD_PARAMS || !c->frozen;
}

bool tn_pass_is_there(const tn_kernel *kernel) {
    return kernel->device == TN_ON_GPU;
}

bool tn_pass_has_copies(const tn_kernel *kernel, tn_there_way way) {
    return tn_pass_is_there(kernel) || (kernel->takes_bf16 && way.precision == TN_PRECISION_BF16);
}

tn_status tn_pass_prepare(tn_world *w, tn_there_way way, tn_pass pass, const tn_kernel *kernel) {
    const tn_world full = *w;
    for (int i = 0; i < w->c->n_in; i++) w->in[i].data = w->din[i].data = NULL;
    w->run.out.data = w->run.dout.data = NULL;
    tn_kernel_run *k = &w->run.pass[pass];
    *k = (tn_kernel_run){.kernel = kernel};
    const tn_status status = tn_pass_has_copies(kernel, way) ? tn_there_prepare(w, way, pass)
                             : kernel->prepare               ? kernel->prepare(&w->run, k)
                                                             : TN_OK;
    memcpy(w->in, full.in, sizeof w->in);
    memcpy(w->din, full.din, sizeof w->din);
    w->run.out = full.run.out;
    w->run.dout = full.run.dout;
    if (status != TN_OK) return status;
    if (k->scratch_bytes) k->scratch = tn_world_guarded(w, k->scratch_bytes);
    if (pass == TN_FORWARD && w->run.save_bytes)
        w->run.save = tn_world_guarded(w, w->run.save_bytes);
    return TN_OK;
}

void tn_pass_release(tn_world *w, tn_there_way way, tn_pass pass) {
    tn_kernel_run *k = &w->run.pass[pass];
    if (k->kernel && tn_pass_has_copies(k->kernel, way))
        tn_there_release(w, way, pass);
    else if (k->kernel && k->kernel->release)
        k->kernel->release(&w->run, k);
    *k = (tn_kernel_run){0};
}

const tn_kernel *tn_pass_reference(const tn_harness_case *c, tn_pass pass) {
    const tn_kernel *const *table = c->kind->kernels[pass];
    if (!table) return NULL;
    while (table[1]) table++;
    return table[0];
}

const char *tn_pass_run(tn_world *w, tn_there_way way, tn_pass pass) {
    const tn_kernel *kernel = w->run.pass[pass].kernel;
    const tn_status status = tn_pass_has_copies(kernel, way)
                                 ? tn_there_run(w, way, pass)
                                 : kernel->run(&w->run, &w->run.pass[pass]);
    if (status != TN_OK) return tn_error();
    if (!tn_world_guards_hold(w)) return "wrote outside its memory";
    bool gaps = tn_world_gaps_hold(&w->run.out) && tn_world_gaps_hold(&w->run.dout);
    for (int i = 0; i < w->c->n_in; i++)
        gaps = gaps && tn_world_gaps_hold(&w->in[i]) && tn_world_gaps_hold(&w->din[i]);
    return gaps ? NULL : "wrote into the gaps between pixels";
}

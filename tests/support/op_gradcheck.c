#include "layers/device/rng.h"
#include "tests/support/op_pass.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PROBES = 40 };

static const tn_there_way fp32 = {TN_PRECISION_FP32, false};

static double functional(const tn_world *w) {
    const tn_tensor *out = &w->run.out, *dout = &w->run.dout;
    double sum = w->run.loss * w->step.grad_scale;
    for (size_t p = 0; dout->data && p < tn_pixels(out); p++)
        for (int c = 0; c < out->c; c++)
            sum += (double)tn_data(out)[p * out->pitch + c] *
                   (double)tn_data(dout)[p * dout->pitch + c];
    return sum;
}

/* The functional with *place moved; running statistics are put back, forward moves them. */
static double moved(tn_world *w, tn_real *place, double by) {
    const tn_real kept = *place;
    *place = (tn_real)((double)kept + by);
    for (int i = 0; i < w->c->n_param; i++) w->param[i].version++;
    const char *wrong = tn_pass_run(w, fp32, TN_FORWARD);
    *place = kept;
    for (int i = 0; i < w->c->n_param; i++) {
        if (tn_param_learns(&w->spec[i])) continue;
        tn_world_fill_params(w, 1);
        break;
    }
    return wrong ? (double)NAN : functional(w);
}

static const char *probe(tn_world *w, const char *what, tn_real *place, double gradient) {
    static char text[256];
    const bool wide = sizeof(tn_real) == sizeof(double);
    const double h = wide ? 1e-5 : 1e-2, tolerance = wide ? 1e-5 : 1e-3;
    const double numeric = (moved(w, place, h) - moved(w, place, -h)) / (2 * h);
    const double scale = fmax(1, fmax(fabs(numeric), fabs(gradient)));
    if (fabs(numeric - gradient) <= tolerance * scale) return NULL;
    snprintf(text, sizeof text, "%s: gradient %.9g, by central differences %.9g", what, gradient,
             numeric);
    return tn_world_describe(w, text);
}

static const char *probe_all(tn_world *w) {
    const char *wrong = NULL;
    tn_rng rng = tn_rng_stream(w->seed, TN_RNG_SYNTH, 500, 0, 0);
    for (int i = 0; i < w->c->n_in; i++) {
        const tn_tensor *t = &w->in[i];
        if (!w->din[i].data) continue;
        const size_t count = tn_elements(t);
        for (size_t j = 0; j < count && j < PROBES && !wrong; j++) {
            const size_t e = count <= PROBES ? j : tn_rng_below(&rng, (uint32_t)count);
            const size_t at = e / t->c * t->pitch + e % t->c;
            wrong = probe(w, "din", tn_data(t) + at, (double)tn_data(&w->din[i])[at]);
        }
    }
    for (int i = 0; i < w->c->n_param && !w->c->frozen; i++) {
        const size_t count = w->spec[i].count;
        for (size_t j = 0; w->param[i].grad && j < count && j < PROBES && !wrong; j++) {
            const size_t e = count <= PROBES ? j : tn_rng_below(&rng, (uint32_t)count);
            wrong = probe(w, "param grad", w->param[i].value + e, (double)w->param[i].grad[e]);
        }
    }
    return wrong;
}

/* The kernel that a replica would take; emulated ones, held against the reference before, would
 * take too long for hundreds of passes. */
static const char *prepare_first(tn_world *w, tn_pass pass) {
    const tn_kernel *const *table = w->c->kind->kernels[pass];
    for (int i = 0; table[i]; i++) {
        if (tn_pass_is_there(table[i]) && tn_there_is_emulated()) continue;
        const tn_status status = tn_pass_prepare(w, fp32, pass, table[i]);
        if (status == TN_OK) return NULL;
        if (status != TN_REFUSED) return tn_error();
    }
    return "every kernel refused";
}

const char *tn_harness_gradcheck(const tn_harness_case *c, uint64_t seed) {
    tn_world w;
    tn_world_open(&w, c, seed, false, false);
    const char *wrong = NULL;
    for (int i = 0; i < c->n_param; i++)
        for (size_t j = 0; w.param[i].grad && j < w.spec[i].count; j++) w.param[i].grad[j] = 0;
    for (int p = 0; p < TN_PASSES && !wrong; p++) {
        if (!tn_pass_is_run(c, tn_pass_order[p])) continue;
        wrong = prepare_first(&w, tn_pass_order[p]);
        if (!wrong) wrong = tn_pass_run(&w, fp32, tn_pass_order[p]);
        if (wrong) wrong = tn_world_describe(&w, wrong);
    }
    tn_world_fill_params(&w, 1);
    if (!wrong) wrong = probe_all(&w);
    for (int p = 0; p < TN_PASSES; p++) tn_pass_release(&w, fp32, tn_pass_order[p]);
    tn_world_close(&w);
    return wrong;
}

#include "tests/support/op_there.h"

#include "layers/device/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SERVED = 64, PROBES = 40 };

static struct {
    const tn_kernel *kernel;
    int times;
} served[MAX_SERVED];

int tn_harness_served(const tn_kernel *kernel) {
    for (int i = 0; i < MAX_SERVED && served[i].kernel; i++)
        if (served[i].kernel == kernel) return served[i].times;
    return 0;
}

static void count_served(const tn_kernel *kernel) {
    for (int i = 0; i < MAX_SERVED; i++) {
        if (served[i].kernel && served[i].kernel != kernel) continue;
        served[i].kernel = kernel;
        served[i].times++;
        return;
    }
}

/* ---- running ---- */

/* How kernels of the GPU are tried; those of the processor know one way. */
static tn_there_way way;

static bool is_there(const tn_kernel *kernel) {
    return kernel->device == TN_ON_GPU;
}

/* Prepares a kernel with shapes alone, as in a replica: memory comes later. */
static tn_status prepare(tn_world *w, tn_pass pass, const tn_kernel *kernel) {
    const tn_world full = *w;
    for (int i = 0; i < w->c->n_in; i++) w->in[i].data = w->din[i].data = NULL;
    w->run.out.data = w->run.dout.data = NULL;
    tn_kernel_run *k = &w->run.pass[pass];
    *k = (tn_kernel_run){.kernel = kernel};
    const tn_status status = is_there(kernel)  ? tn_there_prepare(w, way, pass)
                             : kernel->prepare ? kernel->prepare(&w->run, k)
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

static void release(tn_world *w, tn_pass pass) {
    tn_kernel_run *k = &w->run.pass[pass];
    if (k->kernel && is_there(k->kernel))
        tn_there_release(w, way, pass);
    else if (k->kernel && k->kernel->release)
        k->kernel->release(&w->run, k);
    *k = (tn_kernel_run){0};
}

static const tn_kernel *reference(const tn_harness_case *c, tn_pass pass) {
    const tn_kernel *const *table = c->kind->kernels[pass];
    if (!table) return NULL;
    while (table[1]) table++;
    return table[0];
}

/* Runs one pass once. NULL or what went wrong. */
static const char *once(tn_world *w, tn_pass pass) {
    const tn_kernel *kernel = w->run.pass[pass].kernel;
    const tn_status status =
        is_there(kernel) ? tn_there_run(w, way, pass) : kernel->run(&w->run, &w->run.pass[pass]);
    if (status != TN_OK) return tn_error();
    if (!tn_world_guards_hold(w)) return "wrote outside its memory";
    bool gaps = tn_world_gaps_hold(&w->run.out) && tn_world_gaps_hold(&w->run.dout);
    for (int i = 0; i < w->c->n_in; i++)
        gaps = gaps && tn_world_gaps_hold(&w->in[i]) && tn_world_gaps_hold(&w->din[i]);
    return gaps ? NULL : "wrote into the gaps between pixels";
}

/* ---- comparing ---- */

static double bound(const tn_world *w, double largest) {
    if (w->integers && way.precision != TN_PRECISION_BF16) return 0;
    double tolerance = w->c->tolerance > 0 ? w->c->tolerance : 1e-5;
    if (tn_there_tolerance(way) > tolerance) tolerance = tn_there_tolerance(way);
    return tolerance * (largest > 1 ? largest : 1);
}

/* Rows of `width` elements, `pitch` apart. The reference holds no NaN; `got` may. */
static const char *compare_rows(const tn_world *w, const char *what, const tn_real *got,
                                const tn_real *want, size_t rows, int width, int pitch) {
    static char text[256];
    double largest = 0;
    for (size_t p = 0; p < rows; p++)
        for (int c = 0; c < width; c++) {
            const double a = fabs((double)want[p * pitch + c]);
            if (a > largest) largest = a;
        }
    const double limit = bound(w, largest);
    for (size_t p = 0; p < rows; p++)
        for (int c = 0; c < width; c++) {
            const double a = (double)got[p * pitch + c], b = (double)want[p * pitch + c];
            if (fabs(a - b) <= limit) continue;
            snprintf(text, sizeof text, "%s[%zu,%d] is %.9g, the reference's %.9g (allowed %.2g)",
                     what, p, c, a, b, limit);
            return text;
        }
    return NULL;
}

static const char *compare_views(const tn_world *w, const char *what, const tn_tensor *got,
                                 const tn_tensor *want) {
    if (!want->data) return NULL;
    return compare_rows(w, what, tn_data(got), tn_data(want), tn_pixels(want), want->c,
                        want->pitch);
}

/* Everything a pass may have written. */
static const char *compare(const tn_world *got, const tn_world *want, tn_pass pass) {
    const tn_harness_case *c = got->c;
    const char *wrong = NULL;
    if (pass == TN_FORWARD) {
        wrong = compare_views(got, "out", &got->run.out, &want->run.out);
        const double a = got->run.loss, b = want->run.loss;
        if (!wrong && !(fabs(a - b) <= bound(want, fabs(b)))) return "loss differs";
    }
    for (int i = 0; i < c->n_in && pass == TN_BACKWARD_DATA && !wrong; i++)
        wrong = compare_views(got, "din", &got->din[i], &want->din[i]);
    for (int i = 0; i < c->n_param && !wrong; i++) {
        const size_t count = want->spec[i].count;
        wrong = compare_rows(got, "param value", got->param[i].value, want->param[i].value, count,
                             1, 1);
        if (!wrong && want->param[i].grad && pass != TN_FORWARD)
            wrong = compare_rows(got, "param grad", got->param[i].grad, want->param[i].grad, count,
                                 1, 1);
    }
    return wrong;
}

/* ---- checking ---- */

static const tn_pass order[TN_PASSES] = {TN_FORWARD, TN_BACKWARD_PARAMS, TN_BACKWARD_DATA};

static bool has_pass(const tn_harness_case *c, tn_pass pass) {
    if (!c->kind->kernels[pass]) return false;
    if (c->mode == TN_INFER) return pass == TN_FORWARD;
    return pass != TN_BACKWARD_PARAMS || !c->frozen;
}

static void copy_values(tn_world *to, const tn_world *from) {
    memcpy(tn_data(&to->run.out) - tn_world_lead(&to->run.out),
           tn_data(&from->run.out) - tn_world_lead(&from->run.out),
           tn_pixels(&from->run.out) * from->run.out.pitch * sizeof(tn_real));
    to->run.save_bytes = from->run.save_bytes;
    if (from->run.save_bytes) {
        if (!to->run.save) to->run.save = tn_world_guarded(to, from->run.save_bytes);
        memcpy(to->run.save, from->run.save, from->run.save_bytes);
    }
    to->run.loss = from->run.loss;
    for (int i = 0; i < to->c->n_param; i++) {
        memcpy(to->param[i].value, from->param[i].value, from->spec[i].count * sizeof(tn_real));
        to->param[i].version++;
    }
}

/* Runs a prepared kernel twice, with other parameters first: what was packed for them must not be
 * used again. `before` holds what an earlier forward left; NULL for forward itself. */
static const char *twice(tn_world *w, tn_pass pass, const tn_world *before) {
    tn_world_fill_params(w, -1);
    if (before) {
        copy_values(w, before);
        for (int i = 0; i < w->c->n_param; i++)
            for (size_t j = 0; j < w->spec[i].count; j++)
                if (w->spec[i].kind == TN_PARAM_WEIGHTS) w->param[i].value[j] += 1;
    }
    const char *wrong = once(w, pass);
    if (wrong) return wrong;
    tn_world_reset_targets(w);
    tn_world_fill_params(w, 1);
    if (before) copy_values(w, before);
    return once(w, pass);
}

/* One kernel in one pass; what the passes before it leave comes from the reference. */
static const char *check_kernel(const tn_harness_case *c, const tn_world *base,
                                const tn_world *after, tn_pass pass, const tn_kernel *kernel) {
    tn_world w;
    tn_world_open(&w, c, base->seed, base->integers, base->accumulate);
    tn_there_round(&w, way);
    const char *wrong = NULL;
    if (pass != TN_FORWARD) copy_values(&w, base);
    const tn_status status = prepare(&w, pass, kernel);
    if (status == TN_OK) {
        count_served(kernel);
        wrong = twice(&w, pass, pass == TN_FORWARD ? NULL : base);
        if (!wrong) wrong = compare(&w, after, pass);
    } else if (status != TN_REFUSED) {
        wrong = tn_error();
    }
    if (wrong) {
        char text[400];
        snprintf(text, sizeof text, "%s, kernel %s: %s", tn_pass_name(pass), kernel->name, wrong);
        wrong = tn_world_describe(&w, text);
    }
    release(&w, pass);
    tn_world_close(&w);
    return wrong;
}

/* Forward must not depend on the number of threads, to the last bit; on a GPU, on the order in
 * which its threads run. */
static const char *check_threads(const tn_harness_case *c, uint64_t seed, const tn_kernel *kernel) {
    tn_world w[2];
    const char *wrong = NULL;
    for (int i = 0; i < 2; i++) {
        tn_world_open(&w[i], c, seed, false, false);
        w[i].run.threads = i + 1;
        if (prepare(&w[i], TN_FORWARD, kernel) == TN_OK && !wrong) wrong = once(&w[i], TN_FORWARD);
    }
    const size_t bytes =
        tn_pixels(&w[0].run.out) * w[0].run.out.pitch - tn_world_lead(&w[0].run.out);
    if (!wrong && memcmp(w[0].run.out.data, w[1].run.out.data, bytes * sizeof(tn_real)) != 0)
        wrong = is_there(kernel) ? "a second run gives different bits"
                                 : "1 and 2 threads give different bits";
    if (wrong) {
        char text[400];
        snprintf(text, sizeof text, "forward, kernel %s: %s", kernel->name, wrong);
        wrong = tn_world_describe(&w[1], text);
    }
    for (int i = 0; i < 2; i++) {
        release(&w[i], TN_FORWARD);
        tn_world_close(&w[i]);
    }
    return wrong;
}

/* The processor's kernels know fp32 alone. */
static bool is_tried(const tn_kernel *kernel) {
    return is_there(kernel) || way.precision == TN_PRECISION_FP32;
}

/* Runs the reference through all passes: `base` is as forward left it, `after` as the pass did. */
static const char *check_data(const tn_harness_case *c, uint64_t seed, bool integers,
                              bool accumulate) {
    tn_world base, after;
    tn_world_open(&base, c, seed, integers, accumulate);
    tn_world_open(&after, c, seed, integers, accumulate);
    tn_there_round(&base, way);
    tn_there_round(&after, way);
    const char *wrong = NULL;
    for (int p = 0; p < TN_PASSES && !wrong; p++) {
        const tn_pass pass = order[p];
        if (!has_pass(c, pass)) continue;
        tn_world *w = pass == TN_FORWARD ? &base : &after;
        if (pass != TN_FORWARD) {
            tn_world_reset_targets(w);
            copy_values(w, &base);
        }
        if (prepare(w, pass, reference(c, pass)) != TN_OK)
            wrong = tn_world_describe(w, tn_error());
        else if ((wrong = once(w, pass)) != NULL)
            wrong = tn_world_describe(w, wrong);
        release(w, pass);
        for (int i = 0; c->kind->kernels[pass][i] && !wrong; i++)
            if (is_tried(c->kind->kernels[pass][i]))
                wrong = check_kernel(c, &base, w, pass, c->kind->kernels[pass][i]);
        if (pass == TN_FORWARD) tn_there_round_out(&base, way);
    }
    tn_world_close(&base);
    tn_world_close(&after);
    return wrong;
}

static bool has_kernels_there(const tn_op_kind *kind) {
    for (int pass = 0; pass < TN_PASSES; pass++)
        for (int i = 0; kind->kernels[pass] && kind->kernels[pass][i]; i++)
            if (is_there(kind->kernels[pass][i])) return true;
    return false;
}

/* tf32 and bf16 on the GPU, against the reference in fp32 on the same rounded values. */
static const char *check_precisions(const tn_harness_case *c, uint64_t seed) {
    const char *wrong = NULL;
    if (!has_kernels_there(c->kind) || !tn_there_gpu()) return NULL;
    for (int p = TN_PRECISION_TF32; p <= TN_PRECISION_BF16 && !wrong; p++) {
        if (tn_gpu_check_precision(tn_there_gpu(), (tn_precision)p) != TN_OK) continue;
        way = (tn_there_way){(tn_precision)p, seed % 4 == 0};
        wrong = check_data(c, seed, false, c->mode != TN_INFER && seed % 2);
        if (wrong) {
            static char text[1200];
            snprintf(text, sizeof text, "%s: %s", tn_precision_name((tn_precision)p), wrong);
            wrong = text;
        }
    }
    way = (tn_there_way){TN_PRECISION_FP32, false};
    return wrong;
}

const char *tn_harness_check(const tn_harness_case *c, uint64_t seed) {
    const char *wrong = check_data(c, seed, false, false);
    if (!wrong && c->mode != TN_INFER) wrong = check_data(c, seed, false, true);
    if (!wrong && c->exact_for_integers)
        wrong = check_data(c, seed, true, c->mode != TN_INFER && seed % 2);
    for (int i = 0; c->mode == TN_INFER && c->kind->kernels[TN_FORWARD][i] && !wrong; i++)
        wrong = check_threads(c, seed, c->kind->kernels[TN_FORWARD][i]);
    return wrong ? wrong : check_precisions(c, seed);
}

/* ---- gradients ---- */

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
    const char *wrong = once(w, TN_FORWARD);
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

/* The kernel that a replica on the processor would take. Those of the GPU were held against the
 * reference; hundreds of emulated passes would take too long. */
static const char *prepare_first(tn_world *w, tn_pass pass) {
    const tn_kernel *const *table = w->c->kind->kernels[pass];
    for (int i = 0; table[i]; i++) {
        if (is_there(table[i])) continue;
        const tn_status status = prepare(w, pass, table[i]);
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
        if (!has_pass(c, order[p])) continue;
        wrong = prepare_first(&w, order[p]);
        if (!wrong) wrong = once(&w, order[p]);
        if (wrong) wrong = tn_world_describe(&w, wrong);
    }
    tn_world_fill_params(&w, 1);
    if (!wrong) wrong = probe_all(&w);
    for (int p = 0; p < TN_PASSES; p++) release(&w, order[p]);
    tn_world_close(&w);
    return wrong;
}

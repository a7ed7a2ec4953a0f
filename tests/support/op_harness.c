#include "tests/support/op_pass.h"

#include "layers/device/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SERVED = 64 };

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

/* How kernels of the GPU, and those that take bf16, are tried. */
static tn_there_way way;

/* ---- comparing ---- */

static double bound_of(const tn_world *w, double largest, double rounding) {
    if (w->integers && way.precision != TN_PRECISION_BF16) return 0;
    double tolerance = w->c->tolerance > 0 ? w->c->tolerance : 1e-5;
    if (rounding > tolerance) tolerance = rounding;
    return tolerance * (largest > 1 ? largest : 1);
}

static double bound(const tn_world *w, double largest) {
    return bound_of(w, largest, tn_there_tolerance(way));
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
    const char *wrong = tn_pass_run(w, way, pass);
    if (wrong) return wrong;
    tn_world_reset_targets(w);
    tn_world_fill_params(w, 1);
    if (before) copy_values(w, before);
    return tn_pass_run(w, way, pass);
}

/* One kernel in one pass; what the passes before it leave comes from the reference. */
static const char *check_kernel(const tn_harness_case *c, const tn_world *base,
                                const tn_world *after, tn_pass pass, const tn_kernel *kernel) {
    tn_world w;
    tn_world_open(&w, c, base->seed, base->integers, base->accumulate);
    tn_there_round(&w, way);
    const char *wrong = NULL;
    if (pass != TN_FORWARD) copy_values(&w, base);
    const tn_status status = tn_pass_prepare(&w, way, pass, kernel);
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
    tn_pass_release(&w, way, pass);
    tn_world_close(&w);
    return wrong;
}

static bool gpu_is_tried(const tn_harness_case *c, uint64_t seed) {
    return c->emulated_every == 0 || seed % (uint64_t)c->emulated_every == 0 ||
           !tn_there_is_emulated();
}

/* Emulated tensor cores do not round: one case of three is enough for what is asked of libraries.
 */
static bool is_worth_it(tn_precision precision, uint64_t seed) {
    return precision != TN_PRECISION_TF32 || !tn_there_is_emulated() || seed % 3 == 0;
}

/* Forward must not depend on the number of threads, to the last bit; on a GPU, on the order in
 * which its threads run. */
static const char *check_threads(const tn_harness_case *c, uint64_t seed, const tn_kernel *kernel) {
    tn_world w[2];
    const char *wrong = NULL;
    for (int i = 0; i < 2; i++) {
        tn_world_open(&w[i], c, seed, false, false);
        w[i].run.threads = i + 1;
        if (tn_pass_prepare(&w[i], way, TN_FORWARD, kernel) == TN_OK && !wrong)
            wrong = tn_pass_run(&w[i], way, TN_FORWARD);
    }
    const size_t bytes =
        tn_pixels(&w[0].run.out) * w[0].run.out.pitch - tn_world_lead(&w[0].run.out);
    if (!wrong && memcmp(w[0].run.out.data, w[1].run.out.data, bytes * sizeof(tn_real)) != 0)
        wrong = tn_pass_is_there(kernel) ? "a second run gives different bits"
                                         : "1 and 2 threads give different bits";
    if (wrong) {
        char text[400];
        snprintf(text, sizeof text, "forward, kernel %s: %s", kernel->name, wrong);
        wrong = tn_world_describe(&w[1], text);
    }
    for (int i = 0; i < 2; i++) {
        tn_pass_release(&w[i], way, TN_FORWARD);
        tn_world_close(&w[i]);
    }
    return wrong;
}

static bool there_is_tried(const tn_harness_case *c, uint64_t seed, tn_precision precision) {
    if (precision == TN_PRECISION_FP32) return gpu_is_tried(c, seed);
    return tn_there_gpu() && gpu_is_tried(c, seed) &&
           tn_gpu_check_precision(tn_there_gpu(), precision) == TN_OK &&
           is_worth_it(precision, seed);
}

/* The processor's kernels know fp32, and some bf16. */
static bool is_tried(const tn_harness_case *c, uint64_t seed, const tn_kernel *kernel) {
    if (tn_pass_is_there(kernel)) return there_is_tried(c, seed, way.precision);
    return way.precision == TN_PRECISION_FP32 || tn_pass_has_copies(kernel, way);
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
        const tn_pass pass = tn_pass_order[p];
        if (!tn_pass_is_run(c, pass)) continue;
        tn_world *w = pass == TN_FORWARD ? &base : &after;
        if (pass != TN_FORWARD) {
            tn_world_reset_targets(w);
            copy_values(w, &base);
        }
        if (tn_pass_prepare(w, way, pass, tn_pass_reference(c, pass)) != TN_OK)
            wrong = tn_world_describe(w, tn_error());
        else if ((wrong = tn_pass_run(w, way, pass)) != NULL)
            wrong = tn_world_describe(w, wrong);
        tn_pass_release(w, way, pass);
        for (int i = 0; c->kind->kernels[pass][i] && !wrong; i++)
            if (is_tried(c, seed, c->kind->kernels[pass][i]))
                wrong = check_kernel(c, &base, w, pass, c->kind->kernels[pass][i]);
        if (pass == TN_FORWARD) tn_there_round_out(&base, way);
    }
    tn_world_close(&base);
    tn_world_close(&after);
    return wrong;
}

static bool has_kernels_to_try(const tn_harness_case *c, uint64_t seed) {
    for (int pass = 0; pass < TN_PASSES; pass++)
        for (int i = 0; c->kind->kernels[pass] && c->kind->kernels[pass][i]; i++)
            if (is_tried(c, seed, c->kind->kernels[pass][i])) return true;
    return false;
}

/* tf32 and bf16, against the reference in fp32 on the same rounded values. What bf16 may cost: an
 * element is rounded once when it is written, by 2^-8 of itself at most, and so is a weight before
 * it is multiplied, whose errors add up like the products themselves: 2^-7 of the largest element
 * together. tn_there_tolerance allows twice that. */
static const char *check_precisions(const tn_harness_case *c, uint64_t seed) {
    const char *wrong = NULL;
    for (int p = TN_PRECISION_TF32; p <= TN_PRECISION_BF16 && !wrong; p++) {
        way = (tn_there_way){(tn_precision)p, seed % 4 == 0};
        if (!has_kernels_to_try(c, seed)) continue;
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
        if (is_tried(c, seed, c->kind->kernels[TN_FORWARD][i]))
            wrong = check_threads(c, seed, c->kind->kernels[TN_FORWARD][i]);
    return wrong ? wrong : check_precisions(c, seed);
}

#include "tests/support/op_harness.h"

#include "layers/device/rng.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, MAX_BLOCKS = 32, MAX_SERVED = 64, PROBES = 40 };

/* Memory between guards. */
typedef struct block {
    unsigned char *raw;
    size_t bytes; /* without guards */
} block;

/* An op with all that it reads and writes, filled from a seed. */
typedef struct world {
    const tn_harness_case *c;
    uint64_t seed;
    bool integers, accumulate;
    tn_op op;
    tn_op_run run;
    tn_tensor in[TN_HARNESS_INPUTS], din[TN_HARNESS_INPUTS];
    bool add[TN_HARNESS_INPUTS];
    tn_param_spec spec[TN_HARNESS_PARAMS];
    tn_param param[TN_HARNESS_PARAMS], *params[TN_HARNESS_PARAMS];
    tn_step step;
    block blocks[MAX_BLOCKS];
    int n_blocks;
} world;

static char message[1024];
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

/* ---- messages ---- */

static int append(int at, const char *format, ...) TN_PRINTF(2, 3);
static int append(int at, const char *format, ...) {
    if (at >= (int)sizeof message) return at;
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(message + at, sizeof message - (size_t)at, format, args);
    va_end(args);
    return n < 0 ? at : at + n;
}

static int append_shape(int at, const char *name, const tn_tensor *t) {
    return append(at, " %s=%dx%dx%dx%d/%d", name, t->n, t->h, t->w, t->c, t->pitch);
}

/* "<what>: seed=7 convolution in=1x5x5x4/4 out=... <attr>" */
static const char *describe(const world *w, const char *what) {
    const tn_harness_case *c = w->c;
    char copy[512];
    snprintf(copy, sizeof copy, "%s", what);
    int at = append(0, "%s: seed=%llu %s mode=%d threads=%d", copy, (unsigned long long)w->seed,
                    c->kind->name, (int)c->mode, w->run.threads);
    for (int i = 0; i < c->n_in; i++) at = append_shape(at, "in", &w->in[i]);
    at = append_shape(at, "out", &w->run.out);
    for (int i = 0; i < c->n_param; i++) {
        at = append(at, " param%d=", i);
        for (int d = 0; d < w->spec[i].n_dim; d++)
            at = append(at, d ? "x%d" : "%d", w->spec[i].dim[d]);
    }
    append(at, "%s%s%s %s", w->accumulate ? " accumulate" : "", w->integers ? " integers" : "",
           c->frozen ? " frozen" : "", c->text ? c->text : "");
    return message;
}

/* ---- memory ---- */

static void *guarded(world *w, size_t bytes) {
    const size_t room = (bytes + GUARD - 1) / GUARD * GUARD;
    unsigned char *raw = w->n_blocks < MAX_BLOCKS ? aligned_alloc(GUARD, room + 2 * GUARD) : NULL;
    if (!raw) {
        fprintf(stderr, "op harness: out of memory\n");
        abort();
    }
    memset(raw, 0xFF, room + 2 * GUARD);
    w->blocks[w->n_blocks++] = (block){raw, bytes};
    return raw + GUARD;
}

static bool all_ones(const unsigned char *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (p[i] != 0xFF) return false;
    return true;
}

static bool guards_hold(const world *w) {
    for (int i = 0; i < w->n_blocks; i++) {
        const block *b = &w->blocks[i];
        const size_t room = (b->bytes + GUARD - 1) / GUARD * GUARD;
        if (!all_ones(b->raw, GUARD)) return false;
        if (!all_ones(b->raw + GUARD + b->bytes, room - b->bytes + GUARD)) return false;
    }
    return true;
}

/* Elements before a view's first pixel: as in a concatenation, data do not start at the block. */
static size_t lead(const tn_tensor *t) {
    return (size_t)(t->pitch - t->c) / 2;
}

static bool gaps_hold(const tn_tensor *t) {
    if (!t->data || tn_is_dense(t)) return true;
    const tn_real *start = tn_data(t) - lead(t);
    for (size_t p = 0; p < tn_pixels(t); p++) {
        const tn_real *pixel = start + p * t->pitch;
        const size_t before = lead(t), after = (size_t)(t->pitch - t->c) - before;
        if (!all_ones((const unsigned char *)pixel, before * sizeof(tn_real))) return false;
        if (!all_ones((const unsigned char *)(pixel + before + t->c), after * sizeof(tn_real)))
            return false;
    }
    return true;
}

static tn_tensor view(tn_tensor shape) {
    if (shape.pitch == 0) shape.pitch = shape.c;
    shape.data = NULL;
    return shape;
}

static void give_memory(world *w, tn_tensor *t) {
    t->data = (tn_real *)guarded(w, tn_pixels(t) * t->pitch * sizeof(tn_real)) + lead(t);
}

/* ---- data ---- */

static tn_real draw(tn_rng *rng, bool integers, double low, double high) {
    if (integers) return (tn_real)((int)tn_rng_below(rng, 7) - 3);
    return (tn_real)(low + (high - low) * (double)tn_rng_uniform(rng, 0, 1));
}

/* Fills the elements; gaps stay NaN. `which` sets buffers of one seed apart. */
static void fill(const world *w, const tn_tensor *t, uint32_t which, double reach) {
    tn_rng rng = tn_rng_stream(w->seed, TN_RNG_SYNTH, which, 0, 0);
    for (size_t p = 0; p < tn_pixels(t); p++)
        for (int c = 0; c < t->c; c++)
            tn_data(t)[p * t->pitch + c] = draw(&rng, w->integers, -reach, reach);
}

static void spoil(const tn_tensor *t) {
    for (size_t p = 0; p < tn_pixels(t); p++)
        memset(tn_data(t) + p * t->pitch, 0xFF, (size_t)t->c * sizeof(tn_real));
}

/* Values of all parameters; `sign` -1 gives others, to see that a new version is noticed. */
static void fill_params(world *w, int sign) {
    for (int i = 0; i < w->c->n_param; i++) {
        tn_rng rng = tn_rng_stream(w->seed, TN_RNG_SYNTH, 100 + (uint32_t)i, 0, 0);
        const bool variance = w->spec[i].kind == TN_PARAM_VARIANCE;
        for (size_t j = 0; j < w->spec[i].count; j++) {
            const tn_real v = variance ? draw(&rng, false, .5, 2) : draw(&rng, w->integers, -1, 1);
            w->param[i].value[j] = variance ? v : (tn_real)sign * v;
        }
        w->param[i].version++;
    }
}

static void fill_grads(world *w) {
    for (int i = 0; i < w->c->n_param; i++) {
        tn_rng rng = tn_rng_stream(w->seed, TN_RNG_SYNTH, 200 + (uint32_t)i, 0, 0);
        for (size_t j = 0; w->param[i].grad && j < w->spec[i].count; j++)
            w->param[i].grad[j] = draw(&rng, w->integers, -1, 1);
    }
}

static void fill_truth(world *w) {
    const tn_tensor *out = &w->run.out;
    const size_t row = (size_t)out->h * out->w * out->c;
    tn_real *truth = guarded(w, (size_t)out->n * row * sizeof *truth);
    tn_rng rng = tn_rng_stream(w->seed, TN_RNG_SYNTH, 300, 0, 0);
    for (int n = 0; n < out->n; n++) {
        double sum = 0;
        for (size_t i = 0; i < row; i++)
            sum += truth[n * row + i] = (tn_real)(0.1 + (double)tn_rng_uniform(&rng, 0, 1));
        for (size_t i = 0; i < row; i++) truth[n * row + i] /= (tn_real)sum;
    }
    w->step.truth = truth;
}

/* What passes write into, as it is before they run. */
static void reset_targets(world *w) {
    spoil(&w->run.out);
    for (int i = 0; i < w->c->n_in; i++) {
        if (!w->din[i].data) continue;
        if (w->accumulate)
            fill(w, &w->din[i], 400 + (uint32_t)i, 1);
        else
            spoil(&w->din[i]);
    }
    fill_grads(w);
}

static void open_params(world *w) {
    for (int i = 0; i < w->c->n_param; i++) {
        tn_param_spec *s = &w->spec[i];
        *s = w->c->param[i];
        s->name = "param";
        s->rate = 1;
        s->count = 1;
        for (int d = 0; d < s->n_dim; d++) s->count *= (size_t)s->dim[d];
        w->param[i].spec = s;
        w->param[i].value = guarded(w, s->count * sizeof(tn_real));
        if (tn_param_learns(s)) w->param[i].grad = guarded(w, s->count * sizeof(tn_real));
        w->params[i] = &w->param[i];
    }
}

/* A world with equal data for equal (case, seed, integers, accumulate). */
static void open_world(world *w, const tn_harness_case *c, uint64_t seed, bool integers,
                       bool accumulate) {
    static const int indices[TN_HARNESS_INPUTS] = {0, 1, 2, 3};
    *w = (world){.c = c, .seed = seed, .integers = integers, .accumulate = accumulate};
    w->op = (tn_op){.kind = c->kind,
                    .attr = c->attr,
                    .name = "0.op",
                    .n_in = c->n_in,
                    .in = indices,
                    .out = c->n_in,
                    .n_param = c->n_param};
    for (int i = 0; i < c->n_param; i++) w->op.param[i] = i;
    w->run = (tn_op_run){.op = &w->op,
                         .mode = c->mode,
                         .threads = c->threads ? c->threads : 1 + (int)(seed % 2),
                         .in = w->in,
                         .din = w->din,
                         .accumulate = w->add,
                         .param = w->params,
                         .wants_params = !c->frozen && c->n_param > 0,
                         .step = &w->step};
    w->run.out = view(c->out);
    w->step = (tn_step){.seed = seed,
                        .step = 3,
                        .n_valid = c->n_valid ? c->n_valid : c->out.n,
                        .grad_scale = 1.0 / c->out.n};
    for (int i = 0; i < c->n_in; i++) {
        w->in[i] = view(c->in[i]);
        give_memory(w, &w->in[i]);
        fill(w, &w->in[i], (uint32_t)i, c->reach > 0 ? c->reach : 1);
        w->add[i] = accumulate;
        if (c->mode == TN_INFER || c->unwanted >> i & 1) continue;
        w->din[i] = view(c->in[i]);
        give_memory(w, &w->din[i]);
    }
    give_memory(w, &w->run.out);
    w->run.dout = view(c->out);
    if (c->mode != TN_INFER && !c->no_dout) {
        give_memory(w, &w->run.dout);
        fill(w, &w->run.dout, 50, 1);
    }
    open_params(w);
    fill_params(w, 1);
    if (c->truth) fill_truth(w);
    reset_targets(w);
}

static void close_world(world *w) {
    for (int i = 0; i < w->n_blocks; i++) free(w->blocks[i].raw);
    w->n_blocks = 0;
}

/* ---- running ---- */

/* Prepares a kernel with shapes alone, as in a replica: memory comes later. */
static tn_status prepare(world *w, tn_pass pass, const tn_kernel *kernel) {
    const world full = *w;
    for (int i = 0; i < w->c->n_in; i++) w->in[i].data = w->din[i].data = NULL;
    w->run.out.data = w->run.dout.data = NULL;
    tn_kernel_run *k = &w->run.pass[pass];
    *k = (tn_kernel_run){.kernel = kernel};
    const tn_status status = kernel->prepare ? kernel->prepare(&w->run, k) : TN_OK;
    memcpy(w->in, full.in, sizeof w->in);
    memcpy(w->din, full.din, sizeof w->din);
    w->run.out = full.run.out;
    w->run.dout = full.run.dout;
    if (status != TN_OK) return status;
    if (k->scratch_bytes) k->scratch = guarded(w, k->scratch_bytes);
    if (pass == TN_FORWARD && w->run.save_bytes) w->run.save = guarded(w, w->run.save_bytes);
    return TN_OK;
}

static void release(world *w, tn_pass pass) {
    tn_kernel_run *k = &w->run.pass[pass];
    if (k->kernel && k->kernel->release) k->kernel->release(&w->run, k);
    *k = (tn_kernel_run){0};
}

static const tn_kernel *reference(const tn_harness_case *c, tn_pass pass) {
    const tn_kernel *const *table = c->kind->kernels[pass];
    if (!table) return NULL;
    while (table[1]) table++;
    return table[0];
}

/* Runs one pass once. NULL or what went wrong. */
static const char *once(world *w, tn_pass pass) {
    const tn_kernel *kernel = w->run.pass[pass].kernel;
    if (kernel->run(&w->run, &w->run.pass[pass]) != TN_OK) return tn_error();
    if (!guards_hold(w)) return "wrote outside its memory";
    bool gaps = gaps_hold(&w->run.out) && gaps_hold(&w->run.dout);
    for (int i = 0; i < w->c->n_in; i++)
        gaps = gaps && gaps_hold(&w->in[i]) && gaps_hold(&w->din[i]);
    return gaps ? NULL : "wrote into the gaps between pixels";
}

/* ---- comparing ---- */

static double bound(const world *w, double largest) {
    if (w->integers) return 0;
    const double tolerance = w->c->tolerance > 0 ? w->c->tolerance : 1e-5;
    return tolerance * (largest > 1 ? largest : 1);
}

/* Rows of `width` elements, `pitch` apart. The reference holds no NaN; `got` may. */
static const char *compare_rows(const world *w, const char *what, const tn_real *got,
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

static const char *compare_views(const world *w, const char *what, const tn_tensor *got,
                                 const tn_tensor *want) {
    if (!want->data) return NULL;
    return compare_rows(w, what, tn_data(got), tn_data(want), tn_pixels(want), want->c,
                        want->pitch);
}

/* Everything a pass may have written. */
static const char *compare(const world *got, const world *want, tn_pass pass) {
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

static void copy_values(world *to, const world *from) {
    memcpy(tn_data(&to->run.out) - lead(&to->run.out),
           tn_data(&from->run.out) - lead(&from->run.out),
           tn_pixels(&from->run.out) * from->run.out.pitch * sizeof(tn_real));
    to->run.save_bytes = from->run.save_bytes;
    if (from->run.save_bytes) {
        if (!to->run.save) to->run.save = guarded(to, from->run.save_bytes);
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
static const char *twice(world *w, tn_pass pass, const world *before) {
    fill_params(w, -1);
    if (before) {
        copy_values(w, before);
        for (int i = 0; i < w->c->n_param; i++)
            for (size_t j = 0; j < w->spec[i].count; j++)
                if (w->spec[i].kind == TN_PARAM_WEIGHTS) w->param[i].value[j] += 1;
    }
    const char *wrong = once(w, pass);
    if (wrong) return wrong;
    reset_targets(w);
    fill_params(w, 1);
    if (before) copy_values(w, before);
    return once(w, pass);
}

/* One kernel in one pass; what the passes before it leave comes from the reference. */
static const char *check_kernel(const tn_harness_case *c, const world *base, const world *after,
                                tn_pass pass, const tn_kernel *kernel) {
    world w;
    open_world(&w, c, base->seed, base->integers, base->accumulate);
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
        wrong = describe(&w, text);
    }
    release(&w, pass);
    close_world(&w);
    return wrong;
}

/* Forward must not depend on the number of threads, to the last bit. */
static const char *check_threads(const tn_harness_case *c, uint64_t seed, const tn_kernel *kernel) {
    world w[2];
    const char *wrong = NULL;
    for (int i = 0; i < 2; i++) {
        open_world(&w[i], c, seed, false, false);
        w[i].run.threads = i + 1;
        if (prepare(&w[i], TN_FORWARD, kernel) == TN_OK && !wrong) wrong = once(&w[i], TN_FORWARD);
    }
    const size_t bytes = tn_pixels(&w[0].run.out) * w[0].run.out.pitch - lead(&w[0].run.out);
    if (!wrong && memcmp(w[0].run.out.data, w[1].run.out.data, bytes * sizeof(tn_real)) != 0)
        wrong = "1 and 2 threads give different bits";
    if (wrong) {
        char text[400];
        snprintf(text, sizeof text, "forward, kernel %s: %s", kernel->name, wrong);
        wrong = describe(&w[1], text);
    }
    for (int i = 0; i < 2; i++) {
        release(&w[i], TN_FORWARD);
        close_world(&w[i]);
    }
    return wrong;
}

/* Runs the reference through all passes: `base` is as forward left it, `after` as the pass did. */
static const char *check_data(const tn_harness_case *c, uint64_t seed, bool integers,
                              bool accumulate) {
    world base, after;
    open_world(&base, c, seed, integers, accumulate);
    open_world(&after, c, seed, integers, accumulate);
    const char *wrong = NULL;
    for (int p = 0; p < TN_PASSES && !wrong; p++) {
        const tn_pass pass = order[p];
        if (!has_pass(c, pass)) continue;
        world *w = pass == TN_FORWARD ? &base : &after;
        if (pass != TN_FORWARD) {
            reset_targets(w);
            copy_values(w, &base);
        }
        if (prepare(w, pass, reference(c, pass)) != TN_OK)
            wrong = describe(w, tn_error());
        else if ((wrong = once(w, pass)) != NULL)
            wrong = describe(w, wrong);
        release(w, pass);
        for (int i = 0; c->kind->kernels[pass][i] && !wrong; i++)
            wrong = check_kernel(c, &base, w, pass, c->kind->kernels[pass][i]);
    }
    close_world(&base);
    close_world(&after);
    return wrong;
}

const char *tn_harness_check(const tn_harness_case *c, uint64_t seed) {
    const char *wrong = check_data(c, seed, false, false);
    if (!wrong && c->mode != TN_INFER) wrong = check_data(c, seed, false, true);
    if (!wrong && c->exact_for_integers)
        wrong = check_data(c, seed, true, c->mode != TN_INFER && seed % 2);
    for (int i = 0; c->mode == TN_INFER && c->kind->kernels[TN_FORWARD][i] && !wrong; i++)
        wrong = check_threads(c, seed, c->kind->kernels[TN_FORWARD][i]);
    return wrong;
}

/* ---- gradients ---- */

static double functional(const world *w) {
    const tn_tensor *out = &w->run.out, *dout = &w->run.dout;
    double sum = w->run.loss * w->step.grad_scale;
    for (size_t p = 0; dout->data && p < tn_pixels(out); p++)
        for (int c = 0; c < out->c; c++)
            sum += (double)tn_data(out)[p * out->pitch + c] *
                   (double)tn_data(dout)[p * dout->pitch + c];
    return sum;
}

/* The functional with *place moved; running statistics are put back, forward moves them. */
static double moved(world *w, tn_real *place, double by) {
    const tn_real kept = *place;
    *place = (tn_real)((double)kept + by);
    for (int i = 0; i < w->c->n_param; i++) w->param[i].version++;
    const char *wrong = once(w, TN_FORWARD);
    *place = kept;
    for (int i = 0; i < w->c->n_param; i++) {
        if (tn_param_learns(&w->spec[i])) continue;
        fill_params(w, 1);
        break;
    }
    return wrong ? (double)NAN : functional(w);
}

static const char *probe(world *w, const char *what, tn_real *place, double gradient) {
    static char text[256];
    const bool wide = sizeof(tn_real) == sizeof(double);
    const double h = wide ? 1e-5 : 1e-2, tolerance = wide ? 1e-5 : 1e-3;
    const double numeric = (moved(w, place, h) - moved(w, place, -h)) / (2 * h);
    const double scale = fmax(1, fmax(fabs(numeric), fabs(gradient)));
    if (fabs(numeric - gradient) <= tolerance * scale) return NULL;
    snprintf(text, sizeof text, "%s: gradient %.9g, by central differences %.9g", what, gradient,
             numeric);
    return describe(w, text);
}

static const char *probe_all(world *w) {
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

/* The kernel that a replica would take. */
static const char *prepare_first(world *w, tn_pass pass) {
    const tn_kernel *const *table = w->c->kind->kernels[pass];
    for (int i = 0; table[i]; i++) {
        const tn_status status = prepare(w, pass, table[i]);
        if (status == TN_OK) return NULL;
        if (status != TN_REFUSED) return tn_error();
    }
    return "every kernel refused";
}

const char *tn_harness_gradcheck(const tn_harness_case *c, uint64_t seed) {
    world w;
    open_world(&w, c, seed, false, false);
    const char *wrong = NULL;
    for (int i = 0; i < c->n_param; i++)
        for (size_t j = 0; w.param[i].grad && j < w.spec[i].count; j++) w.param[i].grad[j] = 0;
    for (int p = 0; p < TN_PASSES && !wrong; p++) {
        if (!has_pass(c, order[p])) continue;
        wrong = prepare_first(&w, order[p]);
        if (!wrong) wrong = once(&w, order[p]);
        if (wrong) wrong = describe(&w, wrong);
    }
    fill_params(&w, 1);
    if (!wrong) wrong = probe_all(&w);
    for (int p = 0; p < TN_PASSES; p++) release(&w, order[p]);
    close_world(&w);
    return wrong;
}

#include "tests/support/op_world.h"

#include "layers/device/rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64 };

static char message[1024];

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

const char *tn_world_describe(const tn_world *w, const char *what) {
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

void *tn_world_guarded(tn_world *w, size_t bytes) {
    const size_t room = (bytes + GUARD - 1) / GUARD * GUARD;
    unsigned char *raw =
        w->n_blocks < TN_WORLD_BLOCKS ? aligned_alloc(GUARD, room + 2 * GUARD) : NULL;
    if (!raw) {
        fprintf(stderr, "op harness: out of memory\n");
        abort();
    }
    memset(raw, 0xFF, room + 2 * GUARD);
    w->blocks[w->n_blocks++] = (tn_world_block){raw, bytes};
    return raw + GUARD;
}

static bool all_ones(const unsigned char *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (p[i] != 0xFF) return false;
    return true;
}

bool tn_world_guards_hold(const tn_world *w) {
    for (int i = 0; i < w->n_blocks; i++) {
        const tn_world_block *b = &w->blocks[i];
        const size_t room = (b->bytes + GUARD - 1) / GUARD * GUARD;
        if (!all_ones(b->raw, GUARD)) return false;
        if (!all_ones(b->raw + GUARD + b->bytes, room - b->bytes + GUARD)) return false;
    }
    return true;
}

size_t tn_world_lead(const tn_tensor *t) {
    return (size_t)(t->pitch - t->c) / 2;
}

bool tn_world_gaps_hold(const tn_tensor *t) {
    if (!t->data || tn_is_dense(t)) return true;
    const tn_real *start = tn_data(t) - tn_world_lead(t);
    for (size_t p = 0; p < tn_pixels(t); p++) {
        const tn_real *pixel = start + p * t->pitch;
        const size_t before = tn_world_lead(t), after = (size_t)(t->pitch - t->c) - before;
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

static void give_memory(tn_world *w, tn_tensor *t) {
    t->data = (tn_real *)tn_world_guarded(w, tn_pixels(t) * t->pitch * sizeof(tn_real)) +
              tn_world_lead(t);
}

/* ---- data ---- */

static tn_real draw(tn_rng *rng, bool integers, double low, double high) {
    if (integers) return (tn_real)((int)tn_rng_below(rng, 7) - 3);
    return (tn_real)(low + (high - low) * (double)tn_rng_uniform(rng, 0, 1));
}

/* Fills the elements; gaps stay NaN. `which` sets buffers of one seed apart. */
static void fill(const tn_world *w, const tn_tensor *t, uint32_t which, double reach) {
    tn_rng rng = tn_rng_stream(w->seed, TN_RNG_SYNTH, which, 0, 0);
    for (size_t p = 0; p < tn_pixels(t); p++)
        for (int c = 0; c < t->c; c++)
            tn_data(t)[p * t->pitch + c] = draw(&rng, w->integers, -reach, reach);
}

static void spoil(const tn_tensor *t) {
    for (size_t p = 0; p < tn_pixels(t); p++)
        memset(tn_data(t) + p * t->pitch, 0xFF, (size_t)t->c * sizeof(tn_real));
}

void tn_world_fill_params(tn_world *w, int sign) {
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

static void fill_grads(tn_world *w) {
    for (int i = 0; i < w->c->n_param; i++) {
        tn_rng rng = tn_rng_stream(w->seed, TN_RNG_SYNTH, 200 + (uint32_t)i, 0, 0);
        for (size_t j = 0; w->param[i].grad && j < w->spec[i].count; j++)
            w->param[i].grad[j] = draw(&rng, w->integers, -1, 1);
    }
}

static void fill_truth(tn_world *w) {
    const tn_tensor *out = &w->run.out;
    const size_t row = (size_t)out->h * out->w * out->c;
    tn_real *truth = tn_world_guarded(w, (size_t)out->n * row * sizeof *truth);
    tn_rng rng = tn_rng_stream(w->seed, TN_RNG_SYNTH, 300, 0, 0);
    for (int n = 0; n < out->n; n++) {
        double sum = 0;
        for (size_t i = 0; i < row; i++)
            sum += truth[n * row + i] = (tn_real)(0.1 + (double)tn_rng_uniform(&rng, 0, 1));
        for (size_t i = 0; i < row; i++) truth[n * row + i] /= (tn_real)sum;
    }
    w->step.truth = truth;
}

void tn_world_reset_targets(tn_world *w) {
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

static void open_params(tn_world *w) {
    for (int i = 0; i < w->c->n_param; i++) {
        tn_param_spec *s = &w->spec[i];
        *s = w->c->param[i];
        s->name = "param";
        s->rate = 1;
        s->count = 1;
        for (int d = 0; d < s->n_dim; d++) s->count *= (size_t)s->dim[d];
        w->param[i].spec = s;
        w->param[i].value = tn_world_guarded(w, s->count * sizeof(tn_real));
        if (tn_param_learns(s)) w->param[i].grad = tn_world_guarded(w, s->count * sizeof(tn_real));
        w->params[i] = &w->param[i];
    }
}

void tn_world_open(tn_world *w, const tn_harness_case *c, uint64_t seed, bool integers,
                   bool accumulate) {
    static const int indices[TN_HARNESS_INPUTS] = {0, 1, 2, 3};
    *w = (tn_world){.c = c, .seed = seed, .integers = integers, .accumulate = accumulate};
    w->op = (tn_op){.kind = c->kind,
                    .attr = c->attr,
                    .layer = 7,
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
                        .first_sample = (int)(seed % 5),
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
    tn_world_fill_params(w, 1);
    if (c->truth) fill_truth(w);
    tn_world_reset_targets(w);
}

void tn_world_close(tn_world *w) {
    for (int i = 0; i < w->n_blocks; i++) free(w->blocks[i].raw);
    w->n_blocks = 0;
}

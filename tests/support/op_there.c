#include "tests/support/op_there.h"

#include "layers/device/bfloat16.h"
#include "tests/support/emulate.h"
#include "tests/support/fake_libraries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, ALIGN = 256 };

static bool emulated;

bool tn_there_is_emulated(void) {
    return tn_there_gpu() && emulated;
}

tn_gpu *tn_there_gpu(void) {
    static tn_gpu *gpu;
    static bool tried;
    if (tried) return gpu;
    tried = true;
    if (tn_gpu_count() == 0) {
        tn_fake_gpu *fake = tn_fake_gpu_install();
        fake->memory_bytes = (size_t)16 << 20; /* cuDNN takes a part of it to measure on */
        emulated = true;
        tn_emulate_install(fake);
        tn_fake_libraries_install(fake);
    }
    if (tn_gpu_open(&(tn_gpu_options){0}, &gpu) != TN_OK) gpu = NULL;
    return gpu;
}

double tn_there_tolerance(tn_there_way way) {
    static const double tolerance[] = {0, 4e-3, 1.6e-2};
    return tolerance[way.precision];
}

/* ---- which views are of bf16 ---- */

static bool in_halves(tn_there_way way, const tn_harness_case *c, bool of_out) {
    if (way.precision != TN_PRECISION_BF16) return false;
    return !of_out || (!c->truth && !way.last);
}

static void round_view(const tn_tensor *t) {
    for (size_t p = 0; t->data && p < tn_pixels(t); p++)
        for (int c = 0; c < t->c; c++) {
            tn_real *x = tn_data(t) + p * t->pitch + c;
            *x = (tn_real)tn_bf16_to_float(tn_bf16_from_float((float)*x));
        }
}

void tn_there_round(tn_world *w, tn_there_way way) {
    for (int i = 0; i < w->c->n_in && in_halves(way, w->c, false); i++) {
        round_view(&w->in[i]);
        if (w->accumulate) round_view(&w->din[i]);
    }
    if (in_halves(way, w->c, true)) round_view(&w->run.dout);
}

void tn_there_round_out(tn_world *w, tn_there_way way) {
    if (in_halves(way, w->c, true)) round_view(&w->run.out);
}

/* ---- copies there ---- */

typedef struct twin {
    const tn_world_block *block;
    size_t at;    /* from the beginning of all twins' memory */
    size_t bytes; /* there, guards included */
    bool halves;
} twin;

/* One piece of memory holds all twins, their guards in between: calls of a driver are slow. */
typedef struct there {
    tn_gpu *gpu;
    twin twin[TN_WORLD_BLOCKS];
    int n;
    char *memory;        /* there */
    unsigned char *sent; /* what was copied there */
    unsigned char *got;  /* and back */
    size_t bytes;
    double *loss;
    tn_op_run run;
    tn_tensor in[TN_HARNESS_INPUTS], din[TN_HARNESS_INPUTS];
    tn_param param[TN_HARNESS_PARAMS], *params[TN_HARNESS_PARAMS];
    tn_step step;
} there;

/* ---- memory there ---- */

static tn_gpu *gpu_of(const tn_kernel *kernel) {
    return kernel->device == TN_ON_GPU ? tn_there_gpu() : NULL;
}

static tn_status take(tn_gpu *gpu, size_t bytes, void **memory) {
    if (gpu) return tn_gpu_alloc(gpu, bytes, "a test", memory);
    *memory = aligned_alloc(ALIGN, (bytes + ALIGN - 1) / ALIGN * ALIGN);
    return *memory ? TN_OK : tn_fail("out of memory");
}

static void give_back(tn_gpu *gpu, void *memory) {
    if (gpu)
        tn_gpu_free(gpu, memory);
    else
        free(memory);
}

static tn_status copy_in(tn_gpu *gpu, void *to, const void *from, size_t bytes) {
    if (gpu) return tn_gpu_copy_in(gpu, to, from, bytes, "a test");
    memcpy(to, from, bytes);
    return TN_OK;
}

static tn_status copy_out(tn_gpu *gpu, void *to, const void *from, size_t bytes) {
    if (gpu) return tn_gpu_copy_out(gpu, to, from, bytes, "a test");
    memcpy(to, from, bytes);
    return TN_OK;
}

static size_t raw_bytes(const tn_world_block *b) {
    return (b->bytes + GUARD - 1) / GUARD * GUARD + 2 * GUARD;
}

static const twin *twin_of(const there *t, const void *address) {
    const unsigned char *p = address;
    for (int i = 0; i < t->n; i++) {
        const tn_world_block *b = t->twin[i].block;
        if (p >= b->raw && p < b->raw + raw_bytes(b)) return &t->twin[i];
    }
    return NULL;
}

static void *translate(const there *t, const void *address) {
    if (!address) return NULL;
    const twin *tw = twin_of(t, address);
    if (!tw) abort();
    const size_t offset = (size_t)((const unsigned char *)address - tw->block->raw);
    return t->memory + tw->at + (tw->halves ? offset / 2 : offset);
}

static void mark_halves(there *t, const tn_tensor *view) {
    for (int i = 0; i < t->n; i++) {
        const tn_world_block *b = t->twin[i].block;
        const unsigned char *p = view->data;
        if (p >= b->raw && p < b->raw + raw_bytes(b)) t->twin[i].halves = true;
    }
}

static tn_bf16 narrowed(const unsigned char *at) {
    float x;
    memcpy(&x, at, sizeof x);
    return tn_bf16_from_float(x);
}

static void pack(const there *t, const twin *tw) {
    const size_t raw = raw_bytes(tw->block);
    unsigned char *to = t->sent + tw->at;
    if (!tw->halves) memcpy(to, tw->block->raw, raw);
    for (size_t i = 0; tw->halves && i < raw / sizeof(float); i++) {
        const tn_bf16 b = narrowed(tw->block->raw + i * sizeof(float));
        memcpy(to + i * sizeof b, &b, sizeof b);
    }
}

/* Of bf16, what was not written stays as it is here. */
static void unpack(const there *t, const twin *tw) {
    const unsigned char *sent = t->sent + tw->at, *got = t->got + tw->at;
    if (!tw->halves) memcpy(tw->block->raw, got, tw->bytes);
    for (size_t i = 0; tw->halves && i < tw->bytes / sizeof(tn_bf16); i++) {
        tn_bf16 b;
        if (memcmp(got + i * sizeof b, sent + i * sizeof b, sizeof b) == 0) continue;
        memcpy(&b, got + i * sizeof b, sizeof b);
        const float x = tn_bf16_to_float(b);
        memcpy(tw->block->raw + i * sizeof x, &x, sizeof x);
    }
}

/* ---- the op as its kernel sees it there ---- */

static void show(const there *t, tn_tensor *to, const tn_tensor *from, bool halves) {
    *to = *from;
    to->dtype = halves ? TN_BF16 : TN_REAL;
    to->data = t->n ? translate(t, from->data) : NULL;
}

static void look(there *t, tn_world *w, tn_there_way way) {
    const bool ins = in_halves(way, w->c, false), outs = in_halves(way, w->c, true);
    t->run = w->run;
    t->run.gpu = t->gpu;
    t->run.precision = way.precision;
    for (int i = 0; i < w->c->n_in; i++) {
        show(t, &t->in[i], &w->in[i], ins);
        show(t, &t->din[i], &w->din[i], ins);
    }
    show(t, &t->run.out, &w->run.out, outs);
    show(t, &t->run.dout, &w->run.dout, outs);
    t->run.in = t->in;
    t->run.din = t->din;
    for (int i = 0; i < w->c->n_param; i++) {
        t->param[i] = w->param[i];
        t->params[i] = &t->param[i];
        t->param[i].value = t->n ? translate(t, w->param[i].value) : NULL;
        t->param[i].grad = t->n ? translate(t, w->param[i].grad) : NULL;
    }
    t->run.param = t->params;
    t->step = w->step;
    t->run.step = &t->step;
    if (!t->n) return;
    t->step.truth = translate(t, w->step.truth);
    t->run.save = translate(t, w->run.save);
    t->run.loss_at = t->loss;
    for (int p = 0; p < TN_PASSES; p++)
        t->run.pass[p].scratch = translate(t, w->run.pass[p].scratch);
}

/* prepare may set these; addresses stay the world's. */
static void keep(tn_world *w, const there *t, tn_pass pass) {
    void *scratch = w->run.pass[pass].scratch;
    w->run.pass[pass] = t->run.pass[pass];
    w->run.pass[pass].scratch = scratch;
    w->run.save_bytes = t->run.save_bytes;
}

tn_status tn_there_prepare(tn_world *w, tn_there_way way, tn_pass pass) {
    const tn_kernel *kernel = w->run.pass[pass].kernel;
    there t = {.gpu = gpu_of(kernel)};
    look(&t, w, way);
    t.run.out.data = t.run.dout.data = NULL;
    const tn_status status = kernel->prepare(&t.run, &t.run.pass[pass]);
    keep(w, &t, pass);
    return status;
}

void tn_there_release(tn_world *w, tn_there_way way, tn_pass pass) {
    const tn_kernel *kernel = w->run.pass[pass].kernel;
    if (!kernel || !kernel->release) return;
    there t = {.gpu = gpu_of(kernel)};
    look(&t, w, way);
    kernel->release(&t.run, &t.run.pass[pass]);
}

static tn_status open_there(there *t, tn_world *w, tn_there_way way) {
    t->n = w->n_blocks;
    for (int i = 0; i < t->n; i++) t->twin[i] = (twin){.block = &w->blocks[i]};
    for (int i = 0; i < w->c->n_in && in_halves(way, w->c, false); i++) {
        mark_halves(t, &w->in[i]);
        mark_halves(t, &w->din[i]);
    }
    if (in_halves(way, w->c, true)) {
        mark_halves(t, &w->run.out);
        mark_halves(t, &w->run.dout);
    }
    for (int i = 0; i < t->n; i++) {
        twin *tw = &t->twin[i];
        const size_t raw = raw_bytes(tw->block);
        tw->bytes = tw->halves ? raw / 2 : raw;
        tw->at = t->bytes;
        t->bytes += (tw->bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
    t->sent = calloc(1, t->bytes);
    t->got = malloc(t->bytes);
    if (!t->sent || !t->got) return tn_fail("out of memory");
    for (int i = 0; i < t->n; i++) pack(t, &t->twin[i]);
    void *memory, *loss;
    TN_TRY(take(t->gpu, t->bytes, &memory));
    t->memory = memory;
    TN_TRY(copy_in(t->gpu, memory, t->sent, t->bytes));
    TN_TRY(take(t->gpu, sizeof(double), &loss));
    t->loss = loss;
    return copy_in(t->gpu, loss, &(double){0}, sizeof(double));
}

static void close_there(there *t) {
    free(t->sent);
    free(t->got);
    give_back(t->gpu, t->memory);
    give_back(t->gpu, t->loss);
}

static tn_status run_there(there *t, tn_world *w, tn_there_way way, tn_pass pass) {
    TN_TRY(open_there(t, w, way));
    look(t, w, way);
    tn_kernel_run *k = &t->run.pass[pass];
    TN_TRY(k->kernel->run(&t->run, k));
    if (t->gpu) TN_TRY(tn_gpu_synchronize(t->gpu, k->kernel->name));
    TN_TRY(copy_out(t->gpu, t->got, t->memory, t->bytes));
    for (int i = 0; i < t->n; i++) unpack(t, &t->twin[i]);
    if (pass == TN_FORWARD && t->gpu)
        TN_TRY(copy_out(t->gpu, &w->run.loss, t->loss, sizeof(double)));
    for (int i = 0; i < w->c->n_param; i++) w->param[i].version = t->param[i].version;
    keep(w, t, pass);
    return TN_OK;
}

tn_status tn_there_run(tn_world *w, tn_there_way way, tn_pass pass) {
    there t = {.gpu = gpu_of(w->run.pass[pass].kernel)};
    const tn_status status = run_there(&t, w, way, pass);
    close_there(&t);
    return status;
}

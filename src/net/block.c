#include "src/net/block.h"

#include "src/net/block_gpu.h"
#include "src/net/run.h"

#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_max_threads(void) {
    return 1;
}
#endif

struct tn_block {
    tn_arena arena;
    tn_section *section;
    tn_plan plan;
    tn_param *param;
    tn_mirror *mirror; /* over the host's parameters on a GPU; NULL: on the processor */
    int threads;
    tn_run *run; /* of the last forward */
    tn_run_options made_for;
    tn_step step;
};

static tn_status copy_section(tn_arena *arena, const tn_section *from, tn_section *to) {
    tn_option *option = tn_arena_alloc(arena, (size_t)from->n_options * sizeof *option);
    if (!option) return TN_FAIL;
    *to = *from;
    to->option = option;
    to->name = tn_arena_text(arena, from->name);
    to->file = tn_arena_text(arena, from->file);
    if (!to->name || !to->file) return TN_FAIL;
    for (int i = 0; i < from->n_options; i++) {
        option[i] = from->option[i];
        option[i].key = tn_arena_text(arena, from->option[i].key);
        option[i].value = tn_arena_text(arena, from->option[i].value);
        if (!option[i].key || !option[i].value) return TN_FAIL;
    }
    return TN_OK;
}

static tn_status set_up(tn_block *block, const tn_section *section, int n_sections, tn_shape in,
                        bool input_gradient, const tn_warner *warner) {
    block->section = tn_arena_alloc(&block->arena, (size_t)n_sections * sizeof *block->section);
    if (!block->section) return TN_FAIL;
    for (int i = 0; i < n_sections; i++)
        TN_TRY(copy_section(&block->arena, &section[i], &block->section[i]));
    TN_TRY(tn_plan_build(&block->plan, in, block->section, n_sections, input_gradient, warner));
    const size_t n = (size_t)block->plan.n_params;
    block->param = tn_arena_alloc(&block->arena, n * sizeof *block->param);
    if (!block->param) return TN_FAIL;
    for (size_t i = 0; i < n; i++) {
        block->param[i] = (tn_param){.spec = &block->plan.param[i], .version = 1};
    }
    return TN_OK;
}

tn_status tn_block_create(const tn_section *section, tn_shape in, int threads,
                          const tn_warner *warner, tn_block **out) {
    return tn_block_create_many(section, 1, in, true, threads, warner, out);
}

tn_status tn_block_create_many(const tn_section *section, int n, tn_shape in, bool input_gradient,
                               int threads, const tn_warner *warner, tn_block **out) {
    *out = NULL;
    tn_block *block = calloc(1, sizeof *block);
    if (!block) return tn_fail("out of memory");
    block->threads = threads;
    const tn_status status = set_up(block, section, n, in, input_gradient, warner);
    if (status != TN_OK) {
        tn_block_free(block);
        return status;
    }
    *out = block;
    return TN_OK;
}

void tn_block_free(tn_block *block) {
    if (!block) return;
    tn_run_free(block->run);
    tn_mirror_free(block->mirror);
    tn_plan_free(&block->plan);
    tn_arena_free(&block->arena);
    free(block);
}

tn_shape tn_block_output_shape(const tn_block *block) {
    return tn_plan_shape(&block->plan, block->plan.output);
}

int tn_block_params(const tn_block *block) {
    return block->plan.n_params;
}

const tn_param_spec *tn_block_param_spec(const tn_block *block, int i) {
    return &block->plan.param[i];
}

void tn_block_bind(tn_block *block, int i, tn_real *value, tn_real *grad) {
    block->param[i].value = value;
    block->param[i].grad = grad;
    block->param[i].version++;
}

void tn_block_touch(tn_block *block) {
    for (int i = 0; i < block->plan.n_params; i++) block->param[i].version++;
}

tn_status tn_block_use_gpu(tn_block *block, tn_gpu *gpu) {
    if (block->run || block->mirror) return tn_fail("a block's GPU is chosen before it runs");
    TN_TRY(tn_block_gpu_check(gpu));
    return tn_mirror_create_over(gpu, block->param, block->plan.n_params, &block->mirror);
}

static tn_status check_bound(const tn_block *block, bool learns) {
    for (int i = 0; i < block->plan.n_params; i++) {
        const tn_param *p = &block->param[i];
        if (!p->value || (learns && tn_param_learns(p->spec) && !p->grad)) {
            return tn_fail("parameter %s of the block has no memory", p->spec->name);
        }
    }
    return TN_OK;
}

static tn_status ready(tn_block *block, tn_mode mode, int n) {
    if (block->run && block->made_for.mode == mode && block->made_for.batch == n) return TN_OK;
    tn_run_free(block->run);
    block->run = NULL;
    TN_TRY(check_bound(block, mode == TN_TRAIN));
    block->made_for = (tn_run_options){.mode = mode,
                                       .batch = n,
                                       .threads = block->threads,
                                       .output = -1,
                                       .output_gradient = mode != TN_INFER,
                                       .mirror = block->mirror,
                                       .views_there = block->mirror != NULL};
    return tn_run_create(&block->plan, block->param, &block->made_for, &block->run);
}

/* ---- the edges: NCHW outside, NHWC inside ---- */

enum { TILE = 32 }; /* pixels by channels that stay in the first-level cache on both sides */

static void convert_tile(const tn_tensor *t, tn_real *nchw, tn_edge way, size_t c0, size_t p0) {
    const size_t area = (size_t)t->h * (size_t)t->w, pitch = (size_t)t->pitch;
    const size_t c1 = c0 + TILE < (size_t)t->c ? c0 + TILE : (size_t)t->c;
    const size_t p1 = p0 + TILE < area ? p0 + TILE : area;
    for (size_t c = c0; c < c1; c++) {
        tn_real *plane = nchw + c * area, *data = tn_data(t) + c;
        if (way == TN_READ_NCHW)
            for (size_t p = p0; p < p1; p++) data[p * pitch] = plane[p];
        else if (way == TN_WRITE_NCHW)
            for (size_t p = p0; p < p1; p++) plane[p] = data[p * pitch];
        else
            for (size_t p = p0; p < p1; p++) plane[p] += data[p * pitch];
    }
}

static tn_status convert(const tn_block *block, const tn_tensor *t, tn_real *nchw, tn_edge way) {
    if (block->mirror) return tn_block_gpu_convert(tn_mirror_gpu(block->mirror), t, nchw, way);
    const size_t area = (size_t)t->h * (size_t)t->w, image = area * (size_t)t->c;
    const int threads = block->threads > 0 ? block->threads : omp_get_max_threads();
#pragma omp parallel for collapse(2) num_threads(threads)
    for (int n = 0; n < t->n; n++) {
        for (size_t p = 0; p < area; p += TILE) {
            tn_tensor one = *t;
            one.data = tn_data(t) + (size_t)n * area * (size_t)t->pitch;
            for (size_t c = 0; c < (size_t)t->c; c += TILE)
                convert_tile(&one, nchw + (size_t)n * image, way, c, p);
        }
    }
    return TN_OK;
}

/* TN_READ_NCHW does not write to the host's memory. */
static tn_status from_nchw(const tn_block *block, const tn_real *nchw, const tn_tensor *t) {
    return convert(block, t, (tn_real *)nchw, TN_READ_NCHW);
}

tn_status tn_block_forward(tn_block *block, tn_mode mode, int n, uint64_t seed, uint64_t step,
                           const tn_real *x, tn_real *y) {
    TN_TRY(ready(block, mode, n));
    block->step = (tn_step){.seed = seed, .step = step, .n_valid = n, .grad_scale = 1.0};
    const tn_tensor in = tn_run_input(block->run), out = tn_run_output(block->run);
    TN_TRY(from_nchw(block, x, &in));
    TN_TRY(tn_run_forward(block->run, &block->step));
    return convert(block, &out, y, TN_WRITE_NCHW);
}

tn_status tn_block_backward(tn_block *block, const tn_real *dy, tn_real *dx) {
    if (!block->run || block->made_for.mode == TN_INFER) {
        return tn_fail("backward of a block without a training forward before it");
    }
    const tn_tensor out = tn_run_gradient(block->run, block->plan.output);
    TN_TRY(from_nchw(block, dy, &out));
    TN_TRY(tn_run_backward(block->run));
    if (!dx) return TN_OK;
    if (!block->plan.grad_input) return tn_fail("the block computes no gradient of its input");
    const tn_tensor in = tn_run_gradient(block->run, block->plan.input);
    return convert(block, &in, dx, TN_ADD_TO_NCHW);
}

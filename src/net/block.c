#include "src/net/block.h"

#include "src/net/run.h"

#include <stdlib.h>

struct tn_block {
    tn_arena arena;
    tn_section section;
    tn_plan plan;
    tn_param *param;
    int threads;
    tn_run *run; /* of the last forward */
    tn_run_options made_for;
    tn_step step;
};

static tn_status copy_section(tn_block *block, const tn_section *from) {
    tn_arena *arena = &block->arena;
    tn_option *option = tn_arena_alloc(arena, (size_t)from->n_options * sizeof *option);
    if (!option) return TN_FAIL;
    block->section = *from;
    block->section.option = option;
    block->section.name = tn_arena_text(arena, from->name);
    block->section.file = tn_arena_text(arena, from->file);
    if (!block->section.name || !block->section.file) return TN_FAIL;
    for (int i = 0; i < from->n_options; i++) {
        option[i] = from->option[i];
        option[i].key = tn_arena_text(arena, from->option[i].key);
        option[i].value = tn_arena_text(arena, from->option[i].value);
        if (!option[i].key || !option[i].value) return TN_FAIL;
    }
    return TN_OK;
}

static tn_status set_up(tn_block *block, const tn_section *section, tn_shape in,
                        const tn_warner *warner) {
    TN_TRY(copy_section(block, section));
    TN_TRY(tn_plan_build(&block->plan, in, &block->section, 1, true, warner));
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
    *out = NULL;
    tn_block *block = calloc(1, sizeof *block);
    if (!block) return tn_fail("out of memory");
    block->threads = threads;
    const tn_status status = set_up(block, section, in, warner);
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

static tn_status check_bound(const tn_block *block) {
    for (int i = 0; i < block->plan.n_params; i++) {
        const tn_param *p = &block->param[i];
        if (!p->value || (tn_param_learns(p->spec) && !p->grad)) {
            return tn_fail("parameter %s of the block has no memory", p->spec->name);
        }
    }
    return TN_OK;
}

static tn_status ready(tn_block *block, tn_mode mode, int n) {
    if (block->run && block->made_for.mode == mode && block->made_for.batch == n) return TN_OK;
    tn_run_free(block->run);
    block->run = NULL;
    TN_TRY(check_bound(block));
    block->made_for = (tn_run_options){.mode = mode,
                                       .batch = n,
                                       .threads = block->threads,
                                       .output = -1,
                                       .output_gradient = mode != TN_INFER};
    return tn_run_create(&block->plan, block->param, &block->made_for, &block->run);
}

/* Reads image n, channel c of an NCHW buffer into (or, adding, out of) the NHWC tensor. */
static void from_nchw(const tn_real *nchw, const tn_tensor *t) {
    const size_t area = (size_t)t->h * (size_t)t->w;
    tn_real *data = tn_data(t);
    for (size_t n = 0; n < (size_t)t->n; n++) {
        for (size_t c = 0; c < (size_t)t->c; c++) {
            const tn_real *plane = nchw + (n * (size_t)t->c + c) * area;
            for (size_t p = 0; p < area; p++)
                data[(n * area + p) * (size_t)t->pitch + c] = plane[p];
        }
    }
}

static void to_nchw(const tn_tensor *t, tn_real *nchw, bool add) {
    const size_t area = (size_t)t->h * (size_t)t->w;
    const tn_real *data = tn_data(t);
    for (size_t n = 0; n < (size_t)t->n; n++) {
        for (size_t c = 0; c < (size_t)t->c; c++) {
            tn_real *plane = nchw + (n * (size_t)t->c + c) * area;
            for (size_t p = 0; p < area; p++) {
                const tn_real v = data[(n * area + p) * (size_t)t->pitch + c];
                plane[p] = add ? plane[p] + v : v;
            }
        }
    }
}

tn_status tn_block_forward(tn_block *block, tn_mode mode, int n, uint64_t seed, uint64_t step,
                           const tn_real *x, tn_real *y) {
    TN_TRY(ready(block, mode, n));
    block->step = (tn_step){.seed = seed, .step = step, .n_valid = n, .grad_scale = 1.0};
    const tn_tensor in = tn_run_input(block->run), out = tn_run_output(block->run);
    from_nchw(x, &in);
    TN_TRY(tn_run_forward(block->run, &block->step));
    to_nchw(&out, y, false);
    return TN_OK;
}

tn_status tn_block_backward(tn_block *block, const tn_real *dy, tn_real *dx) {
    if (!block->run || block->made_for.mode == TN_INFER) {
        return tn_fail("backward of a block without a training forward before it");
    }
    const tn_tensor out = tn_run_gradient(block->run, block->plan.output);
    const tn_tensor in = tn_run_gradient(block->run, block->plan.input);
    from_nchw(dy, &out);
    TN_TRY(tn_run_backward(block->run));
    if (dx) to_nchw(&in, dx, true);
    return TN_OK;
}

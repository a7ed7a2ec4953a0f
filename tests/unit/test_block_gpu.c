/* A block on an emulated GPU, driven as a host would: its NCHW buffers, parameters and gradients
 * lie there. Everything must be near what the same block gives on the processor. */
#include "src/net/block.h"
#include "src/net/optimizer_gpu.h"
#include "tests/support/emulate.h"
#include "tests/support/fake_libraries.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 2, C = 16, H = 9, W = 8, MOST_PARAMS = 24 };
/* Of a tensor's largest value: sums in another order. */
#define BOUND 2e-5

static const tn_option residual[] = {{"filters", "8", 2}, {"groups", "4", 3}, {"stride", "2", 4}};
static const tn_option grouped[] = {
    {"filters", "32", 2}, {"groups", "4", 3},          {"size", "5", 4},
    {"pad", "1", 5},      {"batch_normalize", "1", 6}, {"activation", "leaky", 7}};
static const tn_section sections[] = {
    {.name = "expansion_residual", .file = "host", .line = 1, .n_options = 3, .option = residual},
    {.name = "grouped_convolutional",
     .file = "host",
     .line = 1,
     .n_options = 6,
     .option = grouped}};

static void must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

static float *randoms(size_t n, uint32_t s) {
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        v[i] = (float)(s >> 8) * 0x1p-23f - 1.0f;
    }
    return v;
}

/* A host's memory: `here` alone, or also a copy of it on the GPU. */
typedef struct buffer {
    float *here;
    void *there;
    size_t n;
} buffer;

typedef struct host {
    tn_gpu *gpu; /* NULL: on the processor */
    tn_block *block;
    int n_params;
    buffer value[MOST_PARAMS], grad[MOST_PARAMS], x, y, dy, dx;
    tn_param param[MOST_PARAMS]; /* for updates */
} host;

static float *memory(const host *h, const buffer *b) {
    return h->gpu ? b->there : b->here;
}

static void push(const host *h, const buffer *b) {
    if (h->gpu) must(tn_gpu_copy_in(h->gpu, b->there, b->here, b->n * sizeof(float), "a test's"));
}

static void pull(const host *h, const buffer *b) {
    if (h->gpu) must(tn_gpu_copy_out(h->gpu, b->here, b->there, b->n * sizeof(float), "a test's"));
}

static buffer make(const host *h, size_t n, uint32_t seed) {
    buffer b = {.here = randoms(n, seed), .n = n};
    if (h->gpu) must(tn_gpu_alloc(h->gpu, n * sizeof(float), "a test's", &b.there));
    push(h, &b);
    return b;
}

static void drop(const host *h, buffer *b) {
    free(b->here);
    if (h->gpu) tn_gpu_free(h->gpu, b->there);
}

static void set_up(host *h, const tn_section *section, tn_gpu *gpu) {
    *h = (host){.gpu = gpu};
    must(tn_block_create(section, (tn_shape){H, W, C}, 2, NULL, &h->block));
    if (gpu) must(tn_block_use_gpu(h->block, gpu));
    h->n_params = tn_block_params(h->block);
    assert_in_range(h->n_params, 1, MOST_PARAMS);
    for (int i = 0; i < h->n_params; i++) {
        const tn_param_spec *spec = tn_block_param_spec(h->block, i);
        h->value[i] = make(h, spec->count, 100u + (uint32_t)i);
        h->grad[i] = make(h, spec->count, 200u + (uint32_t)i);
        for (size_t j = 0; j < spec->count; j++)
            if (spec->kind == TN_PARAM_VARIANCE) h->value[i].here[j] = 1;
        push(h, &h->value[i]);
        float *grad = tn_param_learns(spec) ? memory(h, &h->grad[i]) : NULL;
        tn_block_bind(h->block, i, memory(h, &h->value[i]), grad);
        h->param[i] =
            (tn_param){.spec = spec, .value = memory(h, &h->value[i]), .grad = grad, .version = 1};
    }
    const size_t out = N * tn_shape_count(tn_block_output_shape(h->block));
    h->x = make(h, (size_t)N * C * H * W, 1);
    h->y = make(h, out, 2);
    h->dy = make(h, out, 3);
    h->dx = make(h, (size_t)N * C * H * W, 4); /* what a skip connection has left there */
}

static void tear_down(host *h) {
    tn_block_free(h->block);
    for (int i = 0; i < h->n_params; i++) {
        drop(h, &h->value[i]);
        drop(h, &h->grad[i]);
    }
    drop(h, &h->x);
    drop(h, &h->y);
    drop(h, &h->dy);
    drop(h, &h->dx);
}

static void forward(const host *h, tn_mode mode) {
    must(tn_block_forward(h->block, mode, N, 0, 0, memory(h, &h->x), memory(h, &h->y)));
}

static void backward(const host *h) {
    must(tn_block_backward(h->block, memory(h, &h->dy), memory(h, &h->dx)));
}

static void near(const host *there, buffer *a, const buffer *b, const char *what) {
    double most = 0, largest = 0;
    pull(there, a);
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < b->n; i++) {
        const double d = fabs((double)a->here[i] - (double)b->here[i]);
        if (!(d <= most)) most = d;
        if (fabs((double)b->here[i]) > largest) largest = fabs((double)b->here[i]);
    }
    if (!(largest > 1e-3)) fail_msg("%s: all of it is next to nothing", what);
    if (!(most <= BOUND * (1 + largest)))
        fail_msg("%s: %g apart, the largest is %g", what, most, largest);
}

static void near_params(host *there, const host *here, bool gradients) {
    for (int i = 0; i < here->n_params; i++) {
        const tn_param_spec *spec = tn_block_param_spec(here->block, i);
        if (!gradients)
            near(there, &there->value[i], &here->value[i], spec->name);
        else if (tn_param_learns(spec))
            near(there, &there->grad[i], &here->grad[i], spec->name);
    }
}

/* ---- an update, as the graft makes it: gradients are negative sums over the batch ---- */

static void update(host *h, const tn_optimizer_options *options, int times) {
    tn_optimizer *o;
    tn_optimizer_gpu *there = NULL;
    tn_mirror *mirror = NULL;
    must(tn_optimizer_create(options, h->param, h->n_params, &o));
    if (h->gpu) {
        must(tn_mirror_create_over(h->gpu, h->param, h->n_params, &mirror));
        must(tn_optimizer_gpu_create(o, mirror, &there));
        must(tn_optimizer_gpu_scale(there, -1.0f / N));
    }
    for (int t = 0; t < times; t++) {
        forward(h, TN_TRAIN);
        backward(h);
        if (h->gpu) {
            must(tn_optimizer_gpu_update(&there, 1, 0.01));
        } else {
            for (int i = 0; i < h->n_params; i++)
                for (size_t j = 0; h->param[i].grad && j < h->grad[i].n; j++)
                    h->grad[i].here[j] *= -1.0f / N;
            tn_optimizer_update(o, h->param, 0.01);
        }
        tn_block_touch(h->block);
    }
    tn_optimizer_gpu_free(there);
    tn_mirror_free(mirror);
    tn_optimizer_free(o);
}

/* ---- tests ---- */

static tn_fake_gpu *fake;
static tn_gpu *gpu;
static int mark; /* stands for a host's stream */

static void open_gpu(bool libraries) {
    fake = tn_fake_gpu_install();
    tn_emulate_install(fake);
    if (libraries) tn_fake_libraries_install(fake);
    must(tn_gpu_open(&(tn_gpu_options){.stream = &mark}, &gpu));
}

static void close_gpu(void) {
    tn_gpu_close(gpu);
    tn_fake_gpu_remove();
}

static void block_on_gpu_is_near(const tn_section *section, bool libraries) {
    host here, there;
    open_gpu(libraries);
    assert_int_equal(fake->streams, 0); /* the host's is used */
    set_up(&here, section, NULL);
    set_up(&there, section, gpu);
    for (int step = 0; step < 2; step++) { /* gradients and dx are added to what is there */
        forward(&here, TN_TRAIN);
        backward(&here);
        const int in = fake->copies_in, out = fake->copies_out;
        forward(&there, TN_TRAIN);
        backward(&there);
        if (libraries && step) {
            assert_int_equal(fake->copies_in, in);
            assert_int_equal(fake->copies_out, out);
        }
    }
    near(&there, &there.y, &here.y, "y");
    near(&there, &there.dx, &here.dx, "dx");
    near_params(&there, &here, true);
    near_params(&there, &here, false); /* running statistics have moved */
    near(&there, &there.x, &here.x, "x");
    tear_down(&here);
    tear_down(&there);
    close_gpu();
}

static void test_outputs_and_gradients(void **state) {
    (void)state;
    for (int s = 0; s < 2; s++) {
        block_on_gpu_is_near(&sections[s], false);
        block_on_gpu_is_near(&sections[s], true);
    }
}

static void test_inference_takes_up_what_a_host_loads(void **state) {
    (void)state;
    host here, there;
    open_gpu(true);
    set_up(&here, &sections[0], NULL);
    set_up(&there, &sections[0], gpu);
    host *const both[] = {&here, &there};
    for (int k = 0; k < 2; k++) forward(both[k], TN_INFER);
    near(&there, &there.y, &here.y, "y");
    float *before = malloc(here.y.n * sizeof *before);
    memcpy(before, here.y.here, here.y.n * sizeof *before);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < here.n_params; i++)
            for (size_t j = 0; j < both[k]->value[i].n; j++) both[k]->value[i].here[j] *= 1.25f;
        for (int i = 0; i < here.n_params; i++) push(both[k], &both[k]->value[i]);
        tn_block_touch(both[k]->block);
        forward(both[k], TN_INFER);
    }
    near(&there, &there.y, &here.y, "y of the new values");
    double moved = 0;
    for (size_t i = 0; i < here.y.n; i++) moved += fabs((double)here.y.here[i] - (double)before[i]);
    assert_true(moved > 1);
    free(before);
    tear_down(&here);
    tear_down(&there);
    close_gpu();
}

static void test_updates(void **state) {
    (void)state;
    static const tn_optimizer_options options[] = {
        {.kind = TN_SGD, .momentum = 0.9, .decay = 0.01, .threads = 1},
        {.kind = TN_ADAM, .b1 = 0.9, .b2 = 0.999, .eps = 1e-3, .decay = 0.01, .threads = 1}};
    for (int k = 0; k < 2; k++) {
        host here, there;
        open_gpu(true);
        set_up(&here, &sections[0], NULL);
        set_up(&there, &sections[0], gpu);
        float *before = malloc(here.value[0].n * sizeof *before);
        memcpy(before, here.value[0].here, here.value[0].n * sizeof *before);
        update(&here, &options[k], 2);
        update(&there, &options[k], 2);
        near_params(&there, &here, false);
        assert_memory_not_equal(before, here.value[0].here, here.value[0].n * sizeof *before);
        for (int i = 0; i < there.n_params; i++) {
            if (!there.param[i].grad) continue;
            pull(&there, &there.grad[i]);
            for (size_t j = 0; j < there.grad[i].n; j++) assert_true(there.grad[i].here[j] == 0);
        }
        free(before);
        tear_down(&here);
        tear_down(&there);
        close_gpu();
    }
}

static void test_without_kernels_says_so(void **state) {
    (void)state;
    fake = tn_fake_gpu_install();
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    tn_block *block;
    must(tn_block_create(&sections[0], (tn_shape){H, W, C}, 1, NULL, &block));
    assert_int_equal(tn_block_use_gpu(block, gpu), TN_FAIL);
    assert_non_null(strstr(tn_error(), "nvcc"));
    tn_block_free(block);
    close_gpu();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs_and_gradients),
        cmocka_unit_test(test_inference_takes_up_what_a_host_loads),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_without_kernels_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* One layer driven as a foreign program would: NCHW buffers, OIHW memory that the program owns,
 * negative deltas summed over the batch, gradients added to what is there. */
#include "src/net/block.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 2, C = 16, H = 9, W = 8, MOST_PARAMS = 24 };

typedef struct host {
    tn_block *block;
    int n_params;
    float *value[MOST_PARAMS], *grad[MOST_PARAMS];
    size_t count[MOST_PARAMS], in, out;
    float *x, *y, *dy, *dx;
} host;

static float next(uint32_t *s) {
    *s = *s * 1664525u + 1013904223u;
    return (float)(*s >> 8) * 0x1p-23f - 1.0f;
}

static float *randoms(size_t n, uint32_t seed) {
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = next(&seed);
    return v;
}

static void must(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

static const tn_option residual[] = {{"filters", "8", 2}, {"groups", "4", 3}, {"stride", "2", 4}};
static const tn_section section = {
    .name = "expansion_residual", .file = "host", .line = 1, .n_options = 3, .option = residual};

static void set_up(host *h, float start_grad) {
    *h = (host){0};
    must(tn_block_create(&section, (tn_shape){H, W, C}, 2, NULL, &h->block));
    h->n_params = tn_block_params(h->block);
    assert_in_range(h->n_params, 1, MOST_PARAMS);
    for (int i = 0; i < h->n_params; i++) {
        const tn_param_spec *spec = tn_block_param_spec(h->block, i);
        h->count[i] = spec->count;
        h->value[i] = randoms(spec->count, 100u + (uint32_t)i);
        h->grad[i] = malloc(spec->count * sizeof(float));
        for (size_t j = 0; j < spec->count; j++) {
            h->grad[i][j] = start_grad;
            if (spec->kind == TN_PARAM_VARIANCE || spec->kind == TN_PARAM_SCALE) h->value[i][j] = 1;
        }
        tn_block_bind(h->block, i, h->value[i], tn_param_learns(spec) ? h->grad[i] : NULL);
    }
    const tn_shape out = tn_block_output_shape(h->block);
    h->in = (size_t)N * C * H * W;
    h->out = N * tn_shape_count(out);
    h->x = randoms(h->in, 1);
    h->y = calloc(h->out, sizeof(float));
    h->dy = randoms(h->out, 2);
    h->dx = calloc(h->in, sizeof(float));
}

static void tear_down(host *h) {
    tn_block_free(h->block);
    for (int i = 0; i < h->n_params; i++) {
        free(h->value[i]);
        free(h->grad[i]);
    }
    free(h->x);
    free(h->y);
    free(h->dy);
    free(h->dx);
}

static void test_shape_and_parameters(void **state) {
    (void)state;
    host h;
    set_up(&h, 0);
    const tn_shape out = tn_block_output_shape(h.block);
    assert_int_equal(out.h, 5);
    assert_int_equal(out.w, 4);
    assert_int_equal(out.c, 32);
    /* conv1, conv2, conv3, projection: biases, scales, mean, variance, weights each */
    assert_int_equal(h.n_params, 20);
    const tn_param_spec *conv2 = tn_block_param_spec(h.block, 9);
    assert_int_equal(conv2->kind, TN_PARAM_WEIGHTS);
    assert_int_equal(conv2->dim[0], 8);
    assert_int_equal(conv2->dim[1], 2);
    assert_int_equal(conv2->dim[2], 5);
    tear_down(&h);
}

static void test_negative_deltas_give_negative_gradients(void **state) {
    (void)state;
    host a, b;
    set_up(&a, 0);
    set_up(&b, 0);
    for (size_t i = 0; i < b.out; i++) b.dy[i] = -b.dy[i];
    must(tn_block_forward(a.block, TN_TRAIN, N, 0, 0, a.x, a.y));
    must(tn_block_forward(b.block, TN_TRAIN, N, 0, 0, b.x, b.y));
    assert_memory_equal(a.y, b.y, a.out * sizeof(float));
    must(tn_block_backward(a.block, a.dy, a.dx));
    must(tn_block_backward(b.block, b.dy, b.dx));
    double sum = 0;
    for (size_t i = 0; i < a.in; i++) {
        assert_true(a.dx[i] == -b.dx[i]);
        sum += fabs((double)a.dx[i]);
    }
    assert_true(sum > 1);
    for (int p = 0; p < a.n_params; p++) {
        for (size_t i = 0; i < a.count[p]; i++) assert_true(a.grad[p][i] == -b.grad[p][i]);
    }
    tear_down(&a);
    tear_down(&b);
}

static void test_gradients_are_added_to_the_hosts(void **state) {
    (void)state;
    host a, b;
    set_up(&a, 0);
    set_up(&b, 3);
    for (size_t i = 0; i < b.in; i++) b.dx[i] = 5;
    must(tn_block_forward(a.block, TN_TRAIN, N, 0, 0, a.x, a.y));
    must(tn_block_forward(b.block, TN_TRAIN, N, 0, 0, b.x, b.y));
    must(tn_block_backward(a.block, a.dy, a.dx));
    must(tn_block_backward(b.block, b.dy, b.dx));
    for (size_t i = 0; i < a.in; i++) assert_float_equal(b.dx[i], a.dx[i] + 5, 1e-4);
    for (int p = 0; p < a.n_params; p++) {
        if (!tn_param_learns(tn_block_param_spec(a.block, p))) continue;
        for (size_t i = 0; i < a.count[p]; i++) {
            assert_float_equal(b.grad[p][i], a.grad[p][i] + 3, 1e-4f * (1 + fabsf(a.grad[p][i])));
        }
    }
    tear_down(&a);
    tear_down(&b);
}

static void test_changed_weights_count_after_touch(void **state) {
    (void)state;
    host h;
    set_up(&h, 0);
    must(tn_block_forward(h.block, TN_INFER, N, 0, 0, h.x, h.y));
    float *before = malloc(h.out * sizeof *before);
    memcpy(before, h.y, h.out * sizeof *before);
    /* doubling the last convolution's BN scale and shift of the main branch changes the output */
    for (size_t i = 0; i < h.count[11]; i++) h.value[11][i] *= 2;
    for (size_t i = 0; i < h.count[9]; i++) h.value[9][i] *= -1;
    tn_block_touch(h.block);
    must(tn_block_forward(h.block, TN_INFER, N, 0, 0, h.x, h.y));
    double moved = 0;
    for (size_t i = 0; i < h.out; i++) moved += fabs((double)h.y[i] - (double)before[i]);
    assert_true(moved > 1);
    /* undone, the first answer comes back bit for bit, also with another batch size in between */
    for (size_t i = 0; i < h.count[11]; i++) h.value[11][i] /= 2;
    for (size_t i = 0; i < h.count[9]; i++) h.value[9][i] *= -1;
    tn_block_touch(h.block);
    must(tn_block_forward(h.block, TN_INFER, 1, 0, 0, h.x, h.y));
    must(tn_block_forward(h.block, TN_INFER, N, 0, 0, h.x, h.y));
    assert_memory_equal(h.y, before, h.out * sizeof *before);
    free(before);
    tear_down(&h);
}

static void test_misuse_is_an_error(void **state) {
    (void)state;
    host h;
    set_up(&h, 0);
    assert_int_equal(tn_block_backward(h.block, h.dy, h.dx), TN_FAIL);
    must(tn_block_forward(h.block, TN_INFER, N, 0, 0, h.x, h.y));
    assert_int_equal(tn_block_backward(h.block, h.dy, h.dx), TN_FAIL);
    tear_down(&h);
    static const tn_option odd[] = {{"filters", "9", 2}, {"groups", "4", 3}};
    const tn_section bad = {
        .name = "expansion_residual", .file = "host", .line = 1, .n_options = 2, .option = odd};
    tn_block *block;
    assert_int_equal(tn_block_create(&bad, (tn_shape){H, W, C}, 2, NULL, &block), TN_FAIL);
    assert_non_null(strstr(tn_error(), "groups"));
    assert_null(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape_and_parameters),
        cmocka_unit_test(test_negative_deltas_give_negative_gradients),
        cmocka_unit_test(test_gradients_are_added_to_the_hosts),
        cmocka_unit_test(test_changed_weights_count_after_touch),
        cmocka_unit_test(test_misuse_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Gradients of what lies around convolutions against central differences, in double. */
#include "layers/ops/channel_norm.h"
#include "layers/ops/dropout.h"
#include "layers/ops/gather.h"
#include "layers/ops/loss.h"
#include "layers/ops/pool.h"
#include "layers/ops/resample.h"
#include "layers/ops/scale_channels.h"
#include "tests/support/op_cases.h"

static tn_harness_case one(const tn_op_kind *kind, const void *attr, tn_tensor in, tn_tensor out) {
    tn_harness_case c = {.kind = kind, .attr = attr, .mode = TN_TRAIN, .n_in = 1, .out = out};
    c.in[0] = in;
    return c;
}

static void pools(void **state) {
    (void)state;
    static const struct {
        tn_pool_attr a;
        int h, w;
    } shape[] = {
        {{TN_POOL_MAX, 3, 3, 2, 2, 1, 1}, 3, 4},
        {{TN_POOL_MAX, 2, 2, 2, 2, 0, 0}, 3, 4},
        {{TN_POOL_MAX, 2, 3, 1, 2, 0, 1}, 5, 4},
        {{TN_POOL_AVERAGE, 3, 3, 2, 2, 1, 1}, 3, 4},
        {{TN_POOL_AVERAGE, 2, 4, 3, 1, 0, 1}, 2, 6},
        {{TN_POOL_ADAPTIVE}, 1, 1},
        {{TN_POOL_ADAPTIVE}, 4, 3},
        {{TN_POOL_ADAPTIVE}, 9, 5},
    };
    const tn_tensor in = {.n = 2, .h = 5, .w = 7, .c = 3, .pitch = 4};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const tn_tensor out = {.n = 2, .h = shape[i].h, .w = shape[i].w, .c = 3};
        const tn_harness_case c = one(&tn_op_pool, &shape[i].a, in, out);
        tn_expect_gradient(&c, 20 + i);
    }
}

static void routes(void **state) {
    (void)state;
    static const int first[] = {1, 0, 2}, count[] = {2, 3, 1};
    static const tn_gather_attr gather = {first, count};
    const tn_tensor in = {.n = 2, .h = 3, .w = 4, .c = 3};
    tn_harness_case c = one(&tn_op_gather, &gather, in, in);
    c.n_in = 3;
    c.in[1] = c.in[2] = in;
    c.in[1].pitch = 5;
    c.out.c = 6;
    tn_expect_gradient(&c, 1);

    static const tn_resample_attr resample = {.factor = .7};
    static const tn_tensor shape[][2] = {
        {{.n = 2, .h = 6, .w = 8, .c = 3}, {.n = 2, .h = 3, .w = 4, .c = 5}},
        {{.n = 2, .h = 3, .w = 4, .c = 5}, {.n = 2, .h = 6, .w = 8, .c = 3}},
        {{.n = 1, .h = 5, .w = 7, .c = 2}, {.n = 1, .h = 2, .w = 3, .c = 2}},
        {{.n = 1, .h = 2, .w = 3, .c = 2}, {.n = 1, .h = 5, .w = 7, .c = 2}},
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        c = one(&tn_op_resample, &resample, shape[i][0], shape[i][1]);
        tn_expect_gradient(&c, i);
    }

    for (int by_pixel = 0; by_pixel < 2; by_pixel++) {
        c = one(&tn_op_scale_channels, NULL, in, in);
        c.n_in = 2;
        c.in[1] = in;
        if (by_pixel)
            c.in[0].c = 1;
        else
            c.in[0].h = c.in[0].w = 1;
        tn_expect_gradient(&c, 3);
    }
}

static void within_pixels(void **state) {
    (void)state;
    const tn_tensor in = {.n = 2, .h = 2, .w = 3, .c = 6, .pitch = 8};
    for (int a = TN_NORM_CHAN; a <= TN_NORM_CHAN_SOFTMAX_MAXVAL; a++) {
        const tn_channel_norm_attr attr = {(tn_activation)a};
        tn_harness_case c = one(&tn_op_channel_norm, &attr, in, in);
        c.reach = 2;
        tn_expect_gradient(&c, 4);
    }
    static const tn_dropout_attr dropout = {.4};
    tn_harness_case c = one(&tn_op_dropout, &dropout, in, in);
    tn_expect_gradient(&c, 5);
    c.mode = TN_GRAD_FIXED_STATS;
    tn_expect_gradient(&c, 6);
}

static void losses(void **state) {
    (void)state;
    static const tn_softmax_attr softmax[] = {{1, 1, 1}, {3, 2, .3}, {2, .5, 0}};
    static const tn_cost_attr cost[] = {
        {TN_COST_SSE, 1}, {TN_COST_MASKED, .5}, {TN_COST_SMOOTH, 2}, {TN_COST_L1, 1}};
    const tn_tensor in = {.n = 3, .h = 2, .w = 1, .c = 6, .pitch = 7};
    for (int i = 0; i < 14; i++) {
        tn_harness_case c = one(&tn_op_softmax, &softmax[i / 2 % 3], in, in);
        if (i >= 6) {
            c.kind = &tn_op_cost;
            c.attr = &cost[(i - 6) / 2];
        }
        c.reach = 2;
        c.truth = true;
        c.no_dout = i % 2;
        c.n_valid = i % 2 ? 2 : 0;
        tn_expect_gradient(&c, 30 + (uint64_t)i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools),
        cmocka_unit_test(routes),
        cmocka_unit_test(within_pixels),
        cmocka_unit_test(losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

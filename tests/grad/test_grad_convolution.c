/* Gradients of convolution and fully connected layers against central differences, in double. */
#include "layers/ops/convolution.h"
#include "layers/ops/inner_product.h"
#include "tests/support/op_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void convolutions(void **state) {
    (void)state;
    static const struct {
        tn_convolution_attr a;
        tn_tensor in;
        int filters;
    } shape[] = {
        {{1, 1, 1, 1, 0, 0, 1, 1}, {.n = 2, .h = 3, .w = 4, .c = 5}, 3},
        {{3, 3, 1, 1, 1, 1, 1, 1}, {.n = 2, .h = 5, .w = 4, .c = 3, .pitch = 5}, 4},
        {{5, 5, 2, 2, 2, 2, 1, 2}, {.n = 1, .h = 7, .w = 8, .c = 8}, 8},
        {{5, 5, 1, 1, 2, 2, 1, 4}, {.n = 2, .h = 6, .w = 6, .c = 16}, 8},
        {{3, 3, 2, 1, 1, 2, 2, 6}, {.n = 2, .h = 9, .w = 7, .c = 6}, 6},
        {{3, 5, 3, 2, 0, 1, 1, 1}, {.n = 1, .h = 8, .w = 9, .c = 2}, 3},
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const tn_convolution_attr *a = &shape[i].a;
        const tn_tensor in = shape[i].in;
        tn_harness_case c = {
            .kind = &tn_op_convolution, .attr = a, .mode = TN_TRAIN, .n_in = 1, .n_param = 1};
        c.in[0] = in;
        c.out = (tn_tensor){
            .n = in.n,
            .h = tn_convolution_extent(in.h, a->kh, a->stride_y, a->pad_y, a->dilation),
            .w = tn_convolution_extent(in.w, a->kw, a->stride_x, a->pad_x, a->dilation),
            .c = shape[i].filters,
        };
        c.param[0] = (tn_param_spec){.kind = TN_PARAM_WEIGHTS,
                                     .dim = {shape[i].filters, in.c / a->groups, a->kh, a->kw},
                                     .n_dim = 4};
        const char *wrong = tn_harness_gradcheck(&c, 10 + i);
        if (wrong) fail_msg("%s", wrong);
    }
}

static void fully_connected(void **state) {
    (void)state;
    tn_harness_case c = {.kind = &tn_op_inner_product,
                         .mode = TN_TRAIN,
                         .n_in = 1,
                         .n_param = 1,
                         .in = {{.n = 3, .h = 2, .w = 3, .c = 4}},
                         .out = {.n = 3, .h = 1, .w = 1, .c = 5},
                         .param = {{.kind = TN_PARAM_WEIGHTS, .dim = {5, 24}, .n_dim = 2}}};
    const char *wrong = tn_harness_gradcheck(&c, 1);
    if (wrong) fail_msg("%s", wrong);
    c.in[0].pitch = 7;
    wrong = tn_harness_gradcheck(&c, 2);
    if (wrong) fail_msg("%s", wrong);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(fully_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

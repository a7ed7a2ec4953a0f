/* The eight nets in single precision, with the kernels that training uses, against torch in double:
 * outputs and loss of the nets as they are, gradients of the nets without kinks (see
 * torch_parity.h). */
#include "tests/support/torch_parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_outputs(void **state) {
    const char *net = *state;
    tn_parity p;
    if (tn_parity_run(net, false, &p) != TN_OK) fail_msg("%s: %s", net, tn_error());
    printf("%s: outputs %.1e, loss %.1e\n", net, p.outputs, p.loss);
    assert_true(p.outputs <= 1e-4);
    assert_true(p.loss <= 1e-4);
}

static void test_gradients(void **state) {
    const char *net = *state;
    tn_parity p;
    if (tn_parity_run(net, true, &p) != TN_OK) fail_msg("%s: %s", net, tn_error());
    printf("%s without kinks: outputs %.1e, loss %.1e, gradients %.1e (%s), step %.1e\n", net,
           p.outputs, p.loss, p.gradient, p.worst, p.step);
    assert_true(p.outputs <= 1e-4);
    assert_true(p.loss <= 1e-4);
    assert_true(p.gradient <= 1e-4);
    assert_true(p.step <= 1e-4);
}

#define NET(name)                                                                                  \
    {"outputs_" name, test_outputs, NULL, NULL, (void *)name}, {                                   \
        "gradients_" name, test_gradients, NULL, NULL, (void *)name                                \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        NET("thyronet"), NET("baseline"), NET("baseline-block"), NET("baseline-bottleneck"),
        NET("vgg16"),    NET("alexnet"),  NET("googlenet"),      NET("mobilenet"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

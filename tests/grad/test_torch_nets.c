/* The eight nets in double against torch in double: outputs, loss, every gradient, one SGD step. In
 * double no rounding flips a ReLU or a maximum, so the agreement must be close to rounding itself.
 */
#include "tests/support/torch_parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_net(void **state) {
    const char *net = *state;
    tn_parity p;
    if (tn_parity_run(net, false, &p) != TN_OK) fail_msg("%s: %s", net, tn_error());
    printf("%s: outputs %.1e, loss %.1e, gradients %.1e (%s), step %.1e\n", net, p.outputs, p.loss,
           p.gradient, p.worst, p.step);
    assert_true(p.outputs <= 1e-8);
    assert_true(p.loss <= 1e-8);
    assert_true(p.gradient <= 1e-7);
    assert_true(p.step <= 1e-7);
}

#define NET(name)                                                                                  \
    { "torch_" name, test_net, NULL, NULL, (void *)name }

int main(void) {
    const struct CMUnitTest tests[] = {
        NET("thyronet"), NET("baseline"), NET("baseline-block"), NET("baseline-bottleneck"),
        NET("vgg16"),    NET("alexnet"),  NET("googlenet"),      NET("mobilenet"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Denormals are flushed on every compute thread, not just the first. */
#include "layers/device/cpu.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void denormals_are_zero_everywhere(void **state) {
    (void)state;
    tn_cpu_flush_denormals(4);
    volatile float tiny = FLT_MIN;
    int alive = 0;
#pragma omp parallel num_threads(4) reduction(+ : alive)
    {
        volatile float half = tiny * 0.5f;
        alive += half != 0;
    }
    assert_int_equal(alive, 0);
}

static void the_processor_has_a_name(void **state) {
    (void)state;
    assert_true(strlen(tn_cpu_describe()) > 5);
    assert_non_null(strstr(tn_cpu_describe(), ", "));
    assert_true(tn_cpu_describe() == tn_cpu_describe());
    assert_true(tn_cpu_threads() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denormals_are_zero_everywhere),
        cmocka_unit_test(the_processor_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

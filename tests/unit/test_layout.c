/* The packing of buffers: no two alive together may overlap, and chains share memory. */
#include "src/net/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t next(uint32_t *s) {
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

static bool collide(const tn_layout_item *a, const tn_layout_item *b) {
    const bool time = a->first <= b->last && b->first <= a->last;
    const bool space = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
    return time && space;
}

static void test_random_lifetimes_never_collide(void **state) {
    (void)state;
    for (uint32_t seed = 1; seed <= 50; seed++) {
        tn_layout_item item[200];
        uint32_t s = seed;
        for (int i = 0; i < 200; i++) {
            const int first = (int)(next(&s) % 100);
            item[i] = (tn_layout_item){
                .bytes = 1 + next(&s) % 5000, .first = first, .last = first + (int)(next(&s) % 20)};
        }
        const size_t total = tn_layout_pack(item, 200);
        for (int i = 0; i < 200; i++) {
            assert_int_equal(item[i].offset % 64, 0);
            assert_true(item[i].offset + item[i].bytes <= total);
            for (int j = 0; j < i; j++) assert_false(collide(&item[i], &item[j]));
        }
    }
}

static void test_chain_needs_two_buffers(void **state) {
    (void)state;
    tn_layout_item item[40];
    for (int i = 0; i < 40; i++)
        item[i] = (tn_layout_item){.bytes = 1024, .first = i, .last = i + 1};
    assert_int_equal(tn_layout_pack(item, 40), 2048);
}

static void test_overlapping_lifetimes_add_up(void **state) {
    (void)state;
    tn_layout_item item[10];
    for (int i = 0; i < 10; i++) item[i] = (tn_layout_item){.bytes = 100, .first = 0, .last = 9};
    assert_int_equal(tn_layout_pack(item, 10), 10 * 128);
    assert_int_equal(tn_layout_pack(item, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lifetimes_never_collide),
        cmocka_unit_test(test_chain_needs_two_buffers),
        cmocka_unit_test(test_overlapping_lifetimes_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "layers/device/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Known answers published with the Random123 library for philox4x32, 10 rounds. */
static void philox_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        uint64_t key = (uint64_t)known[i].key[1] << 32 | known[i].key[0];
        tn_philox(key, known[i].counter, out);
        for (int j = 0; j < 4; j++) assert_int_equal(out[j], known[i].out[j]);
    }
}

static void streams_repeat_and_differ(void **state) {
    (void)state;
    tn_rng a = tn_rng_stream(7, TN_RNG_AUGMENT, 3, 11, 0);
    tn_rng b = tn_rng_stream(7, TN_RNG_AUGMENT, 3, 11, 0);
    tn_rng others[] = {
        tn_rng_stream(8, TN_RNG_AUGMENT, 3, 11, 0), tn_rng_stream(7, TN_RNG_SHUFFLE, 3, 11, 0),
        tn_rng_stream(7, TN_RNG_AUGMENT, 4, 11, 0), tn_rng_stream(7, TN_RNG_AUGMENT, 3, 12, 0),
        tn_rng_stream(7, TN_RNG_AUGMENT, 3, 11, 1)};
    int same[5] = {0};
    for (int i = 0; i < 1000; i++) {
        uint32_t x = tn_rng_u32(&a);
        assert_int_equal(x, tn_rng_u32(&b));
        for (int j = 0; j < 5; j++) same[j] += tn_rng_u32(&others[j]) == x;
    }
    for (int j = 0; j < 5; j++) assert_in_range(same[j], 0, 1);
}

static void uniform_is_uniform(void **state) {
    (void)state;
    tn_rng rng = tn_rng_stream(0, TN_RNG_INIT, 0, 0, 0);
    enum { N = 200000, BINS = 20 };
    int bins[BINS] = {0};
    for (int i = 0; i < N; i++) {
        float u = tn_rng_uniform(&rng, 0, 1);
        assert_true(u >= 0 && u < 1);
        bins[(int)(u * BINS)]++;
    }
    double chi2 = 0, expected = (double)N / BINS;
    for (int i = 0; i < BINS; i++) chi2 += (bins[i] - expected) * (bins[i] - expected) / expected;
    assert_true(chi2 < 43.8); /* 19 degrees of freedom, p = 0.001 */
    assert_true(tn_uniform01(0) == 0.0f && tn_uniform01(UINT32_MAX) < 1.0f);
}

static void normal_has_its_moments(void **state) {
    (void)state;
    tn_rng rng = tn_rng_stream(1, TN_RNG_INIT, 0, 0, 0);
    enum { N = 200000 };
    double m1 = 0, m2 = 0, m4 = 0;
    for (int i = 0; i < N; i++) {
        double x = tn_rng_normal(&rng);
        assert_true(isfinite(x));
        m1 += x / N;
        m2 += x * x / N;
        m4 += x * x * x * x / N;
    }
    assert_true(fabs(m1) < 0.01);
    assert_true(fabs(m2 - 1) < 0.015);
    assert_true(fabs(m4 - 3) < 0.12);
}

static void below_covers_its_range(void **state) {
    (void)state;
    tn_rng rng = tn_rng_stream(2, TN_RNG_SHUFFLE, 0, 0, 0);
    int seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t x = tn_rng_below(&rng, 7);
        assert_in_range(x, 0, 6);
        seen[x]++;
    }
    for (int i = 0; i < 7; i++) assert_in_range(seen[i], 9600, 10400);
    assert_int_equal(tn_rng_below(&rng, 0), 0);
    assert_int_equal(tn_rng_below(&rng, 1), 0);
    /* With n just over 2^31 nearly half the draws must be rejected, never wrapped. */
    for (int i = 0; i < 1000; i++) assert_true(tn_rng_below(&rng, 0x80000001u) < 0x80000001u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),   cmocka_unit_test(streams_repeat_and_differ),
        cmocka_unit_test(uniform_is_uniform),     cmocka_unit_test(normal_has_its_moments),
        cmocka_unit_test(below_covers_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

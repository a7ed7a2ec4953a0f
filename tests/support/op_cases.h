/* What the op tests draw their random cases with. */
#ifndef TN_TESTS_OP_CASES_H
#define TN_TESTS_OP_CASES_H

#include "layers/device/rng.h"
#include "tests/support/op_harness.h"

/* cmocka.h wants these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* How many random shapes a test tries, and from which seed on. TN_SHAPES=N in the environment: N
 * times as many, TN_SEED=S: others (make fuzz-kernels). Sanitizers, which take five times as long,
 * see a quarter. */
typedef struct tn_shapes {
    int count;
    uint64_t first;
} tn_shapes;

static inline long tn_shapes_setting(const char *name, long usual) {
    const char *text = getenv(name);
    const long value = text ? strtol(text, NULL, 10) : 0;
    return value > 0 ? value : usual;
}

static inline tn_shapes tn_shapes_of(int count) {
#ifdef __SANITIZE_ADDRESS__
    count /= 4;
#endif
    return (tn_shapes){(int)tn_shapes_setting("TN_SHAPES", 1) * count,
                       (uint64_t)tn_shapes_setting("TN_SEED", 1)};
}

static inline int tn_pick(tn_rng *rng, const int *from, size_t count) {
    return from[tn_rng_below(rng, (uint32_t)count)];
}
/* One of the listed whole numbers. */
#define TN_PICK(rng, ...)                                                                          \
    tn_pick(rng, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

/* A random shape; now and then with gaps between pixels. */
static inline tn_tensor tn_random_shape(tn_rng *rng, int most_pixels) {
    tn_tensor t = {.n = TN_PICK(rng, 1, 2, 3, 5)};
    t.h = 1 + (int)tn_rng_below(rng, (uint32_t)most_pixels);
    t.w = 1 + (int)tn_rng_below(rng, (uint32_t)most_pixels);
    t.c = TN_PICK(rng, 1, 2, 3, 7, 8, 9, 16, 17, 24, 40, 64);
    return t;
}

static inline tn_tensor tn_random_pitch(tn_rng *rng, tn_tensor t) {
    t.pitch = t.c + TN_PICK(rng, 0, 0, 0, 1, 4, 8, 16);
    return t;
}

static inline void tn_expect_agreement(const tn_harness_case *c, uint64_t seed) {
    const char *wrong = tn_harness_check(c, seed);
    if (wrong) fail_msg("%s", wrong);
}

static inline void tn_expect_gradient(const tn_harness_case *c, uint64_t seed) {
    const char *wrong = tn_harness_gradcheck(c, seed);
    if (wrong) fail_msg("%s", wrong);
}

#endif

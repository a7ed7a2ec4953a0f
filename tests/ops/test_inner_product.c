/* Every kernel of the fully connected layer against the reference, on seeded random shapes. */
#include "layers/ops/inner_product.h"
#include "tests/support/op_cases.h"

enum { SHAPES = 120 };

static void random_shapes_agree(void **state) {
    (void)state;
    const tn_shapes shapes = tn_shapes_of(SHAPES);
    for (uint64_t seed = shapes.first; seed < shapes.first + (uint64_t)shapes.count; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
        const bool flat = seed % 3 == 0; /* after an average pooling */
        tn_tensor in = {.n = 1 + (int)tn_rng_below(&rng, 5),
                        .h = flat ? 1 : 1 + (int)tn_rng_below(&rng, 8),
                        .w = flat ? 1 : 1 + (int)tn_rng_below(&rng, 8),
                        .c = 1 + (int)tn_rng_below(&rng, flat ? 600 : 70)};
        if (seed % 4 == 0) in.pitch = in.c + 3;
        const int outputs = 1 + (int)tn_rng_below(&rng, seed % 5 ? 20 : 150);
        tn_harness_case c = {
            .kind = &tn_op_inner_product,
            .mode = seed % 6 ? TN_TRAIN : TN_INFER,
            .n_in = 1,
            .in = {in},
            .out = {.n = in.n, .h = 1, .w = 1, .c = outputs, .pitch = seed % 7 ? 0 : outputs + 2},
            .n_param = 1,
            .param = {{.kind = TN_PARAM_WEIGHTS, .dim = {outputs, in.h * in.w * in.c}, .n_dim = 2}},
            .exact_for_integers = true,
        };
        const char *wrong = tn_harness_check(&c, seed);
        if (wrong) fail_msg("%s", wrong);
    }
}

static void every_kernel_served(void **state) {
    (void)state;
    for (int pass = 0; pass < TN_PASSES; pass++) {
        const tn_kernel *const *table = tn_op_inner_product.kernels[pass];
        for (int i = 0; table[i]; i++)
            if (tn_harness_served(table[i]) < 20)
                fail_msg("%s, kernel %s: served %d times", tn_pass_name((tn_pass)pass),
                         table[i]->name, tn_harness_served(table[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_agree),
        cmocka_unit_test(every_kernel_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

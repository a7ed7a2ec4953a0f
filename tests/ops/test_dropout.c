/* Dropout: every kernel against the reference and against the function that names the mask. */
#include "layers/ops/dropout_kernels.h"
#include "tests/support/op_cases.h"
#include "tests/support/small_there.h"

#include <math.h>
#include <string.h>

enum { SHAPES = 200 };

static void random_shapes_agree(void **state) {
    (void)state;
    const tn_shapes shapes = tn_shapes_of(SHAPES);
    for (uint64_t seed = shapes.first; seed < shapes.first + (uint64_t)shapes.count; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
        const tn_dropout_attr a = {TN_PICK(&rng, 0, 20, 50, 50, 90, 100) / 100.0};
        tn_tensor shape = tn_random_shape(&rng, 9);
        if (TN_PICK(&rng, 0, 1)) {
            shape.h = shape.w = 1;
            shape.c = TN_PICK(&rng, 1, 5, 31, 32, 33, 100, 256);
        }
        char text[40];
        snprintf(text, sizeof text, "probability=%g", a.probability);
        tn_harness_case c = {.kind = &tn_op_dropout, .attr = &a, .text = text, .n_in = 1};
        c.mode =
            (tn_mode)TN_PICK(&rng, TN_TRAIN, TN_TRAIN, TN_TRAIN, TN_INFER, TN_GRAD_FIXED_STATS);
        c.in[0] = tn_random_pitch(&rng, shape);
        c.out = tn_random_pitch(&rng, shape);
        tn_expect_agreement(&c, seed);
    }
    if (tn_there_gpu()) {
        assert_true(tn_harness_served(&tn_dropout_forward_cuda) > tn_shapes_of(SHAPES).count / 2);
        assert_true(tn_harness_served(&tn_dropout_backward_cuda) > tn_shapes_of(SHAPES).count / 2);
    }
    assert_true(tn_harness_served(&tn_dropout_forward_avx2) > tn_shapes_of(SHAPES).count / 2 ||
                !__builtin_cpu_supports("avx2"));
}

enum { N = 3, MOST = 3 * 5 * 6 * 37 };

static void run(tn_small_op *s, const tn_dropout_attr *a, const char *kernel, tn_real *x,
                tn_real *out, int n, int h, int w, int c) {
    tn_small_open(s, &tn_op_dropout, a, TN_TRAIN, 1, 0);
    s->step = (tn_step){.seed = 11, .step = 0x100000007u, .n_valid = n, .first_sample = 4};
    s->in[0] = s->r.out = tn_dense(x, n, h, w, c);
    s->r.out.data = out;
    assert_int_equal(tn_small_choose(s, kernel), TN_OK);
    assert_int_equal(tn_small_forward(s), TN_OK);
    tn_small_close(s);
}

static void mask_is_as_named(void **state) {
    (void)state;
    static const tn_dropout_attr a = {0.3};
    static const int shapes[][3] = {{1, 1, 37}, {5, 6, 37}, {4, 4, 9}, {5, 5, 8}};
    const int kernels = tn_small_n_kernels();
    for (int i = 0; i < 4 * kernels; i++) {
        const int *d = shapes[i / kernels], h = d[0], w = d[1], c = d[2];
        tn_small_op s;
        tn_real x[MOST], out[MOST];
        for (int j = 0; j < MOST; j++) x[j] = 1;
        run(&s, &a, tn_small_kernels[i % kernels], x, out, N, h, w, c);
        for (int n = 0; n < N; n++)
            for (int e = 0; e < h * w * c; e++) {
                const bool kept = tn_dropout_keeps(&s.step, 7, 4 + n, (uint32_t)e, 0.3);
                const tn_real got = out[(n * h * w + e % (h * w)) * c + e / (h * w)];
                assert_true(fabs((double)got - (kept ? 1 / 0.7 : 0)) < 1e-6);
            }
    }
}

static void mask_follows_its_key(void **state) {
    (void)state;
    const tn_step step = {.seed = 1, .step = 2};
    tn_step others[] = {step, step, step};
    others[0].seed = 2;
    others[1].step = 3;
    others[2].step += (uint64_t)1 << 32;
    enum { TRIED = 4000 };
    int kept = 0, differs[5] = {0};
    for (uint32_t e = 0; e < TRIED; e++) {
        const bool keeps = tn_dropout_keeps(&step, 3, 4, e, 0.25);
        kept += keeps;
        for (int i = 0; i < 3; i++)
            differs[i] += keeps != tn_dropout_keeps(&others[i], 3, 4, e, 0.25);
        differs[3] += keeps != tn_dropout_keeps(&step, 4, 4, e, 0.25);
        differs[4] += keeps != tn_dropout_keeps(&step, 3, 5, e, 0.25);
    }
    /* 5 standard deviations: sqrt(4000 * .25 * .75) = 27; two masks differ in 2 * .25 * .75. */
    assert_in_range(kept, 3000 - 140, 3000 + 140);
    for (int i = 0; i < 5; i++) assert_in_range(differs[i], 1500 - 155, 1500 + 155);
}

/* A batch split into mini-batches is dropped as the whole would be. */
static void splits_change_nothing(void **state) {
    (void)state;
    static const tn_dropout_attr a = {0.5};
    enum { C = 40 };
    tn_real x[2 * C], whole[2 * C], half[C];
    tn_small_op s;
    for (int i = 0; i < 2 * C; i++) x[i] = (tn_real)(i + 1);
    run(&s, &a, "avx2", x, whole, 2, 1, 1, C);
    tn_small_open(&s, &tn_op_dropout, &a, TN_TRAIN, 1, 0);
    s.step = (tn_step){.seed = 11, .step = 0x100000007u, .n_valid = 1, .first_sample = 5};
    s.in[0] = s.r.out = tn_dense(x + C, 1, 1, 1, C);
    s.r.out.data = half;
    assert_int_equal(tn_small_prepare(&s, NULL), TN_OK);
    assert_int_equal(tn_op_forward(&s.r), TN_OK);
    assert_memory_equal(half, whole + C, sizeof half);
    tn_small_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_agree),
        cmocka_unit_test(mask_is_as_named),
        cmocka_unit_test(mask_follows_its_key),
        cmocka_unit_test(splits_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

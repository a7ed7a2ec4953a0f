/* Pooling: every kernel against the reference, and the reference against torch's figures. */
#include "layers/device/cpu.h"
#include "layers/ops/pool_kernels.h"
#include "tests/support/op_cases.h"
#include "tests/support/small_there.h"

#include <math.h>
#include <string.h>

enum { SHAPES = 300 };

static void random_shapes_agree(void **state) {
    (void)state;
    const tn_shapes shapes = tn_shapes_of(SHAPES);
    int tried = 0;
    for (uint64_t seed = shapes.first; tried < shapes.count; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
        tn_pool_attr a = {.type = (tn_pool_type)TN_PICK(&rng, 0, 0, 1, 2)};
        a.size_y = TN_PICK(&rng, 1, 2, 3, 3, 5, 17);
        a.size_x = TN_PICK(&rng, a.size_y, a.size_y, 1, 2);
        a.stride_y = TN_PICK(&rng, 1, 2, 2, 3);
        a.stride_x = TN_PICK(&rng, a.stride_y, a.stride_y, 1, 4);
        const int pad_y = TN_PICK(&rng, 0, a.size_y - 1), pad_x = TN_PICK(&rng, 0, a.size_x - 1);
        a.before_y = pad_y / 2;
        a.before_x = pad_x / 2;
        tn_tensor in = tn_random_shape(&rng, 13), out = in;
        out.h = (in.h + pad_y - a.size_y) / a.stride_y + 1;
        out.w = (in.w + pad_x - a.size_x) / a.stride_x + 1;
        if (in.h + pad_y < a.size_y || in.w + pad_x < a.size_x) continue;
        if (a.type == TN_POOL_ADAPTIVE) {
            out.h = TN_PICK(&rng, 1, 1, 2, 4, 7);
            out.w = TN_PICK(&rng, out.h, out.h, 3);
        }
        tried++;
        char text[120];
        snprintf(text, sizeof text, "type=%d size=%dx%d stride=%dx%d before=%dx%d", a.type,
                 a.size_y, a.size_x, a.stride_y, a.stride_x, a.before_y, a.before_x);
        tn_harness_case c = {.kind = &tn_op_pool,
                             .attr = &a,
                             .text = text,
                             .mode = (tn_mode)TN_PICK(&rng, TN_TRAIN, TN_TRAIN, TN_INFER),
                             .n_in = 1,
                             .exact_for_integers = a.type == TN_POOL_MAX};
        c.in[0] = tn_random_pitch(&rng, in);
        c.out = tn_random_pitch(&rng, out);
        tn_expect_agreement(&c, seed);
    }
    if (tn_there_gpu()) {
        assert_true(tn_harness_served(&tn_pool_forward_cuda) > tn_shapes_of(SHAPES).count / 2);
        assert_true(tn_harness_served(&tn_pool_backward_cuda) > tn_shapes_of(SHAPES).count / 2);
    }
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    assert_true(tn_harness_served(&tn_pool_forward_avx512) > tn_shapes_of(SHAPES).count / 2 ||
                !wide);
    assert_true(tn_harness_served(&tn_pool_backward_avx512) > tn_shapes_of(SHAPES).count / 2 ||
                !wide);
    if (!__builtin_cpu_supports("avx2")) return;
    assert_true(tn_harness_served(&tn_pool_forward_bf16) > tn_shapes_of(SHAPES).count / 2 ||
                !tn_cpu_has_bf16());
    assert_true(tn_harness_served(&tn_pool_backward_bf16) > tn_shapes_of(SHAPES).count / 4 ||
                !tn_cpu_has_bf16());
    assert_true(tn_harness_served(&tn_pool_forward_avx2) > tn_shapes_of(SHAPES).count / 2);
    assert_true(tn_harness_served(&tn_pool_backward_avx2) > tn_shapes_of(SHAPES).count / 2);
}

/* A 5x7 image, one channel, and what torch 2 makes of it; the gradient of output i is i + 1. */
static const tn_real image[35] = {1.75, 2.5,   -2.25, -1.25, -4,   -0.5,  2,   -3.75, 2.25,
                                  1,    -1.5,  -1,    -1.75, 4.5,  -3.5,  0.5, 2.75,  3,
                                  -3,   -0.25, 3.5,   1.25,  4.25, -0.75, -2,  -2.5,  -3.25,
                                  3.25, 3.75,  -2.75, 0,     1.5,  0.75,  4,   0.25};

static const struct {
    tn_pool_attr attr;
    int h, w;
    double out[24], dx[35];
} known[] = {
    {{TN_POOL_MAX, 3, 3, 2, 2, 1, 1},
     3,
     4,
     {2.5, 2.5, -0.5, 4.5, 4.25, 4.25, 3, 4.5, 4.25, 4.25, 4, 4},
     {0, 3, 0, 0, 0,  3, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0,  0, 7,
      0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 23, 0}},
    {{TN_POOL_AVERAGE, 3, 3, 2, 2, 1, 1},
     3,
     4,
     {0.6875, 0.125, -1.66666667, 1.0625, 0.166666667, 1.05555556, -1.36111111, 1, 1.625,
      0.0416666667, -0.25, 1.0625},
     {0.25,        0.583333333, 0.333333333, 0.833333333, 0.5,         1.5,        1,
      1.08333333,  2.08333333,  1,           2.27777778,  1.27777778,  3.61111111, 2.33333333,
      0.833333333, 1.5,         0.666666667, 1.44444444,  0.777777778, 2.11111111, 1.33333333,
      3.08333333,  5.41666667,  2.33333333,  4.94444444,  2.61111111,  6.94444444, 4.33333333,
      2.25,        3.91666667,  1.66666667,  3.5,         1.83333333,  4.83333333, 3}},
    {{TN_POOL_ADAPTIVE},
     2,
     3,
     {0.138888889, -0.694444444, -0.0555555556, 0.611111111, -0.0277777778, 0.305555556},
     {0.111111111, 0.111111111, 0.333333333, 0.222222222, 0.555555556, 0.333333333, 0.333333333,
      0.111111111, 0.111111111, 0.333333333, 0.222222222, 0.555555556, 0.333333333, 0.333333333,
      0.555555556, 0.555555556, 1.33333333,  0.777777778, 1.77777778,  1,           1,
      0.444444444, 0.444444444, 1,           0.555555556, 1.22222222,  0.666666667, 0.666666667,
      0.444444444, 0.444444444, 1,           0.555555556, 1.22222222,  0.666666667, 0.666666667}},
    {{TN_POOL_ADAPTIVE},
     7,
     3,
     {0.666666667, -2.5,        -0.833333333,  0.25,        -1.5,         -0.125, -0.125,
      0.208333333, 0.333333333, -0.0833333333, 0.916666667, 0.0833333333, 0.75,   -0.416666667,
      -0.375,      0.958333333, -0.5,          0.416666667, 0.333333333,  0.75,   1.66666667},
     {1,          1,          2.5,  1.5,        3.5,        2,   2,
      1.83333333, 1.83333333, 4,    2.16666667, 4.66666667, 2.5, 2.5,
      6.66666667, 6.66666667, 14,   7.33333333, 15.3333333, 8,   8,
      4.83333333, 4.83333333, 10,   5.16666667, 10.6666667, 5.5, 5.5,
      9,          9,          18.5, 9.5,        19.5,       10,  10}},
    {{TN_POOL_MAX, 2, 2, 2, 2, 0, 0},
     3,
     4,
     {2.5, 1, -0.5, 4.5, 4.25, 3, -0.25, 3.5, 3.75, 1.5, 4, 0.25},
     {0, 1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4,  0, 0,  0, 6,
      0, 7, 8, 0, 5, 0, 0, 0, 0, 0, 9, 0, 0, 10, 0, 11, 12}},
};

static void pools_equal_torch(void **state) {
    (void)state;
    const size_t kernels = (size_t)tn_small_n_kernels(), shapes = sizeof known / sizeof *known;
    for (size_t i = 0; i < kernels * shapes; i++) {
        const size_t shape = i / kernels;
        tn_small_op s;
        tn_real x[35], out[24], dout[24], dx[35];
        memcpy(x, image, sizeof image);
        for (int j = 0; j < 24; j++) dout[j] = (tn_real)(j + 1);
        tn_small_open(&s, &tn_op_pool, &known[shape].attr, TN_TRAIN, 1, 0);
        s.in[0] = tn_dense(x, 1, 5, 7, 1);
        s.din[0] = tn_dense(dx, 1, 5, 7, 1);
        s.r.out = tn_dense(out, 1, known[shape].h, known[shape].w, 1);
        s.r.dout = tn_dense(dout, 1, known[shape].h, known[shape].w, 1);
        assert_int_equal(tn_small_choose(&s, tn_small_kernels[i % kernels]), TN_OK);
        assert_int_equal(tn_small_forward(&s), TN_OK);
        assert_int_equal(tn_small_backward(&s), TN_OK);
        for (int j = 0; j < known[shape].h * known[shape].w; j++)
            assert_true(fabs((double)out[j] - known[shape].out[j]) < 1e-6);
        for (int j = 0; j < 35; j++) assert_true(fabs((double)dx[j] - known[shape].dx[j]) < 2e-6);
        tn_small_close(&s);
    }
}

/* In each channel another cell is NaN, or all are, or values tie. */
static void nan_and_ties(void **state) {
    (void)state;
    static const tn_pool_attr attr = {TN_POOL_MAX, 2, 2, 2, 2, 0, 0};
    const tn_real nan = (tn_real)NAN, low = (tn_real)-INFINITY;
    const tn_real x[4 * 9] = {nan, 1,   1,   nan, 3, 3, low, -1, 0, /* cell 0 */
                              2,   nan, 1,   nan, 3, 1, low, -2, 0, /* cell 1 */
                              3,   3,   nan, nan, 3, 3, low, -1, 0, /* cell 2 */
                              4,   4,   1,   nan, 2, 4, low, -3, 0};
    static const int place[9] = {0, 1, 2, 0, 0, 3, 0, 0, 0};
    enum { WIDE = 45 }; /* over and over, so that whole vectors and a rest see them */
    for (int i = 0; i < tn_small_n_kernels(); i++) {
        tn_small_op s;
        tn_real in[4 * WIDE], out[WIDE], dout[WIDE], dx[4 * WIDE];
        for (int j = 0; j < 4 * WIDE; j++) in[j] = x[j / WIDE * 9 + j % WIDE % 9];
        for (int c = 0; c < WIDE; c++) dout[c] = 1;
        tn_small_open(&s, &tn_op_pool, &attr, TN_TRAIN, 1, 0);
        s.in[0] = tn_dense(in, 1, 2, 2, WIDE);
        s.din[0] = tn_dense(dx, 1, 2, 2, WIDE);
        s.r.out = tn_dense(out, 1, 1, 1, WIDE);
        s.r.dout = tn_dense(dout, 1, 1, 1, WIDE);
        assert_int_equal(tn_small_choose(&s, tn_small_kernels[i]), TN_OK);
        assert_int_equal(tn_small_forward(&s), TN_OK);
        assert_int_equal(tn_small_backward(&s), TN_OK);
        for (int c = 0; c < WIDE; c++) {
            assert_int_equal(isnan(out[c]) != 0, c % 9 < 4);
            for (int cell = 0; cell < 4; cell++)
                assert_true(dx[cell * WIDE + c] == (cell == place[c % 9] ? 1 : 0));
        }
        tn_small_close(&s);
    }
}

/* Large gradients are written around the caches where memory is aligned for it: the same bits. */
static void large_maps_are_no_different(void **state) {
    (void)state;
    enum { C = 64, SIDE = 363, OUT = 181, COUNT = SIDE * SIDE * C };
    static const tn_pool_attr attr = {TN_POOL_MAX, 3, 3, 2, 2, 0, 0};
    const size_t bytes = ((size_t)COUNT * sizeof(tn_real) + 127) / 64 * 64;
    tn_real *memory[5];
    for (int i = 0; i < 5; i++) {
        memory[i] = aligned_alloc(64, bytes);
        assert_non_null(memory[i]);
    }
    for (int i = 0; i < COUNT; i++) memory[0][i] = (tn_real)(i % 997) - (tn_real)(i % 113);
    for (int i = 0; i < OUT * OUT * C; i++) memory[1][i] = (tn_real)(i % 101) / 50 - 1;
    for (int shift = 0; shift < 2; shift++) { /* the shifted ones by the narrower kernel */
        tn_small_op s;
        tn_small_open(&s, &tn_op_pool, &attr, TN_TRAIN, 1, 0);
        s.in[0] = tn_dense(memory[0], 1, SIDE, SIDE, C);
        s.r.out = tn_dense(memory[2], 1, OUT, OUT, C);
        s.r.dout = tn_dense(memory[1], 1, OUT, OUT, C);
        s.din[0] = tn_dense(memory[3 + shift] + shift, 1, SIDE, SIDE, C);
        assert_int_equal(tn_small_prepare(&s, shift ? "avx2" : "avx512"), TN_OK);
        assert_int_equal(tn_op_forward(&s.r), TN_OK);
        assert_int_equal(tn_op_backward(&s.r), TN_OK);
        tn_small_close(&s);
    }
    assert_int_equal(memcmp(memory[3], memory[4] + 1, COUNT * sizeof(tn_real)), 0);
    double given = 0, taken = 0;
    for (int i = 0; i < OUT * OUT * C; i++) given += (double)memory[1][i];
    for (int i = 0; i < COUNT; i++) taken += (double)memory[3][i];
    assert_true(fabs(given - taken) < 1e-2);
    for (int i = 0; i < 5; i++) free(memory[i]);
}

static void empty_windows_are_refused(void **state) {
    (void)state;
    static const tn_pool_attr attr = {TN_POOL_MAX, 2, 2, 2, 2, 2, 2};
    tn_small_op s;
    tn_small_open(&s, &tn_op_pool, &attr, TN_TRAIN, 1, 0);
    s.in[0] = tn_dense(NULL, 1, 4, 4, 3);
    s.r.out = tn_dense(NULL, 1, 4, 4, 3);
    assert_int_equal(tn_small_prepare(&s, NULL), TN_FAIL);
    assert_non_null(strstr(tn_error(), "7.op: pooling window 0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_agree),
        cmocka_unit_test(pools_equal_torch),
        cmocka_unit_test(nan_and_ties),
        cmocka_unit_test(large_maps_are_no_different),
        cmocka_unit_test(empty_windows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Moments that a convolution leaves to the batch norm behind it: against sums over its output in
 * double, whatever the shape; and the norm that takes them against the one that looks for itself.
 */
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/norm_act_kernels.h"
#include "tests/support/op_cases.h"
#include "tests/support/small_op.h"

#include <math.h>
#include <string.h>

enum { SHAPES = 200, THREADS = 3, MOST = 96, GAP = 16, PIXELS = 1 << 13 };

typedef struct measured {
    tn_small_op s;
    tn_convolution_attr a;
    tn_channel_moments moments;
    double memory[THREADS + 2 * THREADS * MOST];
    tn_real in[PIXELS * (MOST + GAP)], out[PIXELS * (MOST + GAP)], weights[MOST * MOST];
} measured;

static void open_measured(measured *m, tn_rng *rng, tn_tensor in, int filters, double offset) {
    memset(m->memory, 0xA5, sizeof m->memory); /* no number that could pass for one */
    m->a = (tn_convolution_attr){
        .kh = 1, .kw = 1, .stride_y = 1, .stride_x = 1, .dilation = 1, .groups = 1};
    tn_small_open(&m->s, &tn_op_convolution, &m->a, TN_TRAIN, 1, 1);
    m->s.r.threads = 1 + (int)tn_rng_below(rng, THREADS);
    m->s.spec[0] =
        (tn_param_spec){.kind = TN_PARAM_WEIGHTS, .dim = {filters, in.c, 1, 1}, .n_dim = 4};
    m->s.param[0] = (tn_param){.spec = &m->s.spec[0], .value = m->weights, .version = 1};
    m->s.in[0] = in;
    m->s.in[0].data = m->in;
    m->s.r.out = in;
    m->s.r.out.c = filters;
    m->s.r.out.pitch = filters + (in.pitch - in.c);
    m->s.r.out.data = m->out;
    const int parts = m->s.r.threads;
    m->moments = (tn_channel_moments){parts, false, m->memory, m->memory + parts,
                                      m->memory + parts + parts * filters};
    m->s.r.leaves = &m->moments;
    const size_t pixels = tn_pixels(&in);
    for (size_t i = 0; i < pixels * (size_t)in.pitch; i++)
        m->in[i] = (tn_real)(tn_rng_normal(rng) + offset);
    for (int i = 0; i < filters * in.c; i++) m->weights[i] = (tn_real)tn_rng_normal(rng);
}

static tn_moments moments_of(const measured *m, int c) {
    tn_moments all = {0};
    for (int t = 0; t < m->moments.parts; t++) {
        const size_t at = (size_t)t * m->s.r.out.c + c;
        const tn_moments part = {m->moments.count[t], m->moments.mean[at], m->moments.m2[at]};
        all = tn_moments_merged(all, part);
    }
    return all;
}

static void expect_moments(const measured *m) {
    const tn_tensor *out = &m->s.r.out;
    const size_t pixels = tn_pixels(out);
    for (int c = 0; c < out->c; c++) {
        double mean = 0, m2 = 0;
        for (size_t p = 0; p < pixels; p++)
            mean += (double)m->out[p * (size_t)out->pitch + c] / (double)pixels;
        for (size_t p = 0; p < pixels; p++)
            m2 += pow((double)m->out[p * (size_t)out->pitch + c] - mean, 2);
        const tn_moments got = moments_of(m, c);
        const double spread = sqrt(m2 / (double)pixels);
        assert_true(got.count == (double)pixels);
        assert_true(fabs(got.mean - mean) <= 1e-6 * (spread + 1e-3 * fabs(mean)));
        assert_true(fabs(got.m2 - m2) <= 2e-5 * m2 + 1e-9);
    }
}

/* Runs it forward by this very kernel; returns whether moments were left. */
static bool make_measured(measured *m, const tn_kernel *kernel) {
    tn_op_run *r = &m->s.r;
    tn_kernel_run *k = &r->pass[TN_FORWARD];
    k->kernel = kernel;
    const tn_status status = kernel->prepare(r, k);
    assert_int_not_equal(status, TN_FAIL);
    if (status == TN_OK) {
        k->scratch = aligned_alloc(64, (k->scratch_bytes + 63) / 64 * 64);
        assert_true(k->scratch || k->scratch_bytes == 0);
        assert_int_equal(kernel->run(r, k), TN_OK);
    }
    if (m->moments.given) expect_moments(m);
    return m->moments.given;
}

static const tn_kernel *const kernels[] = {&tn_convolution_forward_dense_avx512,
                                           &tn_convolution_forward_dense_avx2};
static const char *const norms[] = {"avx512", "avx2"};

static void moments_are_the_outputs(void **state) {
    measured *m = *state;
    int given[2] = {0};
    for (uint64_t seed = 0; seed < SHAPES; seed++) {
        tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
        const int filters = TN_PICK(&rng, 16, 32, 48, 64, MOST, 24);
        tn_tensor in = {.n = 1 + (int)tn_rng_below(&rng, 5),
                        .h = 1 + (int)tn_rng_below(&rng, 40),
                        .w = 1 + (int)tn_rng_below(&rng, 40),
                        .c = TN_PICK(&rng, 24, 64, 72, 80, MOST)};
        in.pitch = in.c + TN_PICK(&rng, 0, 0, GAP);
        /* Means far from 0 beside the deviation: a plain sum of squares would say nothing. */
        const double offset = TN_PICK(&rng, 0, 0, 1000);
        open_measured(m, &rng, in, filters, offset);
        given[seed % 2] += make_measured(m, kernels[seed % 2]);
        tn_small_close(&m->s);
    }
    assert_true(given[0] > SHAPES / 8 || !__builtin_cpu_supports("avx512dq"));
    assert_true(given[1] > SHAPES / 8 || !__builtin_cpu_supports("avx2") || TN_DNNL);
}

/* Padding is not counted: then nobody measures. */
static void padding_is_not_measured(void **state) {
    measured *m = *state;
    tn_rng rng = tn_rng_stream(1, TN_RNG_SYNTH, 0, 0, 0);
    const tn_tensor in = {.n = 4, .h = 20, .w = 20, .c = 80, .pitch = 80};
    for (int valid = 3; valid <= 4; valid++) {
        open_measured(m, &rng, in, 96, 0);
        m->s.step.n_valid = valid;
        m->moments.given = valid < 4; /* as the step before left it */
        const tn_kernel *kernel = kernels[!__builtin_cpu_supports("avx512dq")];
        const bool given = make_measured(m, kernel);
        assert_true(given == (valid == 4) || !__builtin_cpu_supports("avx2"));
        tn_small_close(&m->s);
    }
}

/* Statistics and output by moments that were left, and by looking. */
static void norm_takes_what_it_finds(void **state) {
    measured *m = *state;
    static const tn_norm_act_attr attr = {.batch_norm = true, .activation = TN_RELU};
    enum { C = 64, COUNT = 4 * 20 * 20 * C };
    static tn_real made[2][COUNT], value[2][4][C];
    tn_rng rng = tn_rng_stream(2, TN_RNG_SYNTH, 0, 0, 0);
    const tn_tensor in = {.n = 4, .h = 20, .w = 20, .c = 80, .pitch = 80};
    open_measured(m, &rng, in, C, 3);
    if (make_measured(m, kernels[!__builtin_cpu_supports("avx512dq")])) {
        for (int k = 0; k < 2; k++) {
            for (int found = 0; found < 2; found++) {
                tn_small_op s;
                tn_small_open(&s, &tn_op_norm_act, &attr, TN_TRAIN, 1, 4);
                for (int i = 0; i < 4; i++) {
                    for (int c = 0; c < C; c++) value[found][i][c] = i % 2;
                    s.param[i].value = value[found][i];
                }
                s.in[0] = m->s.r.out;
                s.r.out = tn_dense(made[found], 4, 20, 20, C);
                s.r.found = found ? &m->moments : NULL;
                assert_int_equal(tn_small_prepare(&s, norms[k]), TN_OK);
                assert_int_equal(tn_op_forward(&s.r), TN_OK);
                tn_small_close(&s);
            }
            for (int i = 0; i < COUNT; i++)
                assert_true(fabs((double)(made[0][i] - made[1][i])) < 1e-5);
            for (int i = 2; i < 4; i++)
                for (int c = 0; c < C; c++)
                    assert_true(fabs((double)(value[0][i][c] / value[1][i][c] - 1)) < 1e-5);
        }
    }
    tn_small_close(&m->s);
}

static int open_state(void **state) {
    *state = calloc(1, sizeof(measured));
    return *state ? 0 : -1;
}

static int close_state(void **state) {
    free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_the_outputs),
        cmocka_unit_test(padding_is_not_measured),
        cmocka_unit_test(norm_takes_what_it_finds),
    };
    return cmocka_run_group_tests(tests, open_state, close_state);
}

/* Optimizers against torch 2 (torch.optim, double precision, printed to nine digits), and the
 * promises that hold for any numbers: frozen is frozen, threads change no bit. */
#include "src/net/optimizer.h"
#include "src/net/update_loops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 5 };

static const double start_w[4] = {0.5, -1.25, 2.0, 0.03}, start_b[2] = {0.1, -0.2};
static const double grad_w[STEPS][4] = {{0.1, -0.2, 0.3, 1e-5},
                                        {0.05, 0.4, -0.3, -2e-5},
                                        {-0.2, 0.1, 0.6, 3e-5},
                                        {1.0, -1.5, 0.0, 0.0},
                                        {0.3, 0.3, -0.1, 1e-6}};
static const double grad_b[STEPS][2] = {
    {0.5, -0.01}, {0.25, 0.02}, {-0.5, 0.03}, {0.0, -0.5}, {0.1, 0.1}};
static const double rate[STEPS] = {0.1, 0.1, 0.05, 0.05, 0.02};

/* Two parameters: weights that decay and a bias that does not. */
typedef struct fixture {
    tn_param_spec spec[2];
    tn_param param[2];
    tn_real w[4], gw[4], b[2], gb[2];
} fixture;

static void fill(fixture *f) {
    *f = (fixture){0};
    f->spec[0] =
        (tn_param_spec){.name = "0.weights", .kind = TN_PARAM_WEIGHTS, .count = 4, .rate = 1};
    f->spec[1] = (tn_param_spec){.name = "0.biases", .kind = TN_PARAM_BIAS, .count = 2, .rate = 1};
    for (int i = 0; i < 4; i++) f->w[i] = (tn_real)start_w[i];
    for (int i = 0; i < 2; i++) f->b[i] = (tn_real)start_b[i];
    f->param[0] = (tn_param){.spec = &f->spec[0], .value = f->w, .grad = f->gw};
    f->param[1] = (tn_param){.spec = &f->spec[1], .value = f->b, .grad = f->gb};
}

static void step(fixture *f, tn_optimizer *o, int i) {
    for (int k = 0; k < 4; k++) f->gw[k] = (tn_real)grad_w[i][k];
    for (int k = 0; k < 2; k++) f->gb[k] = (tn_real)grad_b[i][k];
    tn_optimizer_update(o, f->param, rate[i]);
}

static void check(const fixture *f, const double expected[6]) {
    for (int k = 0; k < 6; k++) {
        double got = k < 4 ? (double)f->w[k] : (double)f->b[k - 4];
        if (fabs(got - expected[k]) > 1e-6)
            fail_msg("value %d: %.9g, expected %.9g", k, got, expected[k]);
    }
}

static void matches_torch(const tn_optimizer_options *options, const double first[6],
                          const double last[6]) {
    fixture f;
    fill(&f);
    tn_optimizer *o;
    assert_int_equal(tn_optimizer_create(options, f.param, 2, &o), TN_OK);
    for (int i = 0; i < STEPS; i++) {
        step(&f, o, i);
        if (i == 0) check(&f, first);
        for (int k = 0; k < 4; k++) assert_true(f.gw[k] == 0);
        for (int k = 0; k < 2; k++) assert_true(f.gb[k] == 0);
    }
    check(&f, last);
    assert_int_equal(o->updates, STEPS);
    assert_int_equal(f.param[0].version, STEPS);
    assert_int_equal(f.param[1].version, STEPS);
    tn_optimizer_free(o);
}

static void sgd_equals_torch(void **state) {
    (void)state;
    static const double first[] = {0.4895, -1.22875, 1.968, 0.029969, 0.05, -0.199};
    static const double last[] = {0.406910549,  -1.18069253, 1.89785806,
                                  0.0297943214, -0.036456,   -0.17253688};
    matches_torch(&(tn_optimizer_options){.kind = TN_SGD, .momentum = 0.9, .decay = 0.01}, first,
                  last);
}

static void adam_equals_torch(void **state) {
    (void)state;
    static const double first[] = {0.40000001,    -1.15,          1.9,
                                   -0.0699967743, 1.99999997e-09, -0.1000001};
    static const double last[] = {0.276714454,  -1.17268235,  1.84330611,
                                  0.0233855117, -0.106258993, -0.137001763};
    matches_torch(
        &(tn_optimizer_options){TN_ADAM, .decay = 0.01, .b1 = .9, .b2 = .999, .eps = 1e-8}, first,
        last);
}

static void adamw_equals_torch(void **state) {
    (void)state;
    static const double first[] = {0.397501,      -1.1437505,   1.89000033,
                                   -0.0610590909, 1.999996e-07, -0.100009999};
    static const double last[] = {0.27387999,    -1.16255703,   1.82894019,
                                  -0.0581386635, -0.0951560724, -0.141047324};
    matches_torch(
        &(tn_optimizer_options){TN_ADAMW, .decay = 0.05, .b1 = .8, .b2 = .99, .eps = 1e-6}, first,
        last);
}

static void frozen_parameters_and_statistics_stay(void **state) {
    (void)state;
    fixture f;
    fill(&f);
    f.spec[0].frozen = true;
    f.spec[1].kind = TN_PARAM_MEAN;
    f.param[1].grad = NULL;
    fixture before = f;
    tn_optimizer *o;
    tn_optimizer_options options = {TN_ADAM, .decay = 0.1, .b1 = .9, .b2 = .999, .eps = 1e-8};
    assert_int_equal(tn_optimizer_create(&options, f.param, 2, &o), TN_OK);
    for (int i = 0; i < STEPS; i++) step(&f, o, i);
    assert_memory_equal(f.w, before.w, sizeof f.w);
    assert_memory_equal(f.b, before.b, sizeof f.b);
    assert_int_equal(f.param[0].version, 0);
    assert_int_equal(f.param[1].version, 0);
    for (int k = 0; k < 4; k++) assert_true(f.gw[k] == 0);
    tn_optimizer_free(o);
}

static void own_rate_multiplies(void **state) {
    (void)state;
    fixture f, g;
    fill(&f);
    fill(&g);
    f.spec[0].rate = 0.5;
    tn_optimizer *o, *p;
    tn_optimizer_options options = {TN_SGD, .momentum = 0.9};
    assert_int_equal(tn_optimizer_create(&options, f.param, 2, &o), TN_OK);
    assert_int_equal(tn_optimizer_create(&options, g.param, 2, &p), TN_OK);
    step(&f, o, 0);
    step(&g, p, 0);
    for (int k = 0; k < 4; k++)
        assert_true(fabs((f.w[k] - start_w[k]) - 0.5 * (g.w[k] - start_w[k])) < 1e-6);
    assert_memory_equal(f.b, g.b, sizeof f.b);
    tn_optimizer_free(o);
    tn_optimizer_free(p);
}

/* A parameter large and odd enough that slices end inside vectors. */
static void run_threads(int threads, tn_real *value, size_t count) {
    tn_param_spec spec = {.name = "w", .kind = TN_PARAM_WEIGHTS, .count = count, .rate = 1};
    tn_real *grad = malloc(count * sizeof *grad);
    assert_non_null(grad);
    tn_param param = {.spec = &spec, .value = value, .grad = grad};
    tn_optimizer_options options = {TN_ADAM,    .decay = .01, .b1 = .9,
                                    .b2 = .999, .eps = 1e-8,  .threads = threads};
    tn_optimizer *o;
    assert_int_equal(tn_optimizer_create(&options, &param, 1, &o), TN_OK);
    for (size_t i = 0; i < count; i++) value[i] = (tn_real)((double)(i % 101) / 50 - 1);
    for (int t = 0; t < 3; t++) {
        for (size_t i = 0; i < count; i++) grad[i] = (tn_real)((double)(i * 7 % 103) / 60 - 1);
        tn_optimizer_update(o, &param, 0.01);
    }
    tn_optimizer_free(o);
    free(grad);
}

static void threads_change_no_bit(void **state) {
    (void)state;
    enum { COUNT = 10007 };
    static tn_real one[COUNT], other[COUNT];
    run_threads(1, one, COUNT);
    for (int threads = 2; threads <= 5; threads++) {
        run_threads(threads, other, COUNT);
        assert_memory_equal(one, other, sizeof one);
    }
}

static void non_finite_is_found(void **state) {
    (void)state;
    fixture f;
    fill(&f);
    assert_int_equal(tn_params_non_finite_grad(f.param, 2, 1), -1);
    f.gb[1] = NAN;
    assert_int_equal(tn_params_non_finite_grad(f.param, 2, 2), 1);
    f.gw[3] = -INFINITY;
    assert_int_equal(tn_params_non_finite_grad(f.param, 2, 2), 0);
    assert_int_equal(tn_params_non_finite_value(f.param, 2, 2), -1);
    f.w[0] = INFINITY;
    assert_int_equal(tn_params_non_finite_value(f.param, 2, 1), 0);
}

#if TN_UPDATE_AVX
enum { LOOP = 131 };

typedef struct looped {
    tn_real w[LOOP], g[LOOP], first[LOOP], second[LOOP];
} looped;

static void fill_looped(looped *l) {
    tn_real *const part[] = {l->w, l->g, l->first, l->second};
    unsigned random = 1;
    for (int i = 0; i < 4 * LOOP; i++) {
        random = random * 1664525u + 1013904223u;
        const tn_real value = (tn_real)(random >> 8) * (tn_real)0x1p-24;
        part[i / LOOP][i % LOOP] = i < 2 * LOOP ? value - (tn_real).5 : value;
    }
}

static void expect_equal_bits(const tn_update_loops *loops, bool runs) {
    const tn_update_constants k = {(tn_real).01,  (tn_real).9,  (tn_real)1e-4, (tn_real)1e-5,
                                   (tn_real).9,   (tn_real).99, (tn_real).1,   (tn_real).01,
                                   (tn_real)1e-8, (tn_real)1.1};
    static looped want, got;
    for (size_t count = 0; count <= LOOP && runs; count++) {
        fill_looped(&want);
        fill_looped(&got);
        tn_update_sgd(count, &k, want.w, want.g, want.first);
        loops->sgd(count, &k, got.w, got.g, got.first);
        assert_memory_equal(&got, &want, sizeof got);
        fill_looped(&want);
        fill_looped(&got);
        tn_update_adam(count, &k, want.w, want.g, want.first, want.second);
        loops->adam(count, &k, got.w, got.g, got.first, got.second);
        assert_memory_equal(&got, &want, sizeof got);
    }
}
#endif

static void instruction_sets_change_no_bit(void **state) {
    (void)state;
#if TN_UPDATE_AVX
    expect_equal_bits(&tn_update_loops_avx2,
                      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
    expect_equal_bits(&tn_update_loops_avx512,
                      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"));
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_equals_torch),
        cmocka_unit_test(adam_equals_torch),
        cmocka_unit_test(adamw_equals_torch),
        cmocka_unit_test(frozen_parameters_and_statistics_stay),
        cmocka_unit_test(own_rate_multiplies),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(instruction_sets_change_no_bit),
        cmocka_unit_test(non_finite_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

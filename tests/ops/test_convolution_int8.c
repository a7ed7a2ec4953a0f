/* Convolution in 8 bits against the plain C reference on fp32: within what quantisation may cost,
 * exactly where it costs nothing; gaps, guards and scratch as in the harness;
 * with values that are not finite. */
#include "layers/ops/convolution.h"
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/int8.h"
#include "tests/support/op_cases.h"
#include "tests/support/op_pass.h"

#include <math.h>
#include <string.h>

#if TN_DNNL

enum { SHAPES = 500 };

typedef struct int8_case {
    tn_harness_case c;
    tn_convolution_attr a;
    char text[160];
    tn_quantisation q;
} int8_case;

static const tn_there_way here = {TN_PRECISION_FP32, false};

static int8_case draw_case(uint64_t seed) {
    tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, 0, 0, 0);
    int8_case z = {.a = {.dilation = TN_PICK(&rng, 1, 1, 1, 1, 2, 3)}};
    tn_convolution_attr *a = &z.a;
    a->kh = TN_PICK(&rng, 1, 1, 3, 3, 5, 5, 7, 2);
    a->kw = TN_PICK(&rng, a->kh, a->kh, a->kh, 1, 3);
    a->stride_y = TN_PICK(&rng, 1, 1, 1, 2, 2, 3);
    a->stride_x = TN_PICK(&rng, a->stride_y, a->stride_y, a->stride_y, 1, 2);
    a->pad_y = TN_PICK(&rng, a->kh / 2, a->kh / 2, 0, 1, a->kh);
    a->pad_x = TN_PICK(&rng, a->pad_y, a->pad_y, 0, 2);
    a->groups = TN_PICK(&rng, 1, 1, 1, 2, 3, 4, 8, 16);
    const int channels = TN_PICK(&rng, 1, 2, 3, 4, 4, 8, 8, 16, 5, 17, 32);
    const int filters = TN_PICK(&rng, channels, channels, channels, 1, 2, 4, 8, 9, 33);
    const int h = 1 + (int)tn_rng_below(&rng, 13), w = 1 + (int)tn_rng_below(&rng, 13);
    tn_tensor in = {.n = TN_PICK(&rng, 1, 1, 2, 3), .h = h, .w = w, .c = channels * a->groups};
    if (TN_PICK(&rng, 0, 0, 0, 1)) in.pitch = in.c + TN_PICK(&rng, 1, 4, 8, 16);
    snprintf(z.text, sizeof z.text,
             "kernel=%dx%d stride=%dx%d pad=%dx%d dilation=%d groups=%d in 8 bits", a->kh, a->kw,
             a->stride_y, a->stride_x, a->pad_y, a->pad_x, a->dilation, a->groups);
    z.c = (tn_harness_case){
        .kind = &tn_op_convolution, .mode = TN_INFER, .n_in = 1, .n_param = 1, .in = {in}};
    z.c.out = (tn_tensor){
        .n = in.n,
        .h = tn_convolution_extent(in.h, a->kh, a->stride_y, a->pad_y, a->dilation),
        .w = tn_convolution_extent(in.w, a->kw, a->stride_x, a->pad_x, a->dilation),
        .c = filters * a->groups,
    };
    z.c.param[0] = (tn_param_spec){
        .kind = TN_PARAM_WEIGHTS, .dim = {z.c.out.c, channels, a->kh, a->kw}, .n_dim = 4};
    z.q = (tn_quantisation){1.0F / (seed % 2 ? 127 : 255), seed % 2};
    return z;
}

/* A world of the case: input -1..1, or 0..1 without a sign; `exact`: whole numbers of steps. */
static void open_world(tn_world *w, int8_case *z, uint64_t seed, int threads, bool exact) {
    z->c.attr = &z->a;
    z->c.text = z->text;
    z->c.threads = threads;
    tn_world_open(w, &z->c, seed, false, false);
    const tn_tensor *in = &w->in[0];
    for (size_t p = 0; p < tn_pixels(in); p++)
        for (int c = 0; c < in->c; c++) {
            tn_real *x = &tn_data(in)[p * (size_t)in->pitch + c];
            if (!z->q.is_signed) *x = fabsf(*x);
            if (exact) *x = rintf(*x / z->q.step) * z->q.step;
        }
    w->run.quantisation = &z->q;
}

/* Weights that are whole numbers of their filter's step. */
static void make_weights_exact(tn_world *w) {
    const size_t filters = (size_t)w->run.out.c, each = w->spec[0].count / filters;
    for (size_t f = 0; f < filters; f++) {
        float *v = w->param[0].value + f * each;
        for (size_t i = 0; i < each; i++) v[i] = rintf(v[i] * 100);
        v[f % each] = 127;
    }
}

static const char *run_kernel(tn_world *w, const tn_kernel *kernel, tn_status *status) {
    *status = tn_pass_prepare(w, here, TN_FORWARD, kernel);
    if (*status == TN_REFUSED) return NULL;
    if (*status != TN_OK) return tn_error();
    return tn_pass_run(w, here, TN_FORWARD);
}

static const char *run_reference(tn_world *w) {
    tn_status status;
    const char *wrong = run_kernel(w, &tn_convolution_forward_ref, &status);
    tn_pass_release(w, here, TN_FORWARD);
    return wrong;
}

/* What quantisation may change: with x = X + dx, w = W + dw, |dx| <= step/2 and |dw| <= a filter's
 * step (some are rounded the other way), a sum is off by sum |w| |dx| + sum |x| |dw| + sum |dx|
 * |dw|, in which only taps inside the image count. The reference gives both sums: of |x| and of
 * ones. */
static void bounds(int8_case *z, uint64_t seed, float *bound) {
    tn_world w;
    const size_t n = tn_elements(&z->c.out), filters = (size_t)z->c.out.c;
    for (int part = 0; part < 2; part++) {
        open_world(&w, z, seed, 1, false);
        const tn_tensor *in = &w.in[0];
        const size_t each = w.spec[0].count / filters;
        for (size_t f = 0; f < filters; f++) {
            float *v = w.param[0].value + f * each, most = 0;
            for (size_t i = 0; i < each; i++) most = fmaxf(most, fabsf(v[i]));
            const float dw = most / 127;
            for (size_t i = 0; i < each; i++)
                v[i] = part == 0 ? dw : (fabsf(v[i]) + dw) * z->q.step * 0.5F;
        }
        for (size_t p = 0; p < tn_pixels(in); p++)
            for (int c = 0; c < in->c; c++) {
                tn_real *x = &tn_data(in)[p * (size_t)in->pitch + c];
                *x = part == 0 ? fabsf(*x) : 1;
            }
        assert_null(run_reference(&w));
        for (size_t i = 0; i < n; i++)
            bound[i] = (part ? bound[i] : 0) + tn_data(&w.run.out)[i] * 1.0001F + 1e-6F;
        tn_world_close(&w);
    }
}

static void compare(int8_case *z, uint64_t seed, const tn_world *got, bool exact) {
    const size_t n = tn_elements(&z->c.out);
    float *bound = calloc(n, sizeof *bound);
    assert_non_null(bound);
    tn_world want;
    open_world(&want, z, seed, 1, exact);
    memcpy(want.param[0].value, got->param[0].value, want.spec[0].count * sizeof(float));
    assert_null(run_reference(&want));
    const float *a = tn_data(&got->run.out), *b = tn_data(&want.run.out);
    float largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(b[i]));
    if (exact)
        for (size_t i = 0; i < n; i++) bound[i] = largest * 1e-6F; /* two roundings of fp32 */
    else
        bounds(z, seed, bound);
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= bound[i]))
            fail_msg("seed %lu, %s: element %zu is %g, the reference's %g (allowed %g)",
                     (unsigned long)seed, z->text, i, (double)a[i], (double)b[i], (double)bound[i]);
    tn_world_close(&want);
    free(bound);
}

/* Whether the kernel serves the case; fails where it does so wrongly. */
static bool try_case(int8_case *z, uint64_t seed, bool exact) {
    tn_world w[2];
    bool served = false;
    for (int i = 0; i < 2; i++) {
        open_world(&w[i], z, seed, i + 1, exact);
        tn_status status = TN_REFUSED;
        const char *wrong = NULL;
        if (z->c.out.h && z->c.out.w)
            status = tn_pass_prepare(&w[i], here, TN_FORWARD, &tn_convolution_forward_int8);
        served = status == TN_OK;
        if (status == TN_FAIL) wrong = tn_error();
        for (int again = 0; served && !wrong && again < 2; again++) {
            tn_world_fill_params(&w[i], again ? 1 : -1); /* packed weights must follow */
            if (exact) make_weights_exact(&w[i]);
            w[i].param[0].version++;
            tn_world_reset_targets(&w[i]);
            wrong = tn_pass_run(&w[i], here, TN_FORWARD);
        }
        if (wrong) fail_msg("%s", tn_world_describe(&w[i], wrong));
    }
    if (served) compare(z, seed, &w[0], exact);
    if (served &&
        memcmp(w[0].run.out.data, w[1].run.out.data, tn_elements(&z->c.out) * sizeof(float)) != 0)
        fail_msg("seed %lu, %s: 1 and 2 threads give different bits", (unsigned long)seed, z->text);
    for (int i = 0; i < 2; i++) {
        tn_pass_release(&w[i], here, TN_FORWARD);
        tn_world_close(&w[i]);
    }
    return served;
}

static void random_shapes_agree(void **state) {
    (void)state;
    if (!tn_int8_runs_here()) skip();
    const tn_shapes shapes = tn_shapes_of(SHAPES);
    int served = 0, tried = 0;
    for (uint64_t seed = shapes.first; tried < shapes.count; seed++) {
        int8_case z = draw_case(seed);
        if (z.c.out.h == 0 || z.c.out.w == 0) continue;
        tried++;
        served += try_case(&z, seed, false);
        try_case(&z, seed, true);
    }
    if (served < shapes.count / 4) fail_msg("%d of %d shapes served", served, shapes.count);
}

/* Nothing but inference that asks for it. */
static void refuses_what_did_not_ask(void **state) {
    (void)state;
    int8_case z = draw_case(1);
    tn_world w;
    open_world(&w, &z, 1, 1, false);
    w.run.quantisation = NULL;
    assert_int_equal(tn_pass_prepare(&w, here, TN_FORWARD, &tn_convolution_forward_int8),
                     TN_REFUSED);
    w.run.quantisation = &(tn_quantisation){0};
    assert_int_equal(tn_pass_prepare(&w, here, TN_FORWARD, &tn_convolution_forward_int8),
                     TN_REFUSED);
    w.run.quantisation = &z.q;
    w.run.mode = TN_TRAIN;
    assert_int_equal(tn_pass_prepare(&w, here, TN_FORWARD, &tn_convolution_forward_int8),
                     TN_REFUSED);
    tn_world_close(&w);
}

static int8_case usual_case(int n) {
    int8_case z = {.a = {3, 3, 1, 1, 1, 1, 1, 1}, .q = {1.0F / 127, true}, .text = "3x3"};
    z.c = (tn_harness_case){.kind = &tn_op_convolution,
                            .mode = TN_INFER,
                            .n_in = 1,
                            .n_param = 1,
                            .in = {{.n = n, .h = 6, .w = 5, .c = 32}},
                            .out = {.n = n, .h = 6, .w = 5, .c = 16}};
    z.c.param[0] = (tn_param_spec){.kind = TN_PARAM_WEIGHTS, .dim = {16, 32, 3, 3}, .n_dim = 4};
    return z;
}

/* 8 bits cannot say NaN: the image that it is in becomes NaN, its neighbours stay. */
static void what_is_not_finite_shows(void **state) {
    (void)state;
    if (!tn_int8_runs_here()) skip();
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        int8_case z = usual_case(3);
        const size_t image = tn_elements(&z.c.out) / 3;
        tn_status status;
        tn_world w;
        open_world(&w, &z, 5, 2, false);
        if (i < 3)
            tn_data(&w.in[0])[tn_elements(&w.in[0]) / 3 + 77] = bad[i];
        else
            w.param[0].value[0] = NAN; /* of filter 0 */
        assert_null(run_kernel(&w, &tn_convolution_forward_int8, &status));
        assert_int_equal(status, TN_OK);
        for (size_t e = 0; e < 3 * image; e++)
            assert_int_equal(isnan(tn_data(&w.run.out)[e]) != 0,
                             i < 3 ? e / image == 1 : e % 16 == 0);
        tn_pass_release(&w, here, TN_FORWARD);
        tn_world_close(&w);
    }
}

/* What is beyond the scale's end becomes its end. */
static void large_values_are_cut(void **state) {
    (void)state;
    if (!tn_int8_runs_here()) skip();
    tn_world w[2];
    int8_case z = usual_case(1);
    z.q.step = 0.5F / 127;
    for (int i = 0; i < 2; i++) {
        tn_status status;
        open_world(&w[i], &z, 6, 1, false);
        for (size_t e = 0; i && e < tn_elements(&w[i].in[0]); e++)
            tn_data(&w[i].in[0])[e] = fminf(0.5F, fmaxf(-0.5F, tn_data(&w[i].in[0])[e]));
        assert_null(run_kernel(&w[i], &tn_convolution_forward_int8, &status));
        assert_int_equal(status, TN_OK);
    }
    assert_memory_equal(w[0].run.out.data, w[1].run.out.data,
                        tn_elements(&w[0].run.out) * sizeof(float));
    for (int i = 0; i < 2; i++) {
        tn_pass_release(&w[i], here, TN_FORWARD);
        tn_world_close(&w[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_agree),
        cmocka_unit_test(refuses_what_did_not_ask),
        cmocka_unit_test(what_is_not_finite_shows),
        cmocka_unit_test(large_values_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    return 0; /* the kernel is oneDNN's */
}

#endif

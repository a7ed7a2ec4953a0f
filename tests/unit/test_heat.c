/* Heat maps: the arithmetic by hand, whole nets against torch, and what must change or must not. */
#include "layers/device/rng.h"
#include "src/eval/heat_net.h"
#include "src/eval/pointing.h"
#include "src/net/net.h"
#include "src/net/run.h"
#include "tests/support/torch_parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void works(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

/* ---- arithmetic ---- */

/* Two pixels of two channels in a buffer with a gap, worked out by hand. */
static float activations[] = {1, 2, 99, 3, 4, 99}, gradients[] = {0.5f, -1, 99, 0.25f, 0.5f, 99};

static void check_map(tn_heat_method method, double first, double second) {
    const tn_tensor a = {.data = activations, .n = 1, .h = 1, .w = 2, .c = 2, .pitch = 3};
    const tn_tensor g = {.data = gradients, .n = 1, .h = 1, .w = 2, .c = 2, .pitch = 3};
    tn_heat heat;
    works(tn_heat_from_gradient(method, &a, &g, 0, &heat));
    assert_int_equal(heat.w, 2);
    assert_float_equal(heat.value[0], first, 1e-6);
    assert_float_equal(heat.value[1], second, 1e-6);
    tn_heat_free(&heat);
}

static void test_maps_by_hand(void **state) {
    (void)state;
    /* weights 0.375 and -0.25 */
    check_map(TN_HEAT_GRADCAM, 0, 0.375 * 3 - 0.25 * 4);
    check_map(TN_HEAT_LAYERCAM, 0.5 * 1, 0.25 * 3 + 0.5 * 4);
    /* sums of activations 4 and 6: weights 0.5/(2+2) + 0.25/(2+1) and 0.5/(2+3) */
    const double w0 = 0.5 / 4 + 0.25 / 3, w1 = 0.1;
    check_map(TN_HEAT_GRADCAMPP, w0 * 1 + w1 * 2, w0 * 3 + w1 * 4);
}

static void test_what_is_not_finite_is_refused(void **state) {
    (void)state;
    float a[] = {1, INFINITY}, g[] = {1, 1};
    const tn_tensor at = {.data = a, .n = 1, .h = 1, .w = 2, .c = 1, .pitch = 1};
    const tn_tensor gt = {.data = g, .n = 1, .h = 1, .w = 2, .c = 1, .pitch = 1};
    tn_heat heat;
    assert_int_equal(tn_heat_from_gradient(TN_HEAT_GRADCAM, &at, &gt, 0, &heat), TN_FAIL);
    assert_null(heat.value);
}

static void test_resizing_and_correlation(void **state) {
    (void)state;
    float up[] = {0, 1, 2, 3}, down[] = {3, 2, 1, 0}, ties[] = {0, 0, 5, 5}, flat[] = {1, 1, 1, 1};
    const tn_heat a = {2, 2, up}, b = {2, 2, down}, t = {2, 2, ties}, f = {2, 2, flat};
    double r;
    works(tn_heat_correlation(&a, &a, &r));
    assert_float_equal(r, 1, 1e-12);
    works(tn_heat_correlation(&a, &b, &r));
    assert_float_equal(r, -1, 1e-12);
    works(tn_heat_correlation(&a, &t, &r)); /* ranks 0 1 2 3 and .5 .5 2.5 2.5 */
    assert_float_equal(r, 2 / sqrt(5), 1e-12);
    works(tn_heat_correlation(&a, &f, &r));
    assert_float_equal(r, 0, 1e-12);
    tn_heat large;
    works(tn_heat_resize(&a, 4, 4, &large));
    assert_float_equal(large.value[0], 0, 1e-6);
    assert_float_equal(large.value[1], 0.25, 1e-6);
    assert_float_equal(large.value[5], 0.75, 1e-6);
    assert_float_equal(large.value[15], 3, 1e-6);
    tn_heat_free(&large);
}

static void test_pointing(void **state) {
    (void)state;
    float value[] = {1, 3, 0, 4};
    uint8_t regions[] = {255, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 0};
    const tn_heat heat = {2, 2, value};
    const tn_image image = {2, 2, 3, regions};
    tn_pointing p;
    works(tn_pointing_measure(&heat, &image, &p));
    assert_true(p.has_heat);
    assert_float_equal(p.nodule, 1.0 / 8, 1e-9);
    assert_float_equal(p.outside, 4.0 / 8, 1e-9);
    assert_float_equal(p.area, 0.25, 1e-9);
    assert_false(p.hit);
    memset(value, 0, sizeof value);
    works(tn_pointing_measure(&heat, &image, &p));
    assert_false(p.has_heat);
}

/* ---- nets ---- */

static void quiet(void *user, const char *text) {
    (void)user;
    (void)text;
}

static tn_net *load(const char *cfg, int size) {
    static const tn_warner warner = {quiet, NULL};
    char path[128], width[32], height[32], min_crop[32], max_crop[32];
    const char *overrides[] = {width, height, min_crop, max_crop};
    snprintf(path, sizeof path, "cfg/%s.cfg", cfg);
    snprintf(width, sizeof width, "width=%d", size);
    snprintf(height, sizeof height, "height=%d", size);
    snprintf(min_crop, sizeof min_crop, "min_crop=%d", size);
    snprintf(max_crop, sizeof max_crop, "max_crop=%d", 2 * size);
    tn_net *net;
    works(tn_net_load(path, overrides, 4, &warner, &net));
    return net;
}

static float *image_of(int size) {
    const size_t n = (size_t)size * (size_t)size * 3;
    float *x = calloc(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)tn_parity_pixel(i);
    return x;
}

static tn_heat map_of(const tn_net *net, tn_heat_method method, const char *layer, const float *x,
                      int class_index) {
    const tn_heat_options options = {.method = method, .layer = layer, .window = 32, .threads = 2};
    tn_heat_net *h;
    tn_heat heat;
    works(tn_heat_net_open(net, &options, &h));
    works(tn_heat_net_map(h, x, class_index, &heat));
    tn_heat_net_close(h);
    return heat;
}

static tn_heat_method method_named(const char *name) {
    int m = 0;
    while (m < TN_HEAT_METHODS && strcmp(tn_heat_method_name((tn_heat_method)m), name) != 0) m++;
    assert_true(m < TN_HEAT_METHODS);
    return (tn_heat_method)m;
}

typedef struct expected {
    char cfg[64], layer[32], method[32];
    int size, target, h, w;
    double gain, value[64];
} expected;

static int read_row(FILE *file, expected *e) {
    if (fscanf(file, "%63s %d %lf %31s %d %31s %d %d", e->cfg, &e->size, &e->gain, e->layer,
               &e->target, e->method, &e->h, &e->w) != 8)
        return 0;
    assert_true(e->h * e->w <= 64);
    for (int i = 0; i < e->h * e->w; i++) assert_int_equal(fscanf(file, "%lf", &e->value[i]), 1);
    return 1;
}

static void compare(const tn_net *net, const expected *e, const float *x) {
    const char *layer = strcmp(e->layer, "-") ? e->layer : NULL;
    const tn_heat_method method = method_named(e->method);
    tn_heat heat = map_of(net, method, layer, x, e->target);
    assert_int_equal(heat.h, e->h);
    assert_int_equal(heat.w, e->w);
    double peak = 0, worst = 0;
    for (int i = 0; i < e->h * e->w; i++) {
        peak = fmax(peak, e->value[i]);
        worst = fmax(worst, fabs((double)heat.value[i] - e->value[i]));
    }
    tn_heat_free(&heat);
    printf("  %s %s %s: peak %.3g, largest difference %.2g\n", e->cfg, e->layer, e->method, peak,
           worst);
    /* Single precision against double; a difference of two large scores rounds most. */
    assert_true(worst <= 2e-4 * peak); /* a map may be zero everywhere: then ours must be */
}

static void test_equal_to_torch(void **state) {
    (void)state;
    FILE *file = fopen("tests/fixtures/torch/heat.txt", "re");
    assert_non_null(file);
    expected e;
    tn_net *net = NULL;
    float *x = NULL;
    char loaded[64] = "";
    int rows = 0;
    for (; read_row(file, &e); rows++) {
        if (strcmp(loaded, e.cfg) != 0) {
            tn_net_free(net);
            free(x);
            net = load(e.cfg, e.size);
            tn_parity_fill(net, e.gain);
            x = image_of(e.size);
            snprintf(loaded, sizeof loaded, "%s", e.cfg);
        }
        compare(net, &e, x);
    }
    tn_net_free(net);
    free(x);
    fclose(file);
    assert_int_equal(rows, 29);
}

/* The kept tensor survives the layout: the same map whatever else shares memory. */
static void test_a_kept_layer_is_not_overwritten(void **state) {
    (void)state;
    static const char *const layers[] = {"0", "1", "2", "2.conv1", "2.projection", "3"};
    tn_net *net = load("demo", 64);
    tn_net_init(net, 3);
    float *x = image_of(64);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        int tensor, all[512];
        works(tn_heat_find_layer(net, layers[i], &tensor));
        assert_true(net->plan.n_tensors < 512);
        for (int t = 0; t < net->plan.n_tensors; t++) all[t] = t;
        /* with everything kept nothing can be overlaid */
        const tn_run_options options = {.mode = TN_GRAD_FIXED_STATS,
                                        .batch = 1,
                                        .threads = 2,
                                        .keep = all,
                                        .n_keep = net->plan.n_tensors,
                                        .output = net->plan.op[net->plan.n_ops - 1].in[0]};
        const tn_step step = {.n_valid = 1, .grad_scale = 1};
        tn_run *run;
        works(tn_run_create(&net->plan, net->param, &options, &run));
        tn_tensor in = tn_run_input(run), seed = tn_run_gradient(run, options.output);
        memcpy(in.data, x, tn_elements(&in) * sizeof(float));
        works(tn_run_forward(run, &step));
        tn_data(&seed)[0] = 0;
        tn_data(&seed)[1] = 1;
        works(tn_run_backward(run));
        const tn_tensor a = tn_run_value(run, tensor), g = tn_run_gradient(run, tensor);
        tn_heat whole, alone = map_of(net, TN_HEAT_LAYERCAM, layers[i], x, 1);
        works(tn_heat_from_gradient(TN_HEAT_LAYERCAM, &a, &g, 0, &whole));
        assert_true(tn_heat_peak(&whole) > 0);
        assert_memory_equal(whole.value, alone.value,
                            (size_t)whole.h * (size_t)whole.w * sizeof(float));
        tn_heat_free(&whole);
        tn_heat_free(&alone);
        tn_run_free(run);
    }
    free(x);
    tn_net_free(net);
}

/* Adebayo et al. 2018: a map that stays when the weights go shows the image, not the net. */
static void test_other_weights_other_map(void **state) {
    (void)state;
    tn_net *net = load("demo", 64);
    float *x = image_of(64);
    for (int m = 0; m < TN_HEAT_METHODS; m++) {
        double r, other_class;
        tn_net_init(net, 1);
        tn_heat one = map_of(net, (tn_heat_method)m, NULL, x, 0);
        tn_heat again = map_of(net, (tn_heat_method)m, NULL, x, 0);
        tn_heat rival = map_of(net, (tn_heat_method)m, NULL, x, 1);
        tn_net_init(net, 2);
        tn_heat other = map_of(net, (tn_heat_method)m, NULL, x, 0);
        assert_memory_equal(one.value, again.value, (size_t)one.h * (size_t)one.w * sizeof(float));
        works(tn_heat_correlation(&one, &other, &r));
        works(tn_heat_correlation(&one, &rival, &other_class));
        printf("  %s: correlation %.2f after new weights, %.2f for the other class\n",
               tn_heat_method_name((tn_heat_method)m), r, other_class);
        assert_true(fabs(r) < 0.8);
        assert_true(other_class < 0.95);
        tn_heat_free(&one);
        tn_heat_free(&again);
        tn_heat_free(&rival);
        tn_heat_free(&other);
    }
    free(x);
    tn_net_free(net);
}

static void refuses(const char *cfg, const char *layer, const char *why) {
    tn_net *net = load(cfg, 64);
    int tensor;
    assert_int_equal(tn_heat_find_layer(net, layer, &tensor), TN_FAIL);
    if (!strstr(tn_error(), why)) fail_msg("expected \"%s\" in: %s", why, tn_error());
    tn_net_free(net);
}

static void test_layers_that_cannot_serve(void **state) {
    (void)state;
    refuses("demo", "99", "from 0 to");
    refuses("demo", "x", "from 0 to");
    refuses("demo", "-1", "from 0 to");
    refuses("demo", "2.conv9", "2.conv1");
    refuses("thyronet", "18", "one pixel");        /* [avgpool] */
    refuses("googlenet", "40", "does not depend"); /* inside a head that only trains */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps_by_hand),
        cmocka_unit_test(test_what_is_not_finite_is_refused),
        cmocka_unit_test(test_resizing_and_correlation),
        cmocka_unit_test(test_pointing),
        cmocka_unit_test(test_equal_to_torch),
        cmocka_unit_test(test_a_kept_layer_is_not_overwritten),
        cmocka_unit_test(test_other_weights_other_map),
        cmocka_unit_test(test_layers_that_cannot_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "src/data/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static tn_image picture(int h, int w, int c) {
    tn_image image;
    assert_int_equal(tn_image_create(h, w, c, &image), TN_OK);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int ch = 0; ch < c; ch++)
                image.data[((size_t)y * w + x) * c + ch] =
                    (uint8_t)(128 + 60 * sin(0.21 * x + ch) + 50 * cos(0.17 * y - 0.5 * ch));
    return image;
}

static tn_input_format format_of(int h, int w, int c) {
    tn_input_format f;
    assert_int_equal(tn_input_format_create(NULL, h, w, c, &f), TN_OK);
    return f;
}

static const tn_augment_draw still = {.scale = 1, .aspect = 1, .saturation = 1, .exposure = 1};

/* --- preprocessing -----------------------------------------------------------------------------
 */

static void numbers_are_normalised(void **state) {
    (void)state;
    tn_preprocess p = tn_preprocess_default();
    for (int i = 0; i < 3; i++) p.input_mean[i] = 0.4f + 0.1f * i, p.input_std[i] = 0.2f + 0.1f * i;
    tn_input_format f;
    assert_int_equal(tn_input_format_create(&p, 5, 7, 3, &f), TN_OK);
    tn_image image = picture(5, 7, 3);
    float x[5 * 7 * 3], y[5 * 7 * 3];
    assert_int_equal(tn_image_fit_to_input(&image, TN_FIT_CENTRE, &f, x), TN_OK);
    assert_int_equal(tn_augment_apply(&image, &still, TN_BORDER_BLACK, &f, y), TN_OK);
    for (int i = 0; i < 5 * 7 * 3; i++) {
        double expected = (image.data[i] / 255.0 - p.input_mean[i % 3]) / p.input_std[i % 3];
        assert_true(fabs(x[i] - expected) < 1e-6);
        assert_true(fabs(y[i] - expected) < 2e-6);
    }
    tn_image_free(&image);
    p.channels = 1;
    assert_int_equal(tn_input_format_create(&p, 5, 7, 3, &f), TN_FAIL);
    assert_non_null(strstr(tn_error(), "channels=1"));
    assert_int_equal(tn_input_format_create(NULL, 0, 7, 3, &f), TN_FAIL);
    assert_int_equal(tn_input_format_create(NULL, 5, 7, 2, &f), TN_FAIL);
}

static void fits_have_their_geometry(void **state) {
    (void)state;
    tn_image image = picture(60, 100, 3), out;
    assert_int_equal(tn_image_fit(&image, TN_FIT_CENTRE, 30, 30, &out), TN_OK);
    tn_image half, middle;
    assert_int_equal(tn_image_resize(&image, 30, 50, &half), TN_OK);
    assert_int_equal(tn_image_crop(&half, 10, 0, 30, 30, &middle), TN_OK);
    assert_memory_equal(out.data, middle.data, 30 * 30 * 3);
    tn_image_free(&out);
    tn_image_free(&half);
    tn_image_free(&middle);
    assert_int_equal(tn_image_fit(&image, TN_FIT_LETTERBOX, 50, 50, &out), TN_OK);
    assert_int_equal(out.h, 30);
    assert_int_equal(out.w, 50);
    tn_input_format f = format_of(50, 50, 3);
    float *x = malloc(sizeof *x * 50 * 50 * 3);
    assert_int_equal(tn_image_to_input(&out, &f, x), TN_OK);
    assert_true(x[9 * 150] == 0.5f && x[40 * 150 + 149] == 0.5f);
    assert_true(fabsf(x[10 * 150] - out.data[0] / 255.0f) < 1e-6f);
    free(x);
    tn_image_free(&out);
    assert_int_equal(tn_image_fit(&image, TN_FIT_SQUASH, 40, 20, &out), TN_OK);
    assert_int_equal(out.h, 40);
    assert_int_equal(out.w, 20);
    tn_image_free(&out);
    tn_image_free(&image);
}

static void ten_views(void **state) {
    (void)state;
    tn_image image = picture(64 + 32, 64 + 32, 1);
    tn_input_format f = format_of(64, 64, 1);
    static const int at[][2] = {{0, 0}, {32, 0}, {0, 32}, {32, 32}, {16, 16}};
    static float x[64 * 64];
    for (int v = 0; v < TN_VIEWS; v++) {
        assert_int_equal(tn_image_view_to_input(&image, v, &f, x), TN_OK);
        for (int i = 0; i < 64 * 64; i++) {
            int col = v < 5 ? i % 64 : 63 - i % 64;
            uint8_t expected = image.data[(at[v % 5][1] + i / 64) * 96 + at[v % 5][0] + col];
            assert_true(fabsf(x[i] - expected / 255.0f) < 1e-6f);
        }
    }
    assert_int_equal(tn_image_view_to_input(&image, 10, &f, x), TN_FAIL);
    tn_image_free(&image);
}

/* --- geometry ------------------------------------------------------------------------------------
 */

static double tap(const tn_image *image, int x, int y, int ch, tn_border border) {
    bool inside = x >= 0 && y >= 0 && x < image->w && y < image->h;
    if (!inside && border == TN_BORDER_BLACK) return 0;
    x = x < 0 ? 0 : x >= image->w ? image->w - 1 : x;
    y = y < 0 ? 0 : y >= image->h ? image->h - 1 : y;
    return image->data[(y * image->w + x) * image->c + ch];
}

/* The window as Darknet's is defined, pixel by pixel in double. */
static double slow_sample(const tn_image *image, const tn_augment_draw *d, tn_border border, int h,
                          int w, int x, int y, int ch) {
    if (d->flip) x = w - 1 - x;
    double u = (x + 0.5 - w / 2.0 + d->dx) / d->scale * d->aspect;
    double v = (y + 0.5 - h / 2.0 + d->dy) / d->scale;
    double px = cos(d->angle) * u - sin(d->angle) * v + image->w / 2.0 - 0.5;
    double py = sin(d->angle) * u + cos(d->angle) * v + image->h / 2.0 - 0.5;
    int ix = (int)floor(px), iy = (int)floor(py);
    double fx = px - ix, fy = py - iy;
    return (1 - fy) * ((1 - fx) * tap(image, ix, iy, ch, border) +
                       fx * tap(image, ix + 1, iy, ch, border)) +
           fy * ((1 - fx) * tap(image, ix, iy + 1, ch, border) +
                 fx * tap(image, ix + 1, iy + 1, ch, border));
}

static void windows_match_their_definition(void **state) {
    (void)state;
    const tn_augment a = {.min_crop = 24,
                          .max_crop = 70,
                          .angle = 30,
                          .aspect = 1.3f,
                          .flip = true,
                          .saturation = 1,
                          .exposure = 1};
    static const int sizes[][3] = {{32, 32, 3}, {32, 32, 1}, {20, 36, 3}, {36, 20, 1}};
    for (int k = 0; k < 40; k++) {
        tn_rng rng = tn_rng_stream(5, TN_RNG_AUGMENT, 0, (uint32_t)k, 0);
        int h = sizes[k % 4][0], w = sizes[k % 4][1], c = sizes[k % 4][2];
        tn_border border = k & 4 ? TN_BORDER_REPLICATE : TN_BORDER_BLACK;
        tn_image image = picture(40 + k, 60 - k / 2, c);
        tn_augment_draw d = tn_augment_draw_for(&a, image.h, image.w, h, w, &rng);
        tn_input_format f = format_of(h, w, c);
        float out[36 * 36 * 3];
        assert_int_equal(tn_augment_apply(&image, &d, border, &f, out), TN_OK);
        for (int i = 0; i < h * w * c; i++) {
            double expected = slow_sample(&image, &d, border, h, w, i / c % w, i / c / w, i % c);
            if (fabs(out[i] * 255 - expected) > 0.02)
                fail_msg("draw %d value %d: %g, expected %g", k, i, out[i] * 255, expected);
        }
        tn_image_free(&image);
    }
}

/* Nothing asked for, an image of the net's size: the image itself. */
static void no_augmentation_is_the_image(void **state) {
    (void)state;
    tn_augment a = tn_augment_none(48);
    assert_int_equal(tn_augment_check(&a), TN_OK);
    tn_image image = picture(48, 48, 3);
    tn_rng rng = tn_rng_stream(1, TN_RNG_AUGMENT, 0, 0, 0);
    tn_augment_draw d = tn_augment_draw_for(&a, 48, 48, 48, 48, &rng);
    tn_input_format f = format_of(48, 48, 3);
    static float x[48 * 48 * 3], y[48 * 48 * 3];
    assert_int_equal(tn_augment_apply(&image, &d, TN_BORDER_BLACK, &f, x), TN_OK);
    assert_int_equal(tn_image_fit_to_input(&image, TN_FIT_CENTRE, &f, y), TN_OK);
    for (int i = 0; i < 48 * 48 * 3; i++) assert_true(fabsf(x[i] - y[i]) < 1e-6f);
    tn_image_free(&image);
}

static void draws_stay_in_range(void **state) {
    (void)state;
    const tn_augment a = {.min_crop = 200,
                          .max_crop = 300,
                          .angle = 7,
                          .aspect = 0.75f,
                          .flip = true,
                          .hue = 0.1f,
                          .saturation = 2,
                          .exposure = 1.5f};
    int flips = 0, wide = 0;
    double least = 1e9, most = 0, turn = 0;
    for (int k = 0; k < 4000; k++) {
        tn_rng rng = tn_rng_stream(3, TN_RNG_AUGMENT, 1, (uint32_t)k, 0);
        tn_augment_draw d = tn_augment_draw_for(&a, 360, 560, 224, 224, &rng);
        flips += d.flip;
        wide += d.aspect > 1;
        double crop = d.scale * floor(fmin(360, 560 * d.aspect));
        least = fmin(least, crop);
        most = fmax(most, crop);
        turn = fmax(turn, fabs(d.angle));
        assert_true(d.aspect >= 0.7499 && d.aspect <= 1.3334);
        assert_true(d.saturation >= 0.4999f && d.saturation <= 2.0001f);
        assert_true(d.exposure >= 0.6666f && d.exposure <= 1.5001f);
        assert_true(fabsf(d.hue) <= 0.1f);
        assert_true(fabs(d.dx) <= fmax(0, (560 * d.scale / d.aspect - 224) / 2) + 1e-9);
        assert_true(fabs(d.dy) <= fmax(0, (360 * d.scale - 224) / 2) + 1e-9);
    }
    assert_in_range(flips, 1850, 2150);
    assert_in_range(wide, 1850, 2150);
    assert_true(least > 199.5 && least < 201.5 && most > 298.5 && most < 300.5);
    assert_true(turn < 7.0001 * 3.1415927 / 180 && turn > 6.9 * 3.1415927 / 180);
    tn_augment none = tn_augment_none(224);
    for (int k = 0; k < 100; k++) {
        tn_rng rng = tn_rng_stream(3, TN_RNG_AUGMENT, 1, (uint32_t)k, 0);
        tn_augment_draw d = tn_augment_draw_for(&none, 360, 560, 224, 224, &rng);
        assert_true(!d.flip && d.angle == 0 && d.aspect == 1 && d.exposure == 1 && d.hue == 0);
    }
}

static void senseless_keys_are_named(void **state) {
    (void)state;
    tn_augment a = tn_augment_none(224);
    a.angle = -5;
    assert_int_equal(tn_augment_check(&a), TN_FAIL);
    assert_non_null(strstr(tn_error(), "angle"));
    a = tn_augment_none(224);
    a.min_crop = 300;
    assert_int_equal(tn_augment_check(&a), TN_FAIL);
    assert_non_null(strstr(tn_error(), "min_crop=300 is more than max_crop=224"));
    a = tn_augment_none(224);
    a.exposure = NAN;
    assert_int_equal(tn_augment_check(&a), TN_FAIL);
    a = tn_augment_none(224);
    a.label_smooth_eps = 1;
    assert_int_equal(tn_augment_check(&a), TN_FAIL);
}

/* --- colour
 * ---------------------------------------------------------------------------------------- */

static void jittered(const uint8_t rgb[3], float hue, float saturation, float exposure,
                     float *out) {
    tn_image one;
    assert_int_equal(tn_image_create(1, 1, 3, &one), TN_OK);
    memcpy(one.data, rgb, 3);
    tn_augment_draw d = still;
    d.hue = hue;
    d.saturation = saturation;
    d.exposure = exposure;
    tn_input_format f = format_of(1, 1, 3);
    assert_int_equal(tn_augment_apply(&one, &d, TN_BORDER_BLACK, &f, out), TN_OK);
    tn_image_free(&one);
}

static void assert_rgb(const float *p, double r, double g, double b) {
    if (fabs(p[0] - r) > 1e-4 || fabs(p[1] - g) > 1e-4 || fabs(p[2] - b) > 1e-4)
        fail_msg("%g %g %g, expected %g %g %g", p[0], p[1], p[2], r, g, b);
}

static void colours_change_as_named(void **state) {
    (void)state;
    float p[3];
    const uint8_t orange[3] = {200, 100, 0}, grey[3] = {90, 90, 90}, sea[3] = {51, 102, 153};
    jittered(orange, 1 / 3.0f, 1, 1, p); /* a third of the circle: R to G to B */
    assert_rgb(p, 0, 200 / 255.0, 100 / 255.0);
    jittered(orange, -1 / 3.0f, 1, 1, p);
    assert_rgb(p, 100 / 255.0, 0, 200 / 255.0);
    jittered(sea, 1.0f, 1, 1, p); /* all the way round */
    assert_rgb(p, 0.2, 0.4, 0.6);
    jittered(sea, 0, 0.5f, 1, p); /* halfway to grey of the same value */
    assert_rgb(p, 0.4, 0.5, 0.6);
    jittered(sea, 0, 1, 1.5f, p);
    assert_rgb(p, 0.3, 0.6, 0.9);
    jittered(sea, 0, 1, 3, p); /* clipped at full value, hue kept */
    assert_rgb(p, 1 / 3.0, 2 / 3.0, 1);
    jittered(grey, 0.3f, 2, 0.5f, p);
    assert_rgb(p, 45 / 255.0, 45 / 255.0, 45 / 255.0);
}

/* --- truth and mixing
 * -------------------------------------------------------------------------------- */

static void truth_adds_up(void **state) {
    (void)state;
    float t[5];
    tn_truth_fill(2, 5, 0.2f, t);
    for (int i = 0; i < 5; i++) assert_true(fabsf(t[i] - (i == 2 ? 0.8f : 0.05f)) < 1e-7f);
    tn_truth_fill(0, 1, 0.1f, t); /* one class: no others to share with, and no 0/0 */
    assert_true(t[0] == 1);
    tn_truth_fill(-1, 5, 0.1f, t);
    for (int i = 0; i < 5; i++) assert_true(t[i] == 0);
}

static void mixing_keeps_shares(void **state) {
    (void)state;
    tn_augment a = tn_augment_none(32);
    a.mixup = a.cutmix = true;
    int kinds[3] = {0};
    for (int k = 0; k < 2000; k++) {
        tn_rng rng = tn_rng_stream(9, TN_RNG_AUGMENT, 0, (uint32_t)k, 1);
        tn_mix mix = tn_mix_draw(&a, 10, 20, 32, &rng);
        kinds[mix.kind]++;
        float x[20 * 32], other[20 * 32], truth[2] = {1, 0}, other_truth[2] = {0, 1};
        for (int i = 0; i < 20 * 32; i++) x[i] = 0, other[i] = 1;
        tn_mix_apply(&mix, 20, 32, 1, 2, other, other_truth, x, truth);
        double share = 0;
        for (int i = 0; i < 20 * 32; i++) share += x[i] / (20 * 32);
        assert_true(fabs(share - truth[1]) < 1e-6 && fabs(truth[0] + truth[1] - 1) < 1e-6);
        if (mix.kind == TN_MIX_PASTE) {
            assert_in_range(mix.w, 9, 25);
            assert_in_range(mix.h, 6, 16);
            assert_true(mix.x >= 0 && mix.x + mix.w <= 32 && mix.y >= 0 && mix.y + mix.h <= 20);
        }
        if (mix.kind != TN_MIX_NONE) assert_true(mix.partner < 10);
    }
    assert_in_range(kinds[TN_MIX_NONE], 900, 1100);
    assert_in_range(kinds[TN_MIX_MEAN], 400, 600);
    assert_in_range(kinds[TN_MIX_PASTE], 400, 600);
}

/* Said, not judged: other programs may be using the cores. */
static void speed_is_told(void **state) {
    (void)state;
    const tn_augment a = {.min_crop = 224,
                          .max_crop = 320,
                          .angle = 10,
                          .aspect = 1,
                          .flip = true,
                          .saturation = 1,
                          .exposure = 1};
    tn_image image = picture(360, 560, 3);
    tn_input_format f = format_of(224, 224, 3);
    float *x = malloc(sizeof *x * 224 * 224 * 3);
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (uint32_t k = 0; k < 50; k++) {
        tn_rng rng = tn_rng_stream(0, TN_RNG_AUGMENT, 0, k, 0);
        tn_augment_draw d = tn_augment_draw_for(&a, 360, 560, 224, 224, &rng);
        assert_int_equal(tn_augment_apply(&image, &d, TN_BORDER_BLACK, &f, x), TN_OK);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double ms =
        ((double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6) / 50;
    printf("augmentation of 224x224x3: %.2f ms\n", ms);
    free(x);
    tn_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_normalised),
        cmocka_unit_test(fits_have_their_geometry),
        cmocka_unit_test(ten_views),
        cmocka_unit_test(windows_match_their_definition),
        cmocka_unit_test(no_augmentation_is_the_image),
        cmocka_unit_test(draws_stay_in_range),
        cmocka_unit_test(senseless_keys_are_named),
        cmocka_unit_test(colours_change_as_named),
        cmocka_unit_test(truth_adds_up),
        cmocka_unit_test(mixing_keeps_shares),
        cmocka_unit_test(speed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

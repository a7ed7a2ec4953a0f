/* What is done to pictures: colours, crops, sizes, denoising. */
#include "src/data/image.h"
#include "src/data/preprocess.h"
#include "tests/support/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void grey_and_back(void **state) {
    (void)state;
    tn_image grey = tn_test_picture(9, 11, 1), again;
    assert_int_equal(tn_image_copy(&grey, &again), TN_OK);
    assert_int_equal(tn_image_set_channels(&again, 3), TN_OK);
    assert_int_equal(again.data[3 * 5], again.data[3 * 5 + 2]);
    assert_int_equal(tn_image_set_channels(&again, 1), TN_OK);
    assert_memory_equal(grey.data, again.data, 99);
    tn_image_free(&grey);
    tn_image_free(&again);
}

static void crop_repeats_the_border(void **state) {
    (void)state;
    tn_image in = tn_test_picture(10, 12, 3), out;
    static const int boxes[][4] = {{2, 3, 5, 4},  {-3, -2, 20, 20}, {8, 7, 9, 9},
                                   {-9, 2, 4, 4}, {40, 40, 3, 2},   {0, 0, 12, 10}};
    for (size_t b = 0; b < sizeof boxes / sizeof *boxes; b++) {
        int x = boxes[b][0], y = boxes[b][1], w = boxes[b][2], h = boxes[b][3];
        assert_int_equal(tn_image_crop(&in, x, y, w, h, &out), TN_OK);
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) {
                int sy = y + i < 0 ? 0 : y + i > 9 ? 9 : y + i;
                int sx = x + j < 0 ? 0 : x + j > 11 ? 11 : x + j;
                assert_memory_equal(out.data + (i * w + j) * 3, in.data + (sy * 12 + sx) * 3, 3);
            }
        tn_image_free(&out);
    }
    assert_int_equal(tn_image_crop(&in, 0, 0, 0, 5, &out), TN_FAIL);
    tn_image_free(&in);
}

/* Area of the output pixel's rectangle, or bilinear at its centre, written the slow way. */
static double resized_1d(const double *in, int n_in, int n_out, int i) {
    double scale = (double)n_in / n_out;
    if (n_in > n_out) {
        double sum = 0;
        for (int j = 0; j < n_in; j++) {
            double overlap = fmin(j + 1, (i + 1) * scale) - fmax(j, i * scale);
            if (overlap > 0) sum += overlap * in[j];
        }
        return sum / scale;
    }
    double at = fmin(fmax((i + 0.5) * scale - 0.5, 0), n_in - 1);
    int j = (int)at;
    return in[j] + (at - j) * (in[j + 1 < n_in ? j + 1 : j] - in[j]);
}

static void resize_matches_its_definition(void **state) {
    (void)state;
    static const int sizes[][4] = {{36, 56, 22, 22}, {7, 5, 20, 31}, {30, 10, 13, 25},
                                   {9, 9, 3, 3},     {1, 1, 4, 6},   {40, 3, 1, 1},
                                   {5, 200, 5, 17},  {8, 8, 7, 9}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int h = sizes[s][0], w = sizes[s][1], oh = sizes[s][2], ow = sizes[s][3];
        tn_image in = tn_test_picture(h, w, 3), out;
        assert_int_equal(tn_image_resize(&in, oh, ow, &out), TN_OK);
        for (int y = 0; y < oh; y++)
            for (int x = 0; x < ow; x++)
                for (int c = 0; c < 3; c++) {
                    double column[200], row[200];
                    for (int i = 0; i < h; i++) {
                        for (int j = 0; j < w; j++) row[j] = in.data[(i * w + j) * 3 + c];
                        column[i] = resized_1d(row, w, ow, x);
                    }
                    double expected = resized_1d(column, h, oh, y);
                    assert_true(fabs(out.data[(y * ow + x) * 3 + c] - expected) <= 0.501);
                }
        tn_image_free(&in);
        tn_image_free(&out);
    }
    tn_image in = tn_test_picture(13, 17, 1), out;
    assert_int_equal(tn_image_resize(&in, 13, 17, &out), TN_OK);
    assert_memory_equal(in.data, out.data, 13 * 17);
    tn_image_free(&in);
    tn_image_free(&out);
}

static void square_crops(void **state) {
    (void)state;
    tn_image frame = tn_test_picture(360, 560, 3), out;
    /* In the middle: 100 * 1.4 = 140 around (250, 180). */
    assert_int_equal(tn_crop_square(&frame, 200, 160, 100, 40, 0.2, &out), TN_OK);
    assert_int_equal(out.h, 140);
    assert_int_equal(out.w, 140);
    assert_memory_equal(out.data, frame.data + (110 * 560 + 180) * 3, 140 * 3);
    tn_image_free(&out);
    /* At the corner: moved inside. */
    assert_int_equal(tn_crop_square(&frame, 540, 340, 20, 20, 0.5, &out), TN_OK);
    assert_int_equal(out.h, 40);
    assert_memory_equal(out.data, frame.data + (320 * 560 + 520) * 3, 40 * 3);
    tn_image_free(&out);
    /* Higher than the frame: the whole height is there, the border repeated above and below. */
    assert_int_equal(tn_crop_square(&frame, 100, 20, 300, 300, 0.25, &out), TN_OK);
    assert_int_equal(out.h, 450);
    assert_memory_equal(out.data, frame.data + 25 * 3, 450 * 3);
    assert_memory_equal(out.data + 450 * 3 * 55, frame.data + 25 * 3, 450 * 3);
    assert_memory_equal(out.data + 450 * 3 * 56, frame.data + (560 + 25) * 3, 450 * 3);
    tn_image_free(&out);
    assert_int_equal(tn_crop_square(&frame, 0, 0, 0, 10, 0, &out), TN_FAIL);
    assert_int_equal(tn_crop_square(&frame, 600, 0, 10, 10, 0, &out), TN_FAIL);
    assert_int_equal(tn_crop_square(&frame, NAN, 0, 10, 10, 0, &out), TN_FAIL);
    assert_int_equal(tn_crop_square(&frame, 0, 0, 10, INFINITY, 0, &out), TN_FAIL);
    assert_int_equal(tn_crop_square(&frame, 0, 0, 10, 10, -1, &out), TN_FAIL);
    tn_image_free(&frame);
}

static double roughness(const tn_image *image, int x0, int x1) {
    double sum = 0, mean = 0;
    int n = 0;
    for (int y = 8; y < image->h - 8; y++)
        for (int x = x0; x < x1; x++, n++) mean += image->data[y * image->w + x];
    mean /= n;
    for (int y = 8; y < image->h - 8; y++)
        for (int x = x0; x < x1; x++)
            sum += (image->data[y * image->w + x] - mean) * (image->data[y * image->w + x] - mean);
    return sqrt(sum / n);
}

/* Two tissues with speckle, side by side: speckle goes, the step between them stays. */
static void denoising_keeps_edges(void **state) {
    (void)state;
    for (int kind = TN_DENOISE_MEDIAN; kind <= TN_DENOISE_SRAD; kind++) {
        tn_image image;
        assert_int_equal(tn_image_create(96, 96, 1, &image), TN_OK);
        uint32_t lcg = 1;
        for (int i = 0; i < 96 * 96; i++) {
            lcg = lcg * 1664525u + 1013904223u;
            image.data[i] = (uint8_t)((i % 96 < 48 ? 70 : 170) + (int)(lcg >> 24) % 31 - 15);
        }
        double before = roughness(&image, 8, 40);
        if (tn_image_denoise(&image, (tn_denoise)kind) != TN_OK) {
            assert_false(TN_OPENCV);
            assert_non_null(strstr(tn_error(), "OPENCV=1"));
            tn_image_free(&image);
            continue;
        }
        assert_true(roughness(&image, 8, 40) < 0.7 * before);
        int step = 0;
        for (int y = 0; y < 96; y++) step += image.data[y * 96 + 49] - image.data[y * 96 + 46];
        assert_in_range(step / 96, 80, 115);
        tn_image_free(&image);
    }
    tn_image flat;
    assert_int_equal(tn_image_create(20, 20, 3, &flat), TN_OK);
    memset(flat.data, 90, 1200);
    assert_int_equal(tn_image_denoise(&flat, TN_DENOISE_SRAD), TN_OK);
    for (int i = 0; i < 1200; i++) assert_int_equal(flat.data[i], 90);
    tn_image_free(&flat);
    tn_denoise kind;
    assert_int_equal(tn_denoise_parse("srad", &kind), TN_OK);
    assert_string_equal(tn_denoise_name(kind), "srad");
    assert_int_equal(tn_denoise_parse("Srad", &kind), TN_FAIL);
}
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grey_and_back),
        cmocka_unit_test(crop_repeats_the_border),
        cmocka_unit_test(resize_matches_its_definition),
        cmocka_unit_test(square_crops),
        cmocka_unit_test(denoising_keeps_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

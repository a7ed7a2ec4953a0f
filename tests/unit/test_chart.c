/* The chart shows the figures where the axes say they are, and survives gaps and emptiness. */
#include "src/eval/chart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static tn_history constant_run(int epochs, double train_accuracy, double valid_accuracy) {
    tn_history h = {0};
    for (int i = 1; i <= epochs; i++) {
        tn_epoch_record r = {.epoch = i,
                             .step = (uint64_t)i,
                             .best = i == 2,
                             .train = tn_summary_none,
                             .valid = tn_summary_none};
        r.train.accuracy = train_accuracy;
        r.valid.accuracy = valid_accuracy;
        r.train.loss = 1;
        assert_int_equal(tn_history_add(&h, &r), TN_OK);
    }
    return h;
}

/* Pixels of a row within a panel that are nearly this colour. */
static int near_colour(const tn_image *image, int y, int x0, int x1, int r, int g, int b) {
    int n = 0;
    for (int x = x0; x < x1; x++) {
        const uint8_t *p = image->data + ((size_t)y * image->w + x) * 3;
        n += abs(p[0] - r) + abs(p[1] - g) + abs(p[2] - b) < 30;
    }
    return n;
}

/* Rows in which a line of this colour runs across most of the accuracy panel. */
static int row_of_line(const tn_image *image, int r, int g, int b) {
    for (int y = 90; y < image->h; y++)
        if (near_colour(image, y, 560, 980, r, g, b) > 300) return y;
    return -1;
}

static void lines_lie_where_the_axis_says(void **state) {
    (void)state;
    tn_history h = constant_run(10, 1, 0.5);
    tn_image image, lower;
    assert_int_equal(tn_chart_draw(&h, "net", &image), TN_OK);
    tn_history_free(&h);
    h = constant_run(10, 0, 0.75);
    assert_int_equal(tn_chart_draw(&h, "net", &lower), TN_OK);
    int one = row_of_line(&image, 0, 114, 178), zero = row_of_line(&lower, 0, 114, 178);
    int half = row_of_line(&image, 213, 94, 0), three = row_of_line(&lower, 213, 94, 0);
    assert_true(one > 0 && half > one && zero > half);
    assert_true(abs(half - (one + zero) / 2) <= 1);
    assert_true(abs(three - (one + half) / 2) <= 1);
    tn_image_free(&image);
    tn_image_free(&lower);
    tn_history_free(&h);
}

static void little_is_enough(void **state) {
    (void)state;
    for (int epochs = 0; epochs <= 2; epochs++) {
        tn_history h = constant_run(epochs, NAN, 0.5);
        tn_image image;
        assert_int_equal(tn_chart_draw(&h, "a net with a name", &image), TN_OK);
        assert_int_equal(image.w, 1500);
        assert_int_equal(image.h, 540);
        tn_image_free(&image);
        tn_history_free(&h);
    }
}

static void wild_losses_do_not_flatten_the_rest(void **state) {
    (void)state;
    tn_history h = constant_run(20, 0.5, 0.5);
    h.record[0].train.loss = 1e30;
    h.record[1].train.loss = INFINITY;
    tn_image image;
    assert_int_equal(tn_chart_draw(&h, "net", &image), TN_OK);
    int row = -1;
    for (int y = 90; y < image.h && row < 0; y++)
        if (near_colour(&image, y, 60, 480, 0, 114, 178) > 300) row = y;
    assert_true(row > 250 && row < 420); /* at a quarter of the axis */
    tn_image_free(&image);
    tn_history_free(&h);
}

#if TN_OPENCV
static void a_png_is_written(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/tn_chart_%d.png", (int)getpid());
    tn_history h = constant_run(3, 0.5, 0.6);
    tn_image image;
    assert_int_equal(tn_chart_save(&h, "net", path, NULL), TN_OK);
    assert_int_equal(tn_image_load(path, 3, &image), TN_OK);
    assert_int_equal(image.w, 1500);
    unlink(path);
    tn_image_free(&image);
    assert_int_equal(tn_chart_save(&h, "net", path, "/tmp/tn_no_such_folder/c.png"), TN_FAIL);
    tn_history_free(&h);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_lie_where_the_axis_says),
        cmocka_unit_test(little_is_enough),
        cmocka_unit_test(wild_losses_do_not_flatten_the_rest),
#if TN_OPENCV
        cmocka_unit_test(a_png_is_written),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

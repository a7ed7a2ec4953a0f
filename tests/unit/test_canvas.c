#include "src/data/canvas.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const tn_colour white = {255, 255, 255}, red = {255, 0, 0};

static tn_image blank(int h, int w, int c) {
    tn_image image;
    assert_int_equal(tn_image_create(h, w, c, &image), TN_OK);
    return image;
}

static int lit(const tn_image *image) {
    int n = 0;
    for (int i = 0; i < image->h * image->w; i++) n += image->data[i * image->c] != 0;
    return n;
}

static void boxes_are_clipped(void **state) {
    (void)state;
    tn_image image = blank(10, 20, 3);
    tn_draw_box(&image, 2, 3, 4, 5, red);
    assert_int_equal(lit(&image), 20);
    assert_memory_equal(image.data + (3 * 20 + 2) * 3, ((uint8_t[]){255, 0, 0}), 3);
    assert_int_equal(image.data[(3 * 20 + 6) * 3], 0);
    tn_draw_box(&image, -100, -100, INT_MAX, INT_MAX, white);
    assert_int_equal(lit(&image), 200);
    tn_image_free(&image);
    image = blank(10, 20, 1);
    tn_draw_box(&image, 15, -3, 100, 5, red);
    assert_int_equal(lit(&image), 10);
    assert_int_equal(image.data[15], 77); /* 0.299 of 255 */
    tn_draw_box(&image, 30, 30, 5, 5, red);
    tn_draw_box(&image, INT_MIN, INT_MIN, 5, 5, red);
    tn_draw_box(&image, 0, 0, -5, 5, red);
    assert_int_equal(lit(&image), 10);
    tn_image_free(&image);
    image = blank(10, 20, 1);
    tn_draw_frame(&image, 1, 1, 8, 6, 2, white);
    assert_int_equal(lit(&image), 8 * 6 - 4 * 2);
    tn_image_free(&image);
}

static void lines_reach_both_ends(void **state) {
    (void)state;
    tn_image image = blank(20, 30, 1);
    tn_draw_line(&image, 2, 3, 25, 3, 1, white);
    assert_int_equal(lit(&image), 24);
    tn_draw_line(&image, 5, 18, 5, 10, 1, white);
    assert_int_equal(lit(&image), 33);
    tn_image_free(&image);
    image = blank(20, 30, 1);
    tn_draw_line(&image, 0, 0, 19, 19, 1, white);
    assert_int_equal(lit(&image), 20);
    for (int i = 0; i < 20; i++) assert_int_equal(image.data[i * 31], 255);
    tn_image_free(&image);
    image = blank(20, 30, 1);
    tn_draw_line(&image, -1e9, 10, 1e9, 10, 1, white); /* clipped before it is walked */
    assert_int_equal(lit(&image), 30);
    tn_draw_line(&image, 0, -50, 29, -50, 3, white);
    tn_draw_line(&image, 0, 0.0 / 1, 1e308 * 10, 5, 1, white);
    assert_int_equal(lit(&image), 30);
    tn_draw_line(&image, 4, 4, 4, 4, 3, white);
    assert_int_equal(lit(&image), 39);
    tn_image_free(&image);
}

static void letters_differ(void **state) {
    (void)state;
    tn_image seen[95];
    for (int c = ' '; c <= '~'; c++) {
        seen[c - ' '] = blank(7, 5, 1);
        tn_draw_text(&seen[c - ' '], 0, 0, 1, white, (char[]){(char)c, 0});
        assert_int_equal(lit(&seen[c - ' ']) > 0, c != ' ');
        for (int k = ' '; k < c; k++)
            assert_memory_not_equal(seen[k - ' '].data, seen[c - ' '].data, 35);
    }
    for (int k = 0; k < 95; k++) tn_image_free(&seen[k]);
    tn_image image = blank(7, 5, 1);
    tn_draw_text(&image, 0, 0, 1, white, "T");
    static const char expected[] = "#####..#....#....#....#....#....#..";
    for (int i = 0; i < 35; i++) assert_int_equal(image.data[i] != 0, expected[i] == '#');
    tn_image_free(&image);
}

static void text_has_its_size(void **state) {
    (void)state;
    assert_int_equal(tn_text_width("abc", 1), 17);
    assert_int_equal(tn_text_width("abc\nabcde\nx", 2), 58);
    assert_int_equal(tn_text_width("", 3), 0);
    assert_int_equal(tn_text_width("\xC3\xA9", 1), 5); /* one character of two bytes */
    tn_image image = blank(40, 60, 1), first = blank(40, 60, 1);
    tn_draw_text(&image, 3, 4, 2, white, "I\nI");
    tn_draw_text(&first, 3, 4, 2, white, "I");
    assert_int_equal(lit(&image), 2 * lit(&first));
    tn_draw_text(&image, 58, 38, 3, white, "clipped");
    tn_draw_text(&image, -1000, -1000, 1, white, "unseen");
    tn_image_free(&image);
    tn_image_free(&first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_are_clipped),
        cmocka_unit_test(lines_reach_both_ends),
        cmocka_unit_test(letters_differ),
        cmocka_unit_test(text_has_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

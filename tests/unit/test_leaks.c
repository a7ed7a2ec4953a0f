/* Perceptual hashes, letters below the picture, and what one list knows of another. */
#include "src/data/burned_text.h"
#include "src/data/canvas.h"
#include "src/data/files.h"
#include "src/data/leaks.h"
#include "src/data/perceptual_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/tn_leaks_XXXXXX";

static void works(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

/* A frame whose picture holds soft blobs, others for another seed. */
static tn_image frame_of(unsigned seed) {
    tn_image image;
    works(tn_image_create(360, 560, 3, &image));
    for (int y = 20; y < 300; y++)
        for (int x = 80; x < 480; x++) {
            unsigned cell = (unsigned)(y / 40 * 16 + x / 40 + 1000 * (int)seed) * 2654435761u;
            cell = (cell ^ cell >> 15) * 2246822519u;
            memset(image.data + ((size_t)y * 560 + (size_t)x) * 3, 40 + (int)(cell >> 12 & 127), 3);
        }
    return image;
}

static tn_perceptual_hash hash_of(const tn_image *image) {
    tn_perceptual_hash hash;
    works(tn_perceptual_hash_of(image, &hash));
    return hash;
}

static void test_copies_are_near_others_far(void **state) {
    (void)state;
    tn_image a = frame_of(1), b = frame_of(2), small;
    works(tn_image_resize(&a, 240, 373, &small));
    const tn_perceptual_hash x = hash_of(&a), y = hash_of(&b), z = hash_of(&small);
    assert_int_equal(tn_perceptual_distance(&x, &x), 0);
    assert_true(tn_perceptual_distance(&x, &z) <= TN_PERCEPTUAL_NEAR);
    assert_true(tn_perceptual_distance(&x, &y) > 2 * TN_PERCEPTUAL_NEAR);
    tn_image_free(&a);
    tn_image_free(&b);
    tn_image_free(&small);
}

static int letters_with(const char *text, int y) {
    const tn_colour white = {255, 255, 255};
    tn_image image = frame_of(1);
    int n;
    tn_draw_text(&image, 120, y, 1, white, text);
    works(tn_count_letters_below(&image, &n));
    tn_image_free(&image);
    return n;
}

static void test_letters_below_the_picture(void **state) {
    (void)state;
    assert_int_equal(letters_with("", 320), 0);
    assert_int_equal(letters_with("IZO", 320), 3);
    assert_true(letters_with("TIRADS 4C (4B)", 320) >= TN_BURNED_TEXT_LETTERS);
    assert_int_equal(letters_with("TIRADS 4C (4B)", 150), 0); /* inside the picture */
}

static tn_list list_of(const char *const *names, int n) {
    char text[2048] = "";
    tn_list list;
    for (int i = 0; i < n; i++) {
        strcat(text, folder);
        strcat(text, "/");
        strcat(text, names[i]);
        strcat(text, "\n");
    }
    works(tn_list_parse(text, strlen(text), "test.list", NULL, true, &list));
    return list;
}

static void save(const tn_image *image, const char *name) {
    char *path = tn_text("%s/%s", folder, name);
    works(tn_image_save(image, path));
    free(path);
}

static void test_what_a_list_knows(void **state) {
    (void)state;
    static const char *const first[] = {"a.png", "b.png"};
    static const char *const second[] = {"copy.png", "small.png", "c.png", "a.png"};
    const int case_a[] = {4, 7}, case_b[] = {-1, 9, 7, 4};
    tn_image a = frame_of(1), b = frame_of(2), c = frame_of(3), small;
    works(tn_image_resize(&b, 240, 373, &small));
    save(&a, "a.png");
    save(&a, "copy.png");
    save(&b, "b.png");
    save(&small, "small.png");
    save(&c, "c.png");
    tn_list x = list_of(first, 2), y = list_of(second, 4);
    tn_leaks leaks;
    works(tn_leaks_find(&x, &y, case_a, case_b, 1, 2, &leaks));
    assert_int_equal(leaks.leak[0].bytes, 0);
    assert_int_equal(leaks.leak[0].near, -1);
    assert_int_equal(leaks.leak[1].bytes, -1);
    assert_int_equal(leaks.leak[1].near, 1);
    assert_int_equal(leaks.leak[1].same_case, -1);
    assert_int_equal(leaks.leak[2].near, -1);
    assert_int_equal(leaks.leak[2].same_case, 1);
    assert_int_equal(leaks.leak[3].bytes, 0);
    assert_int_equal(leaks.leak[3].same_case, 0);
    assert_int_equal(leaks.bytes, 2);
    assert_int_equal(leaks.near, 1);
    assert_int_equal(leaks.of_cases, 2);
    assert_int_equal(leaks.any, 4);
    tn_leaks_free(&leaks);
    works(tn_leaks_find(&x, &y, NULL, NULL, 0, 2, &leaks));
    assert_false(leaks.knew_cases);
    assert_int_equal(leaks.any, 2);
    tn_leaks_free(&leaks);
    tn_list_free(&x);
    tn_list_free(&y);
    tn_image_free(&a);
    tn_image_free(&b);
    tn_image_free(&c);
    tn_image_free(&small);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    static const char *const names[] = {"a.png", "copy.png", "b.png", "small.png", "c.png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = tn_text("%s/%s", folder, names[i]);
        unlink(path);
        free(path);
    }
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_near_others_far),
        cmocka_unit_test(test_letters_below_the_picture),
        cmocka_unit_test(test_what_a_list_knows),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

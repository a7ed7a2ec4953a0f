#include "src/data/image.h"
#include "src/data/preprocess.h"
#include "src/data/text.h"
#include "tests/support/picture.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DDTI     "../shared/data/ddti"
#define EXTERNAL "../shared/data/external"

static char temporary[64];

static const char *temporary_name(const char *ending) {
    snprintf(temporary, sizeof temporary, "/tmp/tn_test_image_%d%s", (int)getpid(), ending);
    return temporary;
}

static void saved(const tn_image *image, const char *ending, uint8_t **bytes, size_t *size) {
    const char *path = temporary_name(ending);
    if (tn_image_save(image, path) != TN_OK) fail_msg("%s", tn_error());
    assert_int_equal(tn_read_file(path, 1 << 24, bytes, size), TN_OK);
    remove(path);
}

static void png_and_bmp_keep_every_bit(void **state) {
    (void)state;
    static const char *const endings[] = {".png", ".bmp", ".PNG"};
    for (int k = 0; k < 3; k++)
        for (int c = 1; c <= 3; c += 2) {
            tn_image in = tn_test_picture(37, 53, c), out;
            const char *path = temporary_name(endings[k]);
            assert_int_equal(tn_image_save(&in, path), TN_OK);
            assert_int_equal(tn_image_load(path, c, &out), TN_OK);
            remove(path);
            assert_int_equal(out.h, 37);
            assert_int_equal(out.w, 53);
            assert_int_equal(out.c, c);
            assert_memory_equal(in.data, out.data, (size_t)37 * 53 * c);
            tn_image_free(&in);
            tn_image_free(&out);
        }
}

static void jpeg_comes_back_near(void **state) {
    (void)state;
    tn_image in = tn_test_picture(64, 80, 3), out;
    uint8_t *bytes;
    size_t size;
    saved(&in, ".jpg", &bytes, &size);
    assert_int_equal(tn_image_decode(bytes, size, "picture.jpg", 3, &out), TN_OK);
    double sum = 0;
    for (int i = 0; i < 64 * 80 * 3; i++) sum += abs(in.data[i] - out.data[i]);
    assert_true(sum / (64 * 80 * 3) < 3);
    free(bytes);
    tn_image_free(&in);
    tn_image_free(&out);
}

/* Every cut of every format is refused by the check, with the name in the message. */
static void truncated_files_are_refused(void **state) {
    (void)state;
    static const char *const endings[] = {".jpg", ".png", ".bmp"};
    tn_image in = tn_test_picture(60, 90, 3);
    for (int k = 0; k < 3; k++) {
        uint8_t *bytes;
        size_t size;
        saved(&in, endings[k], &bytes, &size);
        assert_int_equal(tn_image_check(bytes, size, "whole"), TN_OK);
        for (size_t n = 0; n < size; n++) {
            uint8_t *cut = malloc(n + 1); /* its own block: reading past the end would be seen */
            memcpy(cut, bytes, n);
            cut = realloc(cut, n ? n : 1);
            if (tn_image_check(cut, n, "cut.file") == TN_OK)
                fail_msg("%s of %zu bytes passes when cut to %zu", endings[k], size, n);
            assert_non_null(strstr(tn_error(), "cut.file"));
            free(cut);
        }
        uint8_t *longer = calloc(1, size + 100);
        memcpy(longer, bytes, size);
        if (k < 2) assert_int_equal(tn_image_check(longer, size + 100, "longer"), TN_OK);
        free(longer);
        free(bytes);
    }
    tn_image_free(&in);
}

/* One byte at a time: never a crash; a PNG's checksums find every one of them. */
static void damaged_bytes_are_survived(void **state) {
    (void)state;
    static const char *const endings[] = {".jpg", ".png", ".bmp"};
    tn_image in = tn_test_picture(24, 40, 3);
    for (int k = 0; k < 3; k++) {
        uint8_t *bytes;
        size_t size;
        saved(&in, endings[k], &bytes, &size);
        for (size_t i = 0; i < size; i += i < 700 ? 1 : 7) {
            uint8_t kept = bytes[i];
            bytes[i] = (uint8_t)(kept ^ (i % 2 ? 0xFF : 0x21));
            tn_status status = tn_image_check(bytes, size, "damaged");
            if (k == 1) assert_int_equal(status, TN_FAIL);
            tn_image_exif_orientation(bytes, size);
            bytes[i] = kept;
        }
        free(bytes);
    }
    tn_image_free(&in);
}

static void loaded(const char *path, uint8_t **bytes, size_t *size) {
    if (tn_read_file(path, 1 << 20, bytes, size) != TN_OK) fail_msg("%s", tn_error());
}

/* The same picture, three ways to store it. */
static void kinds_of_jpeg_agree(void **state) {
    (void)state;
    static const char *const files[] = {"tests/fixtures/sequential.jpg",
                                        "tests/fixtures/restart.jpg",
                                        "tests/fixtures/progressive.jpg"};
    tn_image first = {0};
    for (int k = 0; k < 3; k++) {
        tn_image image;
        if (tn_image_load(files[k], 3, &image) != TN_OK) fail_msg("%s", tn_error());
        assert_int_equal(image.h, 45);
        assert_int_equal(image.w, 70);
        if (k == 0) {
            first = image;
        } else {
            assert_memory_equal(first.data, image.data, 45 * 70 * 3);
            tn_image_free(&image);
        }
    }
    tn_image_free(&first);
}

/* Data that is missing inside although markers are in order: blocks are counted. */
static void holes_in_image_data_are_found(void **state) {
    (void)state;
    static const char *const files[] = {"tests/fixtures/sequential.jpg",
                                        "tests/fixtures/restart.jpg"};
    for (int k = 0; k < 2; k++) {
        uint8_t *bytes;
        size_t size;
        loaded(files[k], &bytes, &size);
        int holes = 0, n = 0;
        for (size_t at = size / 2; at + 240 < size; at += 3, n++) {
            uint8_t *copy = malloc(size);
            memcpy(copy, bytes, at);
            memcpy(copy + at, "\xFF\xD9", 2); /* cut, and an end put on */
            assert_int_equal(tn_image_check(copy, at + 2, "cut"), TN_FAIL);
            assert_non_null(strstr(tn_error(), "cut: damaged JPEG"));
            memcpy(copy, bytes, at); /* two hundred bytes left out */
            memcpy(copy + at, bytes + at + 200, size - at - 200);
            holes += tn_image_check(copy, size - 200, "hole") == TN_FAIL;
            free(copy);
        }
        assert_true(n > 50 && holes > n * 9 / 10);
        free(bytes);
    }
}

static void refused(const void *bytes, size_t size, const char *expected) {
    tn_image image;
    assert_int_equal(tn_image_decode(bytes, size, "bad.jpg", 3, &image), TN_FAIL);
    assert_null(image.data);
    if (!strstr(tn_error(), expected) || !strstr(tn_error(), "bad.jpg"))
        fail_msg("'%s' does not say '%s'", tn_error(), expected);
}

static void garbage_is_refused(void **state) {
    (void)state;
    refused("", 0, "empty file");
    refused("\xFF", 1, "not an image");
    refused("GIF89a..............", 20, "not an image");
    refused("<html><body>Not found</body></html>", 35, "not an image");
    refused("\xFF\xD8\xFF", 3, "truncated");
    refused("\xFF\xD8\xFF\xD9", 4, "no image data");
    refused("\xFF\xD8\xFF\xE0\x00\x01\xFF\xD9", 8, "length 1");
    refused("\xFF\xD8\xFF\xDA\x00\x02\x01\x02\xFF\xD9", 10, "before a frame header");
    refused("BMxxxxxxxxxxxxxxxx", 18, "truncated BMP");
    /* Frame headers: giant, of zero height, of 12 bits, lossless. */
    refused("\xFF\xD8\xFF\xC0\x00\x0B\x08\xFF\xFF\xFF\xFF\x01\x01\x11\x00\xFF\xD9", 17, "65535");
    refused("\xFF\xD8\xFF\xC0\x00\x0B\x08\x00\x00\x00\x10\x01\x01\x11\x00\xFF\xD9", 17, "16 x 0");
    refused("\xFF\xD8\xFF\xC0\x00\x0B\x0C\x00\x10\x00\x10\x01\x01\x11\x00\xFF\xD9", 17, "12 bits");
    refused("\xFF\xD8\xFF\xC3\x00\x0B\x08\x00\x10\x00\x10\x01\x01\x11\x00\xFF\xD9", 17, "SOF3");
}

static void files_that_are_not_there(void **state) {
    (void)state;
    tn_image image;
    assert_int_equal(tn_image_load("/nowhere/at all.jpg", 3, &image), TN_FAIL);
    assert_non_null(strstr(tn_error(), "/nowhere/at all.jpg"));
    assert_int_equal(tn_image_load("/tmp", 3, &image), TN_FAIL);
    image = tn_test_picture(4, 4, 3);
    assert_int_equal(tn_image_save(&image, "/tmp/name.tiff"), TN_FAIL);
    assert_int_equal(tn_image_save(&image, "/nowhere/name.png"), TN_FAIL);
    assert_non_null(strstr(tn_error(), "/nowhere/name.png"));
    tn_image_free(&image);
    assert_int_equal(tn_image_create(0, 5, 3, &image), TN_FAIL);
    assert_int_equal(tn_image_create(5, 5, 2, &image), TN_FAIL);
    assert_int_equal(tn_image_create(1 << 15, 1 << 15, 3, &image), TN_FAIL);
}

/* Puts an Exif segment with this orientation behind SOI. */
static uint8_t *with_orientation(const uint8_t *jpeg, size_t size, int orientation, size_t *n) {
    uint8_t exif[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,
                      0,    1,    1, 18, 0,   3,   0,   0,   0, 1, 0,   0,   0, 0,  0, 0, 0, 0};
    exif[29] = (uint8_t)orientation;
    *n = size + sizeof exif;
    uint8_t *out = malloc(*n);
    memcpy(out, jpeg, 2);
    memcpy(out + 2, exif, sizeof exif);
    memcpy(out + 2 + sizeof exif, jpeg + 2, size - 2);
    return out;
}

/* Where the stored top left corner must be seen, for each orientation (Exif 2.3, 4.6.4 A). */
static void exif_orientation_is_applied(void **state) {
    (void)state;
    enum { H = 32, W = 48 };
    tn_image in;
    assert_int_equal(tn_image_create(H, W, 3, &in), TN_OK);
    for (int y = 0; y < 8; y++) memset(in.data + (size_t)y * W * 3, 255, 16 * 3);
    uint8_t *bytes;
    size_t size;
    saved(&in, ".jpg", &bytes, &size);
    /* A top left, B top right, C bottom left, D bottom right. */
    static const char corner[] = "ABDCABDC";
    for (int orientation = 1; orientation <= 8; orientation++) {
        size_t n;
        uint8_t *turned = with_orientation(bytes, size, orientation, &n);
        assert_int_equal(tn_image_exif_orientation(turned, n), orientation);
        tn_image out;
        assert_int_equal(tn_image_decode(turned, n, "turned", 1, &out), TN_OK);
        bool swap = orientation >= 5;
        assert_int_equal(out.h, swap ? W : H);
        int where[4] = {out.data[0], out.data[out.w - 1], out.data[(size_t)(out.h - 1) * out.w],
                        out.data[(size_t)out.h * out.w - 1]};
        for (int k = 0; k < 4; k++) {
            bool white = where[k] > 200;
            char expected = corner[orientation - 1];
            assert_int_equal(white, expected == "ABCD"[k]);
        }
        /* The mark is 16 wide and 8 high as stored: 8 wide and 16 high when swapped. */
        int lit = 0;
        for (int i = 0; i < out.w; i++)
            lit += out.data[i] > 128 || out.data[(out.h - 1) * out.w + i] > 128;
        assert_int_equal(lit, swap ? 8 : 16);
        tn_image_free(&out);
        free(turned);
    }
    free(bytes);
    tn_image_free(&in);
}

/* All images of a folder pass whole; cut at every 64th byte none does. */
static int check_folder(const char *folder, bool cut) {
    DIR *dir = opendir(folder);
    if (!dir) return 0;
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        size_t length = strlen(e->d_name);
        if (e->d_name[0] == '.' || (length > 4 && !strcmp(e->d_name + length - 4, ".xml")))
            continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        uint8_t *bytes;
        size_t size;
        assert_int_equal(tn_read_file(path, 1 << 26, &bytes, &size), TN_OK);
        if (tn_image_check(bytes, size, path) != TN_OK) fail_msg("%s", tn_error());
        for (size_t at = 0; cut && n < 40 && at < size - 2; at += 64)
            if (tn_image_check(bytes, at, path) == TN_OK)
                fail_msg("%s cut to %zu passes", path, at);
        if (n % 16 == 0) {
            tn_image image;
            if (tn_image_decode(bytes, size, path, 3, &image) != TN_OK) fail_msg("%s", tn_error());
            tn_image_free(&image);
        }
        free(bytes);
        n++;
    }
    closedir(dir);
    return n;
}

static void real_files_pass_the_check(void **state) {
    (void)state;
    int ddti = check_folder(DDTI, true);
    int external =
        check_folder(EXTERNAL "/benign", false) + check_folder(EXTERNAL "/malignant", false);
    if (!ddti || !external) {
        printf("skip: no %s or %s\n", DDTI, EXTERNAL);
        skip();
    }
    assert_int_equal(ddti, 480);
    assert_int_equal(external, 445);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_and_bmp_keep_every_bit),
        cmocka_unit_test(jpeg_comes_back_near),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(damaged_bytes_are_survived),
        cmocka_unit_test(kinds_of_jpeg_agree),
        cmocka_unit_test(holes_in_image_data_are_found),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(files_that_are_not_there),
        cmocka_unit_test(exif_orientation_is_applied),
        cmocka_unit_test(real_files_pass_the_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

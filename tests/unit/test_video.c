#include "src/data/video.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FRAMES = 3 };

/* OpenCV's video back ends are libraries that it opens, asks and unloads; what they leave allocated
 * is not ours, and has no name any more that a suppression could match. AddressSanitizer asks this
 * function, by this name, whether to look for leaks. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
    return 1;
}

/* Numbered images are a video to OpenCV. */
static void frames_come_in_order(void **state) {
    (void)state;
    char folder[] = "/tmp/tn_video_XXXXXX", name[64];
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < FRAMES; i++) {
        tn_image image;
        assert_int_equal(tn_image_create(24, 32, 3, &image), TN_OK);
        for (int k = 0; k < 24 * 32; k++) image.data[3 * k + i] = (uint8_t)(100 + i);
        snprintf(name, sizeof name, "%s/f_%02d.png", folder, i);
        assert_int_equal(tn_image_save(&image, name), TN_OK);
        tn_image_free(&image);
    }
    snprintf(name, sizeof name, "%s/f_%%02d.png", folder);
    tn_video *video;
    tn_status status = tn_video_open_file(name, &video);
    if (TN_OPENCV) {
        if (status != TN_OK) fail_msg("%s", tn_error());
        for (int i = 0; i <= FRAMES; i++) {
            tn_image frame;
            bool end;
            assert_int_equal(tn_video_read(video, &frame, &end), TN_OK);
            assert_int_equal(end, i == FRAMES);
            if (end) break;
            assert_int_equal(frame.h, 24);
            assert_int_equal(frame.w, 32);
            for (int c = 0; c < 3; c++) assert_int_equal(frame.data[c], c == i ? 100 + i : 0);
            tn_image_free(&frame);
        }
        assert_true(tn_video_rate(video) >= 0);
        tn_video_close(video);
    } else {
        assert_int_equal(status, TN_FAIL);
        assert_non_null(strstr(tn_error(), "OPENCV=1"));
    }
    for (int i = 0; i < FRAMES; i++) {
        snprintf(name, sizeof name, "%s/f_%02d.png", folder, i);
        unlink(name);
    }
    rmdir(folder);
}

static void what_is_no_video_is_refused(void **state) {
    (void)state;
    tn_video *video;
    assert_int_equal(tn_video_open_file("/nowhere/scan.avi", &video), TN_FAIL);
    assert_null(video);
    assert_non_null(strstr(tn_error(), "/nowhere/scan.avi"));
    assert_int_equal(tn_video_open_file("Makefile", &video), TN_FAIL);
    tn_video_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_in_order),
        cmocka_unit_test(what_is_no_video_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

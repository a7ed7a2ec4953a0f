/* A picture for tests of what is done to pictures. */
#ifndef TN_TESTS_PICTURE_H
#define TN_TESTS_PICTURE_H

#include "src/data/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* With slopes, edges and, when c is 3, colour. The caller frees it. */
static inline tn_image tn_test_picture(int h, int w, int c) {
    tn_image image;
    assert_int_equal(tn_image_create(h, w, c, &image), TN_OK);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int ch = 0; ch < c; ch++)
                image.data[((size_t)y * w + x) * c + ch] =
                    (uint8_t)(128 + 60 * sin(0.11 * x + ch) + 50 * cos(0.07 * y - 0.5 * ch));
    return image;
}

#endif

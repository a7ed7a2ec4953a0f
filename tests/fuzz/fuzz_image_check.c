/* Any bytes as an image file: the structure check, EXIF, and the decoder behind them. */
#include "src/data/image.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int orientation = tn_image_exif_orientation(data, size);
    if (orientation < 1 || orientation > 8) abort();
    tn_image image;
    if (tn_image_decode(data, size, "fuzz", 1, &image) == TN_OK) {
        if (image.h < 1 || image.w < 1 || image.c != 1 || !image.data) abort();
        tn_image_free(&image);
    } else if (image.data) {
        abort();
    }
    return 0;
}

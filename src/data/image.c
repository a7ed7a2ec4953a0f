#include "src/data/image.h"

#include "src/data/image_backend.h"
#include "src/data/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_FILE_BYTES = 1 << 30 };

tn_status tn_image_create(int h, int w, int c, tn_image *out) {
    *out = (tn_image){0};
    if (h < 1 || w < 1 || h > TN_IMAGE_MAX_SIDE || w > TN_IMAGE_MAX_SIDE)
        return tn_fail("image of %d x %d pixels: each side must be 1 to %d", w, h,
                       TN_IMAGE_MAX_SIDE);
    if ((int64_t)h * w > TN_IMAGE_MAX_PIXELS)
        return tn_fail("image of %d x %d pixels: more than %d in all", w, h, TN_IMAGE_MAX_PIXELS);
    if (c != 1 && c != 3) return tn_fail("image of %d channels: 1 (grey) or 3 (RGB) expected", c);
    size_t bytes = (size_t)h * (size_t)w * (size_t)c;
    uint8_t *data = calloc(1, bytes);
    if (!data) return tn_fail("no memory for an image of %d x %d pixels", w, h);
    *out = (tn_image){.h = h, .w = w, .c = c, .data = data};
    return TN_OK;
}

void tn_image_free(tn_image *image) {
    if (!image) return;
    free(image->data);
    *image = (tn_image){0};
}

tn_status tn_image_copy(const tn_image *image, tn_image *out) {
    TN_TRY(tn_image_create(image->h, image->w, image->c, out));
    memcpy(out->data, image->data, (size_t)image->h * (size_t)image->w * (size_t)image->c);
    return TN_OK;
}

tn_status tn_image_decode(const void *bytes, size_t size, const char *name, int channels,
                          tn_image *out) {
    *out = (tn_image){0};
    if (channels != 1 && channels != 3)
        return tn_fail("%s: asked for %d channels, 1 or 3 expected", name, channels);
    TN_TRY(tn_image_check(bytes, size, name));
    TN_TRY(tn_backend_decode(bytes, size, name, out));
    tn_status status = tn_image_orient(out, tn_image_exif_orientation(bytes, size));
    if (status == TN_OK) status = tn_image_set_channels(out, channels);
    if (status == TN_OK) return TN_OK;
    tn_image_free(out);
    return tn_fail_in("%s", name);
}

tn_status tn_image_load(const char *path, int channels, tn_image *out) {
    *out = (tn_image){0};
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(path, MAX_FILE_BYTES, &bytes, &size));
    tn_status status = tn_image_decode(bytes, size, path, channels, out);
    free(bytes);
    return status;
}

static bool ends_in(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n > m && !strcasecmp(path + n - m, suffix);
}

static tn_status write_file(const char *path, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file) return tn_fail_errno("%s: cannot be written", path);
    bool whole = fwrite(bytes, 1, size, file) == size;
    /* fclose writes what is left, so a full disk may show only here. */
    if (fclose(file) != 0 || !whole) {
        tn_status status = tn_fail_errno("%s: writing %zu bytes failed", path, size);
        remove(path);
        return status;
    }
    return TN_OK;
}

tn_status tn_image_save(const tn_image *image, const char *path) {
    tn_image_format format;
    if (ends_in(path, ".png"))
        format = TN_IMAGE_PNG;
    else if (ends_in(path, ".jpg") || ends_in(path, ".jpeg"))
        format = TN_IMAGE_JPEG;
    else if (ends_in(path, ".bmp"))
        format = TN_IMAGE_BMP;
    else
        return tn_fail("%s: an image is written as .png, .jpg or .bmp: name it so", path);
    uint8_t *bytes;
    size_t size;
    if (tn_backend_encode(image, format, &bytes, &size) != TN_OK) return tn_fail_in("%s", path);
    tn_status status = write_file(path, bytes, size);
    free(bytes);
    return status;
}

/* Decoding and encoding without OpenCV, by the stb libraries (libstb-dev). */
#include "src/data/image_backend.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

tn_status tn_backend_decode(const void *bytes, size_t size, const char *name, tn_image *out) {
    *out = (tn_image){0};
    if (size > INT_MAX) return tn_fail("%s: file of %zu bytes is too large", name, size);
    int w, h, stored;
    uint8_t *rgb = stbi_load_from_memory(bytes, (int)size, &w, &h, &stored, 3);
    if (!rgb)
        return tn_fail("%s: damaged image: it cannot be decoded (%s)", name, stbi_failure_reason());
    tn_status status = tn_image_create(h, w, 3, out);
    if (status == TN_OK) memcpy(out->data, rgb, (size_t)h * (size_t)w * 3);
    stbi_image_free(rgb);
    return status == TN_OK ? TN_OK : tn_fail_in("%s", name);
}

typedef struct sink {
    uint8_t *bytes;
    size_t size, room;
    bool failed;
} sink;

static void append(void *context, void *data, int n) {
    sink *s = context;
    if (s->failed || n < 0) return;
    if (s->room - s->size < (size_t)n) {
        size_t room = 2 * s->room + (size_t)n;
        uint8_t *grown = realloc(s->bytes, room);
        if (!grown) {
            s->failed = true;
            return;
        }
        s->bytes = grown;
        s->room = room;
    }
    memcpy(s->bytes + s->size, data, (size_t)n);
    s->size += (size_t)n;
}

tn_status tn_backend_encode(const tn_image *image, tn_image_format format, uint8_t **bytes,
                            size_t *size) {
    *bytes = NULL;
    *size = 0;
    sink s = {0};
    int written = 0;
    switch (format) {
    case TN_IMAGE_PNG:
        written = stbi_write_png_to_func(append, &s, image->w, image->h, image->c, image->data,
                                         image->w * image->c);
        break;
    case TN_IMAGE_JPEG:
        written = stbi_write_jpg_to_func(append, &s, image->w, image->h, image->c, image->data, 95);
        break;
    case TN_IMAGE_BMP:
        written = stbi_write_bmp_to_func(append, &s, image->w, image->h, image->c, image->data);
        break;
    }
    if (!written || s.failed || s.size == 0) {
        free(s.bytes);
        return tn_fail("an image of %d x %d cannot be encoded", image->w, image->h);
    }
    *bytes = s.bytes;
    *size = s.size;
    return TN_OK;
}

tn_status tn_backend_median(tn_image *image) {
    (void)image;
    return tn_fail("denoise=median needs OpenCV: build with OPENCV=1, or use denoise=srad");
}

tn_status tn_backend_nlm(tn_image *image) {
    (void)image;
    return tn_fail("denoise=nlm needs OpenCV: build with OPENCV=1, or use denoise=srad");
}

const char *tn_backend_name(void) {
    return "stb_image";
}

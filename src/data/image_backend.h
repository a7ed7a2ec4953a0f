/* What image_opencv.cpp and image_stb.c each provide: exactly one of them is in a build. */
#ifndef TN_DATA_IMAGE_BACKEND_H
#define TN_DATA_IMAGE_BACKEND_H

#include "src/data/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_image_format { TN_IMAGE_PNG, TN_IMAGE_JPEG, TN_IMAGE_BMP } tn_image_format;

/* Decodes to RGB as stored: EXIF is not applied. `name` is for messages. */
tn_status tn_backend_decode(const void *bytes, size_t size, const char *name, tn_image *out);

/* Encodes into memory that the caller frees with free(). */
tn_status tn_backend_encode(const tn_image *image, tn_image_format format, uint8_t **bytes,
                            size_t *size);

/* "OpenCV 4.6.0", "stb_image". */
const char *tn_backend_name(void);

tn_status tn_backend_median(tn_image *image);
tn_status tn_backend_nlm(tn_image *image);

#ifdef __cplusplus
}
#endif
#endif

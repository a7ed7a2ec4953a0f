/* Images as they come from disk: 8 bits a sample, rows of interleaved channels (H,W,C), RGB or grey.
 *
 * Decoding, drawing and denoising are OpenCV's (image_opencv.cpp) or, for decoding alone,
 * stb_image's (image_stb.c); what is here is the same with either. */
#ifndef TN_DATA_IMAGE_H
#define TN_DATA_IMAGE_H

#include "layers/device/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_image {
    int h, w, c;   /* c is 1 (grey) or 3 (RGB, in this order) */
    uint8_t *data; /* h*w*c bytes, row after row; owned: tn_image_free */
} tn_image;

/* Zero-filled image of the given size. Fails on sizes below 1 or above 1<<15 a side. */
tn_status tn_image_create(int h, int w, int c, tn_image *out);
void tn_image_free(tn_image *image);

/* Reads a JPEG, PNG or BMP file as `channels` (1 or 3) channels, turned upright by its EXIF
 * orientation. A missing, empty, truncated or damaged file is an error naming it: decoders accept a
 * quarter of a JPEG without a word, so the file's structure is checked to its end first. */
tn_status tn_image_load(const char *path, int channels, tn_image *out);

/* As tn_image_load, from memory; `name` is what messages call it. */
tn_status tn_image_decode(const void *bytes, size_t size, const char *name, int channels,
                          tn_image *out);

/* Checks that bytes are a whole JPEG, PNG or BMP, by walking its markers or chunks to the end. */
tn_status tn_image_check(const void *bytes, size_t size, const char *name);

/* Writes PNG (".png") or JPEG (".jpg", quality 95), whichever the name's end says. */
tn_status tn_image_save(const tn_image *image, const char *path);

/* Copies the rectangle (x, y, w, h), which may reach outside: what lies there repeats the border. */
tn_status tn_image_crop(const tn_image *image, int x, int y, int w, int h, tn_image *out);

/* Resizes to (h, w): area averaging when shrinking, bilinear when growing. */
tn_status tn_image_resize(const tn_image *image, int h, int w, tn_image *out);

typedef enum tn_denoise { TN_DENOISE_NONE, TN_DENOISE_MEDIAN, TN_DENOISE_NLM, TN_DENOISE_SRAD } tn_denoise;

/* "none", "median" (3x3), "nlm" (non-local means) or "srad" (speckle-reducing anisotropic
 * diffusion, Yu and Acton 2002); anything else fails. */
tn_status tn_denoise_parse(const char *text, tn_denoise *out);
const char *tn_denoise_name(tn_denoise kind);
tn_status tn_image_denoise(tn_image *image, tn_denoise kind);

#ifdef __cplusplus
}
#endif
#endif

/* Images as they come from disk: 8 bits a sample, rows of interleaved channels (H,W,C), RGB or
 * grey.
 *
 * Decoding, encoding, two of the denoisers and video are OpenCV's (image_opencv.cpp) or, for
 * decoding and encoding alone, stb_image's (image_stb.c). Everything else, the EXIF orientation and
 * the conversion to grey among it, is ours, so that builds with and without OpenCV agree. */
#ifndef TN_DATA_IMAGE_H
#define TN_DATA_IMAGE_H

#include "layers/device/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TN_IMAGE_MAX_SIDE = 1 << 15,  /* rows or columns */
    TN_IMAGE_MAX_PIXELS = 1 << 27 /* rows x columns: what a hostile header may make us allocate */
};

typedef struct tn_image {
    int h, w, c;   /* c is 1 (grey) or 3 (RGB, in this order) */
    uint8_t *data; /* h*w*c bytes, row after row; owned: tn_image_free */
} tn_image;

/* Zero-filled image of the given size. Fails on sizes below 1 or above the limits. */
tn_status tn_image_create(int h, int w, int c, tn_image *out);

/* Frees the pixels and zeroes the struct; freeing twice, or a zeroed struct, is fine. */
void tn_image_free(tn_image *image);

tn_status tn_image_copy(const tn_image *image, tn_image *out);

/* Reads a JPEG, PNG or BMP file as `channels` (1 or 3) channels, turned upright by its EXIF
 * orientation. A missing, empty, truncated or damaged file is an error naming it: decoders accept a
 * quarter of a JPEG without a word, so the file's structure is checked to its end first. */
tn_status tn_image_load(const char *path, int channels, tn_image *out);

/* As tn_image_load, from memory; `name` is what messages call it. */
tn_status tn_image_decode(const void *bytes, size_t size, const char *name, int channels,
                          tn_image *out);

/* Checks that bytes are a whole JPEG, PNG or BMP, by walking its markers or chunks to the end.
 * A sequential JPEG's blocks are counted too, so that a stretch lost or overwritten inside is found
 * (nearly always: such data may happen to decode). What follows the end (a JPEG's EOI, a PNG's
 * IEND) is ignored. */
tn_status tn_image_check(const void *bytes, size_t size, const char *name);

/* The EXIF orientation, 1 to 8, of a JPEG or PNG that tn_image_check has passed; 1 when it has none
 * or a damaged one. */
int tn_image_exif_orientation(const void *bytes, size_t size);

/* Writes PNG (".png"), JPEG (".jpg", ".jpeg", quality 95) or BMP (".bmp"), as the name's end says.
 */
tn_status tn_image_save(const tn_image *image, const char *path);

/* Copies the rectangle (x, y, w, h), which may reach outside: what lies there repeats the border.
 */
tn_status tn_image_crop(const tn_image *image, int x, int y, int w, int h, tn_image *out);

/* Resizes to (h, w): area averaging along a side that shrinks, bilinear along one that grows
 * (pixel centres at half-integers). The same size gives an exact copy. */
tn_status tn_image_resize(const tn_image *image, int h, int w, tn_image *out);

/* Mirrored left to right, in place. */
void tn_image_flip(tn_image *image);

/* Turns an image upright that was stored with this EXIF orientation (1 to 8), in place. */
tn_status tn_image_orient(tn_image *image, int orientation);

/* RGB to grey (ITU-R BT.601 luma; equal channels stay exactly what they were) or grey to RGB, in
 * place; nothing when the image has that many channels already. */
tn_status tn_image_set_channels(tn_image *image, int channels);

typedef enum tn_denoise {
    TN_DENOISE_NONE,
    TN_DENOISE_MEDIAN,
    TN_DENOISE_NLM,
    TN_DENOISE_SRAD
} tn_denoise;

/* "none", "median" (3x3), "nlm" (non-local means, Buades 2005, strength 10, 7x7 patches in 21x21)
 * or "srad" (speckle-reducing anisotropic diffusion, Yu and Acton 2002); anything else fails. */
tn_status tn_denoise_parse(const char *text, tn_denoise *out);
const char *tn_denoise_name(tn_denoise kind);

/* In place. median and nlm are OpenCV's: a build with OPENCV=0 fails, naming the option. */
tn_status tn_image_denoise(tn_image *image, tn_denoise kind);

#ifdef __cplusplus
}
#endif
#endif

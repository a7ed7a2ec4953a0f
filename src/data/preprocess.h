/* From an image to what a net reads: the one place where geometry and numbers are decided, so that
 * training, validation and prediction cannot disagree. */
#ifndef TN_DATA_PREPROCESS_H
#define TN_DATA_PREPROCESS_H

#include "src/data/datafile.h"
#include "src/data/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The square around a box (x, y, w, h, in pixels, fractions allowed) with context: its side is
 * max(w, h) * (1 + 2 margin), rounded, centred on the box. It is moved inside the frame where it
 * fits there; along a side of the frame shorter than the square, the border is repeated. Never
 * squashed: taller than wide is a sign. The DDTI converter and `predict -roi` both call this.
 * Fails on a box that is empty, not finite or wholly outside the frame, or a margin outside 0..10.
 */
tn_status tn_crop_square(const tn_image *frame, double x, double y, double w, double h,
                         double margin, tn_image *out);

/* Where in a frame of frame_w x frame_h pixels that square lies: (x, y) may be outside. */
tn_status tn_crop_square_place(int frame_w, int frame_h, double x, double y, double w, double h,
                               double margin, int *left, int *top, int *side);

/* Size and numbers of a net's input: (h, w, c), x = (v / 255 - mean[channel]) / std[channel]. */
typedef struct tn_input_format {
    int h, w, c;
    float mean[3], std[3];
} tn_input_format;

/* The format for a net of this input size. Fails when `preprocess` names other channels. NULL means
 * mean 0 and standard deviation 1. */
tn_status tn_input_format_create(const tn_preprocess *preprocess, int h, int w, int c,
                                 tn_input_format *out);

typedef enum tn_fit {
    TN_FIT_CENTRE,   /* shorter side = net width, then the centre h x w: train's and valid's */
    TN_FIT_SQUASH,   /* h x w whatever the aspect: Darknet's validcrop and test */
    TN_FIT_LETTERBOX /* whole image inside h x w: Debian's predict (-letterbox) */
} tn_fit;

/* Brings an image to h x w; with TN_FIT_LETTERBOX to the largest size of its own aspect inside.
 * An image that has the size already is copied bit for bit. */
tn_status tn_image_fit(const tn_image *image, tn_fit fit, int h, int w, tn_image *out);

/* What each of the 256 values becomes, per channel. */
void tn_input_table(const tn_input_format *format, float table[3][256]);

/* The values of an image of exactly the format's h x w, dense (h,w,c), channels changed as the
 * format asks: tn_input_table makes of them what tn_image_to_input does. */
tn_status tn_image_to_bytes(const tn_image *image, const tn_input_format *format, uint8_t *out);

/* The numbers of an image at most h x w of the format, as dense floats (h,w,c). A smaller image
 * stands in the middle of value 0.5. Channels are changed (grey, RGB) as the format asks. */
tn_status tn_image_to_input(const tn_image *image, const tn_input_format *format, float *out);

/* tn_image_fit and tn_image_to_input in one. */
tn_status tn_image_fit_to_input(const tn_image *image, tn_fit fit, const tn_input_format *format,
                                float *out);

enum { TN_VIEWS = 10 };

/* Ten-view testing: view 0..4 are the corners and the centre of the image fitted to (h+32, w+32),
 * 5..9 their mirror images. (Darknet's valid10 means these, but cuts three of its five windows
 * partly outside the image.) */
tn_status tn_image_view_to_input(const tn_image *image, int view, const tn_input_format *format,
                                 float *out);

/* Resizes so that the shorter side is `side`, for validfull and validmulti. */
tn_status tn_image_resize_shorter(const tn_image *image, int side, tn_image *out);

#ifdef __cplusplus
}
#endif
#endif

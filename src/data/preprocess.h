/* From an image to what a net reads: the one place where geometry and numbers are decided. */
#ifndef TN_DATA_PREPROCESS_H
#define TN_DATA_PREPROCESS_H

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

#ifdef __cplusplus
}
#endif
#endif

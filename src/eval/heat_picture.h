/* Heat maps as pictures: what the net was shown, beside it the same under its heat. */
#ifndef TN_EVAL_HEAT_PICTURE_H
#define TN_EVAL_HEAT_PICTURE_H

#include "src/data/preprocess.h"
#include "src/eval/heat.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One view of an image: what is fitted to the net, and its map. */
typedef struct tn_heat_row {
    const tn_image *image;   /* not yet fitted */
    const tn_image *regions; /* its size, see pointing.h; NULL: nothing is known of places */
    tn_fit fit;
    int h, w;            /* the net's input, for its aspect */
    const tn_heat *heat; /* over the net's input */
    const char *title;   /* above the row; lines end in '\n' */
} tn_heat_row;

/* Draws rows one below the other: image | image under its heat | scale from 0 to the hottest place.
 * Outlines of nodules are green, of crops blue. `footer` stands below. */
tn_status tn_heat_draw(const tn_heat_row *rows, int n, const char *footer, tn_image *out);

/* tn_image_fit, and where that is smaller than h x w the rest filled with `value` all around, as
 * tn_image_to_input does. */
tn_status tn_heat_fit(const tn_image *image, tn_fit fit, int h, int w, uint8_t value,
                      tn_image *out);

#ifdef __cplusplus
}
#endif
#endif

/* Drawing on images: lines, boxes and text, for charts and for what `demo` shows. Everything is
 * clipped to the image. Grey images take the colour's luma. */
#ifndef TN_DATA_CANVAS_H
#define TN_DATA_CANVAS_H

#include "src/data/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_colour {
    uint8_t r, g, b;
} tn_colour;

enum { TN_FONT_WIDTH = 6, TN_FONT_HEIGHT = 9 }; /* a letter's cell, gaps included, at scale 1 */

/* Fills the rectangle with its top left corner at (x, y). */
void tn_draw_box(tn_image *image, int x, int y, int w, int h, tn_colour colour);

/* Its outline, `thickness` pixels wide, inside the rectangle. */
void tn_draw_frame(tn_image *image, int x, int y, int w, int h, int thickness, tn_colour colour);

/* A line of `thickness` pixels from (x0, y0) to (x1, y1), both ends drawn. */
void tn_draw_line(tn_image *image, double x0, double y0, double x1, double y1, int thickness,
                  tn_colour colour);

/* Text with its top left corner at (x, y), letters `scale` times 5 x 7 pixels. ASCII; any other
 * character (a whole UTF-8 sequence counts as one) is drawn as a box. '\n' starts a new line. */
void tn_draw_text(tn_image *image, int x, int y, int scale, tn_colour colour, const char *text);

/* Pixels that the longest line of `text` takes. */
int tn_text_width(const char *text, int scale);

#ifdef __cplusplus
}
#endif
#endif

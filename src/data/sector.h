/* The ultrasound picture inside a scanner's frame, and the cuts that stay inside it.
 *
 * Scanners and clinics write around the picture: settings, scales, and in some frames of DDTI the
 * diagnosis itself. A crop with context around a large nodule reaches that text; a net could read
 * its answer there. These cuts see the picture alone. The converter and the prediction of a nodule
 * in a whole frame both call them, so that a net is shown what it was trained on. */
#ifndef TN_DATA_SECTOR_H
#define TN_DATA_SECTOR_H

#include "src/data/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pixels x..x+w-1, y..y+h-1. */
typedef struct tn_sector {
    int x, y, w, h;
} tn_sector;

/* Finds the picture: the longest runs of rows and columns in which many pixels are lit. Text,
 * scales and the grey bar lie outside. The whole frame when nothing of the kind is found, as in an
 * image that was cut before. */
tn_sector tn_find_sector(const tn_image *frame);

/* The frame with everything outside the picture black. A box (x, y, w, h) that leaves the picture
 * makes it larger, so what a user points at is always seen. Fails on a box outside the frame. */
tn_status tn_sector_only(const tn_image *frame, double x, double y, double w, double h,
                         tn_image *out);

/* tn_crop_square around the box in tn_sector_only's frame: context, and never burned-in text. */
tn_status tn_crop_nodule(const tn_image *frame, double x, double y, double w, double h,
                         double margin, tn_image *out);

/* The part of an image that `box` names (inside it), in the middle of a black square. */
tn_status tn_crop_box(const tn_image *image, tn_sector box, tn_image *out);

/* The picture in the middle of a black square: nothing is squashed. */
tn_status tn_crop_sector(const tn_image *frame, tn_image *out);

#ifdef __cplusplus
}
#endif
#endif

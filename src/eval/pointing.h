/* Where the heat lies: the energy-based pointing game (Wang et al. 2020, Score-CAM, section 4.3),
 * for regions that a radiologist drew and for what a scanner wrote beside its picture. */
#ifndef TN_EVAL_POINTING_H
#define TN_EVAL_POINTING_H

#include "src/data/image.h"
#include "src/eval/heat.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Channels of a 3-channel image of regions, 255 inside: what tn_pointing_measure reads. Such an
 * image is cut and resized as its frame is, so the two lie on one another. */
enum {
    TN_REGION_NODULE,
    TN_REGION_PICTURE, /* the ultrasound picture, without what the scanner wrote around it */
    TN_REGION_CROP,    /* what a net of nodule crops is shown of a frame */
    TN_REGION_CHANNELS
};

typedef struct tn_pointing {
    bool has_heat;  /* false: the map is zero everywhere, and no share means anything */
    double nodule;  /* share of the heat inside the nodule: energy-based pointing game */
    double outside; /* share outside the ultrasound picture, where text is */
    double area;    /* share of the view that the nodule covers: what a blind map would score */
    double outside_area;
    bool hit; /* the hottest place lies in the nodule: the pointing game */
} tn_pointing;

/* Blackens what lies outside the ultrasound picture: does the answer stand without the text? The
 * regions are of the image's size. */
void tn_pointing_keep_picture(tn_image *image, const tn_image *regions);

/* The heat, brought to the size of `regions`, weighed by them. */
tn_status tn_pointing_measure(const tn_heat *heat, const tn_image *regions, tn_pointing *out);

#ifdef __cplusplus
}
#endif
#endif

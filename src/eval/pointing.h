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
enum { TN_REGION_NODULE, TN_REGION_PICTURE, TN_REGION_CHANNELS = 3 };

typedef struct tn_pointing {
    bool has_heat;  /* false: the map is zero everywhere, and no share means anything */
    double nodule;  /* share of the heat inside the nodule: energy-based pointing game */
    double outside; /* share outside the ultrasound picture, where text is */
    double area;    /* share of the view that the nodule covers: what a blind map would score */
    bool hit;       /* the hottest place lies in the nodule: the pointing game */
} tn_pointing;

/* The heat, brought to the size of `regions`, weighed by them. */
tn_status tn_pointing_measure(const tn_heat *heat, const tn_image *regions, tn_pointing *out);

#ifdef __cplusplus
}
#endif
#endif

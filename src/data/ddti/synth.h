/* A generated folder shaped like the DDTI: for trying and testing everything without the real one.
 *
 * Frames of 560x360 with layers of tissue under multiplicative speckle, and nodules whose look
 * follows their TI-RADS grade: smooth, wide, iso- or hyperechoic, spongiform or cystic when low;
 * irregular, taller than wide, dark, with bright specks when high. Grades overlap, so that a net
 * has something to learn and cannot learn it perfectly. Every oddity of the real files is in it. */
#ifndef TN_DATA_DDTI_SYNTH_H
#define TN_DATA_DDTI_SYNTH_H

#include "src/data/ddti/convert.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_DDTI_SYNTH_LEAST = 12, TN_DDTI_SYNTH_MOST = 5000 };

typedef struct tn_ddti_synth_counts {
    int cases, images;
} tn_ddti_synth_counts;

/* Writes `cases` case files and their images into `folder`, which is made, and must be empty where
 * it exists. The same cases, seed and version give the same bytes of XML. */
tn_status tn_ddti_synth(const char *folder, int cases, uint64_t seed, tn_ddti_progress progress,
                        void *context, tn_ddti_synth_counts *out);

/* How one nodule looks and where; lengths in pixels. */
typedef struct tn_ddti_nodule {
    double x, y, rx, ry; /* centre and half axes */
    double echo;         /* brightness relative to the tissue around: below 1 is hypoechoic */
    double roughness;    /* of the border: 0 smooth, 0.3 spiculated */
    double phase[4];     /* of the border's waves */
    double cystic;       /* share of dark holes */
    int specks;          /* microcalcifications */
    double shadow;       /* darkening below: 0 none */
} tn_ddti_nodule;

/* The border's distance from the centre in direction `angle`, in parts of the ellipse's: 1 +- . */
double tn_ddti_nodule_border(const tn_ddti_nodule *nodule, double angle);

/* Draws a frame of TN_DDTI_WIDTH x TN_DDTI_HEIGHT: tissue, speckle, nodules, scanner's marks.
 * `panes` is 1 or 2 (split screen); `text` (may be NULL) is burned in at the bottom; `coloured`
 * adds the coloured cursors of some real frames. Nodules lie within the ultrasound picture's area.
 */
tn_status tn_ddti_draw_frame(const tn_ddti_nodule *nodules, int count, int panes, const char *text,
                             int coloured, uint64_t seed, uint32_t frame, tn_image *out);

#ifdef __cplusplus
}
#endif
#endif

/* Training augmentation: Darknet's random window, mirror and colour changes, in one pass from
 * bytes to the net's numbers, and mixing of samples.
 *
 * Every choice comes from the tn_rng that the caller gives, so a sample can be made again. */
#ifndef TN_DATA_AUGMENT_H
#define TN_DATA_AUGMENT_H

#include "layers/device/rng.h"
#include "src/data/image.h"
#include "src/data/preprocess.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_border { TN_BORDER_BLACK, TN_BORDER_REPLICATE } tn_border;

/* Keys of [net] of the same names. Zero is not neutral: start from tn_augment_none. */
typedef struct tn_augment {
    int min_crop, max_crop; /* pixels that the image's shorter side is scaled to, before a window
                             * of the net's size is cut; drawn uniformly from this range */
    float angle;            /* turned by up to this many degrees, both ways */
    float aspect;           /* widened or narrowed by up to this factor; 1: kept */
    bool flip;              /* mirrored left to right half of the time */
    float hue;              /* part of the colour circle, both ways */
    float saturation, exposure; /* factors of at most this, or one over it */
    tn_border border;           /* what lies outside the image: Darknet's is black */
    bool mixup, cutmix;         /* half of the samples are mixed with another; both: either way */
    float label_smooth_eps;     /* truth is 1 - eps, and eps / (classes - 1) elsewhere */
} tn_augment;

/* Nothing happens: the centre window of an image scaled to the net's width. */
tn_augment tn_augment_none(int w);

/* Fails naming the key when a value makes no sense. */
tn_status tn_augment_check(const tn_augment *augment);

/* What chance decided for one sample. */
typedef struct tn_augment_draw {
    double scale;  /* window pixels an image pixel */
    double aspect; /* image x is divided by it */
    double angle;  /* radians */
    double dx, dy; /* shift of the window, in window pixels */
    bool flip;
    float hue, saturation, exposure;
} tn_augment_draw;

/* Draws for an image of (image_h, image_w) and a net of (h, w). */
tn_augment_draw tn_augment_draw_for(const tn_augment *augment, int image_h, int image_w, int h,
                                    int w, tn_rng *rng);

/* Makes the sample that was drawn: dense floats (h,w,c) as the format says, sampled bilinearly with
 * pixel centres at half-integers. The image must have the format's channels. */
tn_status tn_augment_apply(const tn_image *image, const tn_augment_draw *draw, tn_border border,
                           const tn_input_format *format, float *out);

/* The truth of a sample: (classes) numbers that add up to 1. label -1 gives zeros. */
void tn_truth_fill(int label, int classes, float label_smooth_eps, float *truth);

typedef enum tn_mix_kind {
    TN_MIX_NONE,
    TN_MIX_MEAN, /* mixup: the mean of both */
    TN_MIX_PASTE /* cutmix: a rectangle of the other one */
} tn_mix_kind;

/* How a sample and its partner are put together. */
typedef struct tn_mix {
    tn_mix_kind kind;
    uint32_t partner; /* index of the other image */
    int x, y, w, h;   /* PASTE: the rectangle that comes from the partner */
} tn_mix;

/* Draws whether and how a sample of an (h, w) net is mixed with one of n images. */
tn_mix tn_mix_draw(const tn_augment *augment, uint32_t n, int h, int w, tn_rng *rng);

/* Mixes sample `other` into x (h,w,c) and its truth into `truth`, by mean or by area. */
void tn_mix_apply(const tn_mix *mix, int h, int w, int c, int classes, const float *other,
                  const float *other_truth, float *x, float *truth);

#ifdef __cplusplus
}
#endif
#endif

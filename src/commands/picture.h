/* From an image file to what the net reads: the same cutting and denoising as in training. */
#ifndef TN_COMMANDS_PICTURE_H
#define TN_COMMANDS_PICTURE_H

#include "src/commands/model.h"
#include "src/data/ddti/case.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an image is taken for, and so what is done to it. */
typedef enum tn_picture_kind {
    TN_PICTURE_FRAME,        /* a whole frame, as the net was trained on */
    TN_PICTURE_ASSUMED_CROP, /* the net wants nodule crops and nobody said what this is */
    TN_PICTURE_NODULE_CROP,  /* -cropped: as training's lists hold it */
    TN_PICTURE_ROI,          /* cut around -roi */
    TN_PICTURE_XML,          /* cut around an outline of -xml */
} tn_picture_kind;

/* "frame", "assumed_crop", "nodule_crop", "roi", "xml": stable, for programs. */
const char *tn_picture_kind_name(tn_picture_kind kind);

typedef struct tn_picture_options {
    const char *roi; /* "x,y,w,h" in pixels of the frame; NULL: none */
    const char *xml; /* a DDTI case file; NULL: none */
    int outline;     /* of the outlines in -xml, 0 the largest */
    int cropped;     /* images are as training's lists hold them: cut and denoised */
    int letterbox;
    tn_fit fit;
} tn_picture_options;

/* The options made ready for many images. */
typedef struct tn_picture_plan {
    const tn_model *model;
    tn_fit fit;
    tn_picture_kind kind;
    bool prepared; /* nothing is left to be cut or denoised */
    double roi[4];
    int outline;
    tn_ddti_case *record; /* of -xml */
    const char *xml;
} tn_picture_plan;

/* Fails where the options contradict each other or the net. Free with tn_picture_plan_close. */
tn_status tn_picture_plan_open(tn_picture_plan *plan, const tn_model *model,
                               const tn_picture_options *options);
void tn_picture_plan_close(tn_picture_plan *plan);

/* The mark of a case (read from `xml`) on the image at `path`: by its name NUMBER_K.jpg, else the
 * only one there is. */
tn_status tn_picture_find_mark(const tn_ddti_case *record, const char *xml, const char *path,
                               const tn_ddti_mark **mark);

/* "x,y,w,h" in pixels. */
tn_status tn_picture_read_roi(const char *text, double roi[4]);

/* Reads an image and does to it what was done in training; at its own size. */
tn_status tn_picture_load(const tn_picture_plan *plan, const char *path, tn_image *out);

/* As tn_picture_load for an image in memory (a frame of a video), which is taken over. */
tn_status tn_picture_prepare(const tn_picture_plan *plan, tn_image *image, const char *name);

/* tn_picture_load, fitted to the net: dense floats (h,w,c). */
tn_status tn_picture_read(const tn_picture_plan *plan, const char *path, float *x);

#ifdef __cplusplus
}
#endif
#endif

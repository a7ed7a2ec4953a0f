/* What a heat map is laid over: the image as the net is shown it, and where in it the nodule and
 * the ultrasound picture lie, as far as that is known. */
#ifndef TN_COMMANDS_HEAT_VIEW_H
#define TN_COMMANDS_HEAT_VIEW_H

#include "src/commands/picture.h"
#include "src/data/csv.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_heat_view_options {
    const char *roi;      /* "x,y,w,h" of the nodule in a frame; NULL: none */
    const char *xml;      /* a DDTI case file, or the folder of them; NULL: none */
    const char *manifest; /* of `ddti convert`; NULL: the one beside DATA, if there is one */
    int outline, cropped, letterbox;
} tn_heat_view_options;

/* The options made ready for many images. */
typedef struct tn_heat_viewer {
    const tn_model *model;
    tn_heat_view_options options;
    bool xml_is_folder, has_manifest;
    double roi[4];
    tn_csv manifest;
} tn_heat_viewer;

tn_status tn_heat_viewer_open(tn_heat_viewer *viewer, const tn_model *model,
                              const tn_heat_view_options *options);
void tn_heat_viewer_close(tn_heat_viewer *viewer);

typedef struct tn_heat_view {
    tn_picture_kind kind;
    tn_fit fit;
    tn_image image; /* what the net is asked about, not yet fitted; as many channels as it reads */
    tn_image regions;   /* as large, see eval/pointing.h; data NULL: nothing is known */
    const char *nodule; /* where the nodule's place comes from: "outline", "box"; NULL: unknown */
    /* The whole frame, where `image` is a crop of one that can be found; else data NULL. */
    tn_image frame, frame_regions;
} tn_heat_view;

/* Reads the image at `path` and what belongs to it. A net of nodule crops is shown the crop that
 * -roi or the outline asks for, or the image as it is; a net of frames the frame. */
tn_status tn_heat_view_load(const tn_heat_viewer *viewer, const char *path, tn_heat_view *out);
void tn_heat_view_free(tn_heat_view *view);

#ifdef __cplusplus
}
#endif
#endif

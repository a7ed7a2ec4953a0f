/* What gradcam says of an image: as text, as JSON, in the picture; and of all images together. */
#ifndef TN_COMMANDS_GRADCAM_PRINT_H
#define TN_COMMANDS_GRADCAM_PRINT_H

#include "src/commands/heat_view.h"
#include "src/eval/heat.h"
#include "src/eval/pointing.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_gradcam_view {
    int class_index, predicted;
    double probability;  /* of class_index */
    double picture_only; /* the same with all around the ultrasound picture black; NAN: not tried */
    tn_heat heat;
    bool has_regions;
    tn_pointing pointing; /* with has_regions */
} tn_gradcam_view;

typedef struct tn_gradcam_answer {
    const char *image, *method, *layer;
    char *png, *raw; /* raw: NULL when not asked for */
    tn_picture_kind input;
    const char *nodule; /* "outline", "box"; NULL: unknown where it lies */
    tn_gradcam_view shown, frame;
    bool has_frame;
    double correlation; /* with the map of fresh weights; NAN: not tried */
} tn_gradcam_answer;

tn_status tn_gradcam_print(const tn_model *model, const tn_gradcam_answer *answer, bool json);

enum { TN_GRADCAM_TITLE = 512 };
/* Lines above the picture's rows. */
void tn_gradcam_title(const tn_model *model, const tn_gradcam_answer *answer,
                      char title[TN_GRADCAM_TITLE]);
void tn_gradcam_frame_title(const tn_model *model, const tn_gradcam_answer *answer,
                            char title[TN_GRADCAM_TITLE]);

/* Over all images so far; zero is a valid empty one. */
typedef struct tn_gradcam_summary {
    int images, cold, with_nodule, hits, correlated;
    double nodule, area, correlation; /* sums */
} tn_gradcam_summary;
void tn_gradcam_count(tn_gradcam_summary *summary, const tn_gradcam_answer *answer);
void tn_gradcam_print_summary(const tn_gradcam_summary *summary);

#ifdef __cplusplus
}
#endif
#endif

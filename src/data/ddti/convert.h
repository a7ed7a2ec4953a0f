/* The conversion itself: pixels cut and written, then the lists that name them. */
#ifndef TN_DATA_DDTI_CONVERT_H
#define TN_DATA_DDTI_CONVERT_H

#include "src/data/ddti/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Called after each source image. */
typedef void (*tn_ddti_progress)(void *context, int done, int total);

/* Writes the images of a plan under OUT/images/<label>/, then the lists, names, .data file and
 * manifest.csv; with folds, fold<i>/ with its own lists and .data file too. Every file is put in
 * place whole and the lists come last, so a run that fails leaves the lists that were there.
 * `out` is written into the lists as given. Fails on a folder that Darknet's files cannot name,
 * that holds a label's text, or that is the source folder, before anything is written. */
tn_status tn_ddti_convert(const tn_ddti_collection *collection, const tn_ddti_settings *settings,
                          const tn_ddti_plan *plan, const char *out, tn_ddti_progress progress,
                          void *context);

/* The names of TN_DDTI_CROP_*: "nodule", "frame", "none". */
const char *tn_ddti_crop_name(tn_ddti_crop crop);

/* What one output of a plan looks like; `frame` is the denoised source image. */
tn_status tn_ddti_render(const tn_image *frame, const tn_ddti_settings *settings,
                         const tn_ddti_sample *sample, const tn_ddti_output *output, tn_image *out);

/* Lists and tables of a conversion whose images are written; paths[i] is outputs[i]'s. */
tn_status tn_ddti_write_lists(const tn_ddti_collection *collection,
                              const tn_ddti_settings *settings, const tn_ddti_plan *plan,
                              const char *out, const char *const *paths);

#ifdef __cplusplus
}
#endif
#endif

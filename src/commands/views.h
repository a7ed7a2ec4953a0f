/* A list of images through a net, each seen in one way or in several whose answers are averaged. */
#ifndef TN_COMMANDS_VIEWS_H
#define TN_COMMANDS_VIEWS_H

#include "src/commands/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_views {
    TN_VIEWS_ONE,    /* as in training's validation and in predict */
    TN_VIEWS_SQUASH, /* validcrop: resized to the net's size whatever the aspect */
    TN_VIEWS_TEN,    /* valid10: corners and centre, and their mirror images */
    TN_VIEWS_FULL,   /* validfull: the whole image, the net planned for its size */
    TN_VIEWS_MULTI,  /* validmulti: whole, in five sizes, and their mirror images */
} tn_views;

/* "one", "squash", "ten", "full", "multi". */
const char *tn_views_name(tn_views views);

/* Receives image `index` of the list and its probabilities, in the list's order. */
typedef tn_status tn_views_fn(void *context, int index, const float *probability);

/* Fails on the first image that cannot be read (naming LIST:LINE) or answered. FULL and MULTI need
 * a net whose parameters do not depend on the input's size: one with a fully connected layer over a
 * map fails, naming the layer. */
tn_status tn_views_run(const tn_model *model, const tn_list *list, tn_views views,
                       tn_views_fn *receive, void *context);

#ifdef __cplusplus
}
#endif
#endif

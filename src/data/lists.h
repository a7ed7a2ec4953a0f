/* Labels, names and lists of images, checked whole before anything runs.
 *
 * Darknet gives an image the class whose label occurs anywhere in its path as the list writes it,
 * and goes on with none or with two. Here that rule stands, but a path must match exactly one
 * label. A line may also say it outright: PATH, a tab, LABEL. */
#ifndef TN_DATA_LISTS_H
#define TN_DATA_LISTS_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_labels {
    char *path; /* the file they were read from, for messages */
    int n;
    char **name;
} tn_labels;

/* The first `classes` lines of a labels file; lines beyond are not looked at, as in Darknet. Fails
 * on fewer lines, a blank one, white space at an end, or the same label twice. */
tn_status tn_labels_load(const char *path, int classes, tn_labels *out);

/* As tn_labels_load for a names file: what people read, so the same name may come twice. */
tn_status tn_names_load(const char *path, int classes, tn_labels *out);

tn_status tn_labels_parse(const char *text, size_t size, const char *path, int classes, bool unique,
                          tn_labels *out);
void tn_labels_free(tn_labels *labels);

/* Index of a label, -1 when there is none of that name. */
int tn_labels_find(const tn_labels *labels, const char *name);

typedef struct tn_list {
    char *path_of_list;
    int n;
    char **path; /* [n] where each image lies */
    int *label;  /* [n] class, or -1 when the list was read without labels */
    int *line;   /* [n] line of the list, from 1 */
} tn_list;

/* Reads a list file. Blank lines are passed over; everything else in a line, spaces too, belongs to
 * the path. Relative paths count from the working directory, else from the list's folder. Fails,
 * naming LIST:LINE and how many more lines are wrong, on a missing image, a path that matches no
 * label or two, an unknown label after a tab, and on an empty list. `labels` may be NULL: then
 * nothing is labelled and text after a tab is left out. */
tn_status tn_list_load(const char *path, const tn_labels *labels, tn_list *out);

/* As tn_list_load, from memory; with look = false image files are not looked for. */
tn_status tn_list_parse(const char *text, size_t size, const char *path, const tn_labels *labels,
                        bool look, tn_list *out);
void tn_list_free(tn_list *list);

/* Images of each class: counts[n], n = number of classes. */
void tn_list_count(const tn_list *list, int n, int *counts);

#ifdef __cplusplus
}
#endif
#endif

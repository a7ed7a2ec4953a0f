/* What a Darknet classifier reads besides images: list files, labels, names, the .data file; and
 * the rule that ties an image to its label, so that lists are right before anything trains on them.
 *
 * Darknet looks for every label's text anywhere in an image's path as written in the list, folders
 * included. A path in which no label, a wrong one or two occur is trained on wrongly. */
#ifndef TN_DATA_LISTING_H
#define TN_DATA_LISTING_H

#include "layers/device/status.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fails unless in each of paths[0..count) the label labels[truth[i]], and no other, occurs, exactly
 * once; and unless each path is one that Darknet's files can carry (no line break, no white space
 * at its ends). The message names the path, what occurs in it and what to rename. */
tn_status tn_labels_check(const char *const *labels, int label_count, const char *const *paths,
                          const int *truth, int count);

/* Fails when `folder`, which begins the paths of a list, cannot be written in a .data file (white
 * space is removed there, '#' and ';' begin comments) or holds one of the labels. */
tn_status tn_labels_check_folder(const char *const *labels, int label_count, const char *folder);

/* One field of a CSV row, quoted where it must be, and the separator after it (',' or '\n'). */
void tn_csv_field(FILE *to, const char *text, char separator);

/* Writes lines as `path`, put in place whole. */
tn_status tn_write_lines(const char *path, const char *const *lines, int count);

#ifdef __cplusplus
}
#endif
#endif

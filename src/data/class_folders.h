/* A folder of class folders (DIR/<class>/...), as most image collections come: its images, and what
 * must stay together when they are split. */
#ifndef TN_DATA_CLASS_FOLDERS_H
#define TN_DATA_CLASS_FOLDERS_H

#include "src/data/groups.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_class_image {
    char *path;  /* DIR/<class>/..., DIR as given */
    char *group; /* what the expression captured; the path when there is none */
    int label;   /* index in labels */
    int first;   /* index of the first image of the same group name */
    int twin;    /* index of the first image with the same bytes; itself when none is before */
    size_t size; /* bytes */
    uint64_t digest;
    char *fault; /* why it cannot be used; NULL when it can */
} tn_class_image;

typedef struct tn_class_folders {
    char **labels; /* the folders' names, sorted */
    int label_count;
    tn_class_image *images; /* by label, then path */
    int image_count;
    int other_count;  /* files that are no JPEG, PNG or BMP by their name */
    tn_groups groups; /* over images: by group name and by equal bytes */
} tn_class_folders;

/* Reads DIR's folders, at most 8 deep. `expression` is a POSIX extended regular expression that is
 * matched against each path below its class folder; its first parenthesis (or, without one, all
 * that it matches) names the group (the patient); NULL makes each image its own. An image that is
 * damaged is kept with its fault. Fails when there are fewer than two class folders with images,
 * when the expression is none, and when a path does not match it. */
tn_status tn_class_folders_open(const char *folder, const char *expression, tn_class_folders *out);
void tn_class_folders_close(tn_class_folders *folders);

/* The texts for a labels file: the class names, or, where one occurs in another's path, the names
 * between slashes ("/name/"), which tell folders apart. labels[i] is to be freed. Fails, saying
 * what to rename, when neither tells every image's class. */
tn_status tn_class_labels(const tn_class_folders *folders, char **labels);

#ifdef __cplusplus
}
#endif
#endif

/* The images that a command line names: files, folders, lists. */
#ifndef TN_COMMANDS_IMAGE_PATHS_H
#define TN_COMMANDS_IMAGE_PATHS_H

#include "layers/device/status.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is a valid empty one. */
typedef struct tn_image_paths {
    int n, capacity;
    char **path;
} tn_image_paths;

/* Adds what `word` names: every image (.jpg, .jpeg, .png, .bmp) of a folder and of those in it, in
 * the order of their names; every line of a list (a file ending in .list or .txt); else the file
 * itself, which is not looked at. *many is set for a folder or list. Fails on a folder or list that
 * cannot be read or names no image. */
tn_status tn_image_paths_add(tn_image_paths *paths, const char *word, bool *many);
void tn_image_paths_free(tn_image_paths *paths);

#ifdef __cplusplus
}
#endif
#endif

/* A folder of the DDTI: every `<number>.xml` with its `<number>_<k>.jpg`, and what is odd in them.
 */
#ifndef TN_DATA_DDTI_COLLECTION_H
#define TN_DATA_DDTI_COLLECTION_H

#include "src/data/ddti/case.h"
#include "src/data/groups.h"
#include "src/data/image.h"
#include "src/data/perceptual_hash.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* TI-RADS grades that a case file may hold, in order; "" is no grade. */
enum { TN_DDTI_GRADES = 9 };
extern const char *const tn_ddti_grade_names[TN_DDTI_GRADES];

/* Index in tn_ddti_grade_names of a grade written as "4a" or "4A"; -1 for anything else. */
int tn_ddti_grade(const char *text);

typedef struct tn_ddti_image {
    int record;               /* index in cases */
    int number;               /* k of `<number>_<k>.jpg` */
    const tn_ddti_mark *mark; /* in cases[record]; NULL when no <mark> names the image */
    char *path;
    int present;     /* the file is there and whole */
    char *fault;     /* what is wrong when it is not */
    size_t size;     /* bytes */
    uint64_t digest; /* of the file's bytes */
    int width, height, components, baseline;
    int coloured; /* pixels whose channels differ by more than 20 of 255 */
    int grey;     /* no pixel's channels differ by more than 7: JPEG rounding */
    int letters;  /* below the picture: burned_text.h */
    tn_perceptual_hash look;
    int twin; /* index of the first image with the same bytes; itself when there is none before */
} tn_ddti_image;

typedef struct tn_ddti_collection {
    char *folder;
    tn_ddti_case *cases; /* by number */
    int case_count;
    tn_ddti_image *images; /* by case, then number */
    int image_count;
    tn_groups groups; /* over cases: those that share an image's bytes are one group */
    char **unread;    /* why a case file could not be read, one text a file */
    int unread_count;
    int orphan_count; /* JPG files without a readable case */
    int other_count;  /* files that are neither `<number>.xml` nor `<number>_<k>.jpg` */
} tn_ddti_collection;

/* Reads every case and looks at every image of `folder`. A case or image that cannot be read is
 * kept as such with the reason; what fails is a folder that cannot be listed or holds no case. */
tn_status tn_ddti_collection_open(const char *folder, tn_ddti_collection *out);
void tn_ddti_collection_close(tn_ddti_collection *collection);

/* "12_1": the image's name without its ending, in a buffer that the caller gives. */
enum { TN_DDTI_NAME = 24 };
const char *tn_ddti_image_name(const tn_ddti_collection *collection, int image,
                               char name[TN_DDTI_NAME]);

/* The frame header of a JPEG: size, components, and whether it is baseline (SOF0). Returns 0 when
 * the bytes hold none. */
int tn_ddti_jpeg_frame(const void *bytes, size_t size, int *width, int *height, int *components,
                       int *baseline);

#ifdef __cplusplus
}
#endif
#endif

/* What is in a folder of the DDTI, counted: sizes, grades, and every oddity of the real files. */
#ifndef TN_DATA_DDTI_COUNTS_H
#define TN_DATA_DDTI_COUNTS_H

#include "src/data/ddti/collection.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_DDTI_BENIGN, TN_DDTI_MALIGNANT, TN_DDTI_LABELS };
extern const char *const tn_ddti_label_names[TN_DDTI_LABELS];

/* Which label a grade means; -1 excludes it. */
typedef struct tn_ddti_label_map {
    int label[TN_DDTI_GRADES];
} tn_ddti_label_map;

/* From two lists of grades, "2,3" and "4a,4b,4c,5". A grade in neither is excluded. Fails on what
 * is no grade, on a grade named twice, and on an empty list. */
tn_status tn_ddti_label_map_parse(const char *benign, const char *malignant,
                                  tn_ddti_label_map *out);

/* The label of a case; -1 when its grade is empty, unknown or excluded. */
int tn_ddti_case_label(const tn_ddti_case *record, const tn_ddti_label_map *map);

enum { TN_DDTI_MOST = 10 }; /* counts "how many have n" for n = 0..9, the last: or more */

typedef struct tn_ddti_counts {
    int cases, images, unread, orphans, other_files;
    int first_case, last_case, missing_cases; /* numbers between them that no file has */
    int cases_with_images[TN_DDTI_MOST];
    int number_mismatch; /* <number> is not the file name's */
    int grade_cases[TN_DDTI_GRADES], grade_images[TN_DDTI_GRADES], unknown_grades;
    int label_cases[TN_DDTI_LABELS], label_images[TN_DDTI_LABELS];
    int label_usable[TN_DDTI_LABELS];   /* images with a usable outline */
    int label_outlines[TN_DDTI_LABELS]; /* usable outlines */
    int empty_fields[TN_DDTI_FIELDS];   /* cases */
    int unmarked_images, missing_images, damaged_images;
    int svg_empty, svg_invalid; /* images */
    int freehand, arrows, other_regions, unusable_freehand;
    int images_with_regions[TN_DDTI_MOST];   /* where the svg could be read */
    int two_outlines, two_disjoint;          /* images of two outlines; boxes apart */
    int clamped;                             /* outlines with points outside the frame */
    int other_size, not_baseline, not_three; /* images unlike 560x360, SOF0, 3 components */
    int grey, coloured;                      /* images; over 200 coloured pixels */
    int lettered;                            /* images: text below the picture suspected */
    int near_pairs;                          /* images that look alike, bytes apart */
    int twin_sets_across, twin_sets_within;  /* sets of byte-identical images */
} tn_ddti_counts;

void tn_ddti_count(const tn_ddti_collection *collection, const tn_ddti_label_map *map,
                   tn_ddti_counts *out);

/* 1 when two images look alike (perceptual_hash.h) without being the same bytes. */
int tn_ddti_look_alike(const tn_ddti_collection *collection, int i, int j);

/* Prints the counts with the names of what is odd. */
void tn_ddti_counts_print(FILE *to, const tn_ddti_collection *collection,
                          const tn_ddti_counts *counts);

#ifdef __cplusplus
}
#endif
#endif

/* What a conversion will write, decided before any pixel is read: samples, their part of the split,
 * and with -paper the augmented copies. */
#ifndef TN_DATA_DDTI_PLAN_H
#define TN_DATA_DDTI_PLAN_H

#include "src/data/ddti/counts.h"
#include "src/data/image.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_ddti_crop {
    TN_DDTI_CROP_NODULE, /* a square with context around an outline */
    TN_DDTI_CROP_FRAME,  /* the ultrasound picture without what the scanner writes around it */
    TN_DDTI_CROP_NONE    /* the image as it is */
} tn_ddti_crop;

typedef enum tn_ddti_paper {
    TN_DDTI_PAPER_OFF,
    TN_DDTI_PAPER_SPLIT_FIRST,  /* no image has copies on both sides */
    TN_DDTI_PAPER_AUGMENT_FIRST /* copies are split like images: siblings on both sides */
} tn_ddti_paper;

/* The published counts, by label: 910 benign and 914 malignant images in two parts. */
enum {
    TN_DDTI_PAPER_TRAIN_BENIGN = 624,
    TN_DDTI_PAPER_TRAIN_MALIGNANT = 622,
    TN_DDTI_PAPER_VALID_BENIGN = 286,
    TN_DDTI_PAPER_VALID_MALIGNANT = 292
};

/* Ranges of the augmented copies. The paper names rotation, scaling and mirroring and states no
 * range; these keep a nodule's shape and the direction of its shadow. */
#define TN_DDTI_PAPER_DEGREES 15.0f
#define TN_DDTI_PAPER_SCALE   0.1f

typedef struct tn_ddti_settings {
    tn_ddti_crop crop;
    double margin; /* context on each side of a nodule, in parts of its longer side */
    tn_denoise denoise;
    int size; /* side of the written images; 0 leaves them as they are cut */
    tn_ddti_label_map map;
    int per_image;         /* the largest outline of an image alone, not every outline */
    int split_images;      /* split by image, not by case: leaks */
    double valid_fraction; /* of the samples, without folds */
    int folds, fold;       /* folds 0: one split; else `fold` is the one to validate on */
    tn_ddti_paper paper;
    uint64_t seed;
} tn_ddti_settings;

enum { TN_DDTI_TRAIN, TN_DDTI_VALID };

typedef struct tn_ddti_sample {
    int image;       /* index in the collection */
    int nodule;      /* index of the region in its mark; -1: the whole image */
    tn_ddti_box box; /* of the outline; zero for a whole image */
    int grade;       /* index in tn_ddti_grade_names; 0 none */
    int label;       /* -1 when excluded */
    int fold;        /* with folds; else TN_DDTI_TRAIN or TN_DDTI_VALID */
    char *excluded;  /* why it is not used; NULL when it is */
} tn_ddti_sample;

/* A file to be written: a sample as it is (copy 0) or an augmented copy of it (copy 1, 2, ...). */
typedef struct tn_ddti_output {
    int sample, copy, part; /* part: TN_DDTI_TRAIN, TN_DDTI_VALID; with folds the fold */
    float degrees, scale;   /* of a copy */
    int mirror;
} tn_ddti_output;

typedef struct tn_ddti_plan {
    tn_ddti_sample *samples; /* by image, then nodule; excluded ones too */
    int sample_count;
    tn_ddti_output *outputs; /* by sample, then copy */
    int output_count;
} tn_ddti_plan;

/* Decides. Fails on settings that contradict each other and where too few cases are left. */
tn_status tn_ddti_plan_make(const tn_ddti_collection *collection, const tn_ddti_settings *settings,
                            tn_ddti_plan *out);
void tn_ddti_plan_free(tn_ddti_plan *plan);

/* Whether a part (of a sample or output) is the validation side under these settings. */
int tn_ddti_is_valid(const tn_ddti_settings *settings, int part);

/* Fills plan->outputs by the paper's counts; samples have their side already (split-first). */
tn_status tn_ddti_plan_paper(const tn_ddti_settings *settings, tn_ddti_plan *plan);

#ifdef __cplusplus
}
#endif
#endif

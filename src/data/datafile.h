/* The .data file: where a data set lies, and what was done to its images.
 *
 *     classes=2
 *     train=data/ddti/train.list
 *     valid=data/ddti/valid.list
 *     labels=data/ddti/labels.list
 *     names=data/ddti/ddti.names
 *     backup=weights/
 *     positive=malignant
 *     crop=nodule
 *
 * Darknet's grammar (KEY=VALUE, '#' or ';' starts a comment line, CR LF is fine), read strictly:
 * values keep their inner spaces; an unknown or doubled key is an error naming FILE:LINE. */
#ifndef TN_DATA_DATAFILE_H
#define TN_DATA_DATAFILE_H

#include "src/data/image.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an image shows, seen from the frame that the scanner stored. */
typedef enum tn_crop {
    TN_CROP_NONE,  /* nothing was cut, or nobody said */
    TN_CROP_FRAME, /* the frame without what is burned in around the tissue */
    TN_CROP_NODULE /* a square around one nodule (tn_crop_nodule with crop_margin) */
} tn_crop;

/* What was done to the images of a data set, to be done again to every image shown to its net. */
typedef struct tn_preprocess {
    tn_crop crop;
    double crop_margin;  /* part of the box's longer side added on each side: 0.2 = 20 % */
    tn_denoise denoise;  /* done before cropping; images in the lists have been through it */
    int channels;        /* 1 or 3; 0: as many as the net reads */
    float input_mean[3]; /* of values in 0..1, per channel: x = (v / 255 - mean) / std */
    float input_std[3];  /* above 0 */
} tn_preprocess;

/* No crop, no denoising, mean 0, standard deviation 1. */
tn_preprocess tn_preprocess_default(void);

enum { TN_PREPROCESS_TEXT = 1024 }; /* bytes that hold any preprocessing text */

/* Writes the preprocessing keys as lines of a .data file. Values read back are equal. */
tn_status tn_preprocess_write(const tn_preprocess *preprocess, char *text, size_t size);

/* Reads such lines; any other key is an error. `name` is for messages. */
tn_status tn_preprocess_read(const char *text, const char *name, tn_preprocess *out);

/* Says in which key two preprocessings differ, as an error; TN_OK when they are the same. */
tn_status tn_preprocess_compare(const tn_preprocess *a, const tn_preprocess *b);

const char *tn_crop_name(tn_crop crop);

typedef struct tn_data_config {
    char *path;  /* the .data file itself */
    int classes; /* 2 when not given, with a warning */
    int top;     /* 0 when not given */
    /* NULL when not given. A relative name counts from the working directory as in Darknet; when
     * nothing is there and something is beside the .data file, that is meant. */
    char *train, *valid, *test, *labels, *names;
    char *backup;   /* folder for weights, from the working directory */
    char *positive; /* name of the class that sensitivity counts */
    tn_preprocess preprocess;
    char **warning; /* what had no effect; n_warnings lines */
    int n_warnings;
} tn_data_config;

tn_status tn_data_config_load(const char *path, tn_data_config *out);

/* As tn_data_config_load, from memory: `path` is for messages and for files beside it. */
tn_status tn_data_config_parse(const char *text, size_t size, const char *path,
                               tn_data_config *out);
void tn_data_config_free(tn_data_config *config);

#ifdef __cplusplus
}
#endif
#endif

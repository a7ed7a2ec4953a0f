/* WEIGHTS.json beside WEIGHTS: what a .weights file cannot say of itself.
 *
 * Darknet's weights are bare numbers. Which classes they answer with, what was done to the images
 * they learned from and whether their scores are calibrated is written next to them, so that valid,
 * predict and heat maps do the same to every image without being told. */
#ifndef TN_DATA_SIDECAR_H
#define TN_DATA_SIDECAR_H

#include "layers/op.h"
#include "src/data/datafile.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What `classifier calibrate` found on images that the net did not learn from. */
typedef struct tn_calibration {
    double temperature;              /* probabilities are raised to 1/temperature (calibration.h) */
    double loss_before, loss_after;  /* on those images */
    const char *list;                /* the list that names them */
    uint64_t list_digest;            /* tn_digest of its text: to know it again */
    uint64_t weights_digest;         /* of the .weights file: it holds for these weights alone */
    double images;                   /* how many */
    double threshold;                /* of the positive class, calibrated; NaN: none was chosen */
    double wanted_sensitivity;       /* what it was chosen for; these are NaN without one */
    double sensitivity, specificity; /* what it gives on those images */
    double positives;                /* how many of the images are positive */
    const char *precision;           /* what those answers were computed in; NULL: "fp32" */
} tn_calibration;

/* What `classifier quantize` found: how convolutions are given their input in 8 bits. */
typedef struct tn_sidecar_int8 {
    int n;                        /* convolutions; 0: nothing was found */
    const char *const *op;        /* [n] their names in the plan */
    const tn_quantisation *scale; /* [n] */
    const char *clip;             /* how ends of scales were chosen */
    const char *list;             /* the images they were chosen on: as in tn_calibration */
    uint64_t list_digest, weights_digest;
    double images;
    double mean_change, largest_change; /* of a probability there; NaN: not measured */
    bool calibrated;                    /* answers in 8 bits were fitted, as `calibration` says */
    tn_calibration calibration;
} tn_sidecar_int8;

typedef struct tn_sidecar {
    int classes;
    const char *const *name; /* classes of them */
    const char *positive;    /* the class that sensitivity counts; NULL: none */
    const char *cfg;         /* file name of the net, without folders */
    int width, height, channels;
    tn_preprocess preprocess;
    uint64_t seed;
    uint64_t step;              /* updates done */
    double epoch;               /* passes over the training list */
    bool calibrated;            /* scores were fitted to be probabilities, as `calibration` says */
    tn_calibration calibration; /* of answers in full precision */
    tn_sidecar_int8 int8;
    const char *notice;
    void *memory; /* what the texts lie in, after tn_sidecar_read */
} tn_sidecar;

/* Writes WEIGHTS.json whole or not at all. */
tn_status tn_sidecar_write(const char *weights, const tn_sidecar *sidecar);

/* Reads WEIGHTS.json. *found is false, and TN_OK returned, when there is none: weights from
 * elsewhere have no sidecar. A damaged or contradictory one is an error. Free with tn_sidecar_free.
 */
tn_status tn_sidecar_read(const char *weights, tn_sidecar *out, bool *found);
void tn_sidecar_free(tn_sidecar *sidecar);

#ifdef __cplusplus
}
#endif
#endif

/* Heat maps: which places of a feature map spoke for a class. Arithmetic alone; heat_net.h runs the
 * net for it. */
#ifndef TN_EVAL_HEAT_H
#define TN_EVAL_HEAT_H

#include "layers/device/status.h"
#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_heat_method {
    TN_HEAT_GRADCAM,   /* Selvaraju et al. 2017: channels weighed by their mean gradient */
    TN_HEAT_GRADCAMPP, /* Chattopadhay et al. 2018: by positive gradients, second-order weights */
    TN_HEAT_LAYERCAM,  /* Jiang et al. 2021: each place weighed by its own positive gradient */
    TN_HEAT_OCCLUSION, /* Zeiler and Fergus 2014: what covering a place takes from the class */
    TN_HEAT_METHODS
} tn_heat_method;

/* "gradcam", "gradcam++", "layercam", "occlusion". */
const char *tn_heat_method_name(tn_heat_method method);

/* One sample's map, row after row, values from 0 up. */
typedef struct tn_heat {
    int h, w;
    float *value; /* h*w; owned: tn_heat_free */
} tn_heat;

tn_status tn_heat_create(int h, int w, tn_heat *out); /* zeros */
void tn_heat_free(tn_heat *heat);

/* The map of `sample` from a feature map A (n,h,w,c) and the gradient G of the class's score (the
 * logit) with respect to it, of the same shape; sums over pixels p and channels k in double:
 *   gradcam     relu(sum_k mean_p(G) A)
 *   gradcam++   relu(sum_k A sum_p(a relu(G))), a = G^2 / (2 G^2 + G^3 sum_p A), 0 where G is 0 or
 *               the denominator is. The paper's exp(score) is left out: it scales the whole map
 *   layercam    relu(sum_k relu(G) A)
 * Fails on another method and on values that are not finite. */
tn_status tn_heat_from_gradient(tn_heat_method method, const tn_tensor *activation,
                                const tn_tensor *gradient, int sample, tn_heat *out);

/* The largest value; 0 for a map without heat. */
float tn_heat_peak(const tn_heat *heat);

/* Divides by the largest value, so that it becomes 1; a map without heat stays zero. */
void tn_heat_normalise(tn_heat *heat);

/* Bilinear, pixel centres at half-integers, borders repeated. */
tn_status tn_heat_resize(const tn_heat *heat, int h, int w, tn_heat *out);

/* The h x w places from (x, y) on, which lie inside. */
tn_status tn_heat_crop(const tn_heat *heat, int x, int y, int h, int w, tn_heat *out);

/* Spearman's rank correlation of two maps of one size, ties at their mean rank; 0 when either is
 * constant. 1: the same order of places. */
tn_status tn_heat_correlation(const tn_heat *a, const tn_heat *b, double *out);

#ifdef __cplusplus
}
#endif
#endif

/* The number type of activations and parameters, and a view of activations in memory. */
#ifndef TN_TENSOR_H
#define TN_TENSOR_H

#include "layers/device/both.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The whole net core compiles a second time with TN_REAL_DOUBLE: gradients are checked by finite
 * differences there, where rounding does not hide a wrong term. */
#ifdef TN_REAL_DOUBLE
typedef double tn_real;
#else
typedef float tn_real;
#endif

typedef enum tn_dtype { TN_REAL = 0, TN_BF16, TN_U8 } tn_dtype;

/* A batch of feature maps, NHWC: element (n, y, x, c) lies at ((n*h + y)*w + x)*pitch + c.
 *
 * `pitch` >= c is the distance between neighbouring pixels, in elements; a producer with pitch > c
 * writes straight into its part of a concatenation. data == NULL means "not wanted". */
typedef struct tn_tensor {
    void *data;
    tn_dtype dtype;
    int n, h, w, c;
    int pitch;
} tn_tensor;

/* Bytes of one element. */
TN_BOTH size_t tn_element_bytes(const tn_tensor *t) {
    return t->dtype == TN_REAL ? sizeof(tn_real) : t->dtype == TN_BF16 ? 2 : 1;
}

static inline tn_real *tn_data(const tn_tensor *t) {
    return (tn_real *)t->data;
}

/* Pixels of the whole batch: n*h*w. */
TN_BOTH size_t tn_pixels(const tn_tensor *t) {
    return (size_t)t->n * (size_t)t->h * (size_t)t->w;
}

/* Elements, gaps between pixels not counted: n*h*w*c. */
TN_BOTH size_t tn_elements(const tn_tensor *t) {
    return tn_pixels(t) * (size_t)t->c;
}

TN_BOTH bool tn_is_dense(const tn_tensor *t) {
    return t->pitch == t->c;
}

#ifdef __cplusplus
}
#endif
#endif

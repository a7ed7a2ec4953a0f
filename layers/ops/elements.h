/* How kernels in plain C find their way through a tensor. */
#ifndef TN_OPS_ELEMENTS_H
#define TN_OPS_ELEMENTS_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Channels of pixel `index`, counted through the whole batch: (n*h + y)*w + x. */
static inline tn_real *tn_pixel(const tn_tensor *t, size_t index) {
    return tn_data(t) + index * (size_t)t->pitch;
}

static inline tn_real *tn_pixel_at(const tn_tensor *t, int n, int y, int x) {
    return tn_pixel(t, ((size_t)n * t->h + y) * t->w + x);
}

/* Elements of one image. */
static inline size_t tn_image_elements(const tn_tensor *t) {
    return (size_t)t->h * t->w * t->c;
}

/* Element k, counted in Darknet's c,h,w order, of image n. */
static inline tn_real *tn_chw(const tn_tensor *t, int n, size_t k) {
    const size_t area = (size_t)t->h * t->w;
    return tn_pixel(t, n * area + k % area) + k / area;
}

/* Writes or adds, as r->accumulate asks. */
static inline void tn_put(tn_real *to, tn_real value, bool accumulate) {
    *to = accumulate ? *to + value : value;
}

/* Samples of the mini-batch that count; what follows them is padding. */
static inline int tn_valid_samples(const tn_op_run *r) {
    if (!r->step || r->step->n_valid > r->out.n) return r->out.n;
    return r->step->n_valid < 0 ? 0 : r->step->n_valid;
}

#ifdef __cplusplus
}
#endif
#endif

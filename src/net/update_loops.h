/* The loops of an update over the parameters. Plain C, compiled once for each instruction set: a
 * division and a root a value keep narrow vectors busier than memory. Every operation is rounded by
 * itself, so the bits are the same whichever serves. */
#ifndef TN_NET_UPDATE_LOOPS_H
#define TN_NET_UPDATE_LOOPS_H

#include "layers/tensor.h"

#include <math.h>
#include <stddef.h>

/* One update's constants, in the precision of the arithmetic. */
typedef struct tn_update_constants {
    tn_real rate, momentum, l2, shrink, b1, b2, one_b1, one_b2, eps, root_correction;
} tn_update_constants;

/* Weights, their gradients (set to 0), and what the optimizer remembers: `count` of each. */
typedef struct tn_update_loops {
    void (*sgd)(size_t count, const tn_update_constants *k, tn_real *w, tn_real *g, tn_real *u);
    void (*adam)(size_t count, const tn_update_constants *k, tn_real *w, tn_real *g, tn_real *m,
                 tn_real *v);
} tn_update_loops;

#if defined(__x86_64__) && !defined(TN_REAL_DOUBLE)
#define TN_UPDATE_AVX 1
extern const tn_update_loops tn_update_loops_avx2, tn_update_loops_avx512;
#else
#define TN_UPDATE_AVX 0
#endif

static inline void tn_update_sgd(size_t count, const tn_update_constants *k, tn_real *__restrict w,
                                 tn_real *__restrict g, tn_real *__restrict u) {
    const tn_update_constants c = *k;
    for (size_t i = 0; i < count; i++) {
        u[i] = c.momentum * u[i] + (g[i] + c.l2 * w[i]);
        w[i] -= c.rate * u[i];
        g[i] = 0;
    }
}

static inline tn_real tn_update_root(tn_real x) {
#ifdef TN_REAL_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

static inline void tn_update_adam(size_t count, const tn_update_constants *k, tn_real *__restrict w,
                                  tn_real *__restrict g, tn_real *__restrict m,
                                  tn_real *__restrict v) {
    const tn_update_constants c = *k;
    for (size_t i = 0; i < count; i++) {
        tn_real old = w[i] - c.shrink * w[i];
        tn_real d = g[i] + c.l2 * old;
        m[i] = c.b1 * m[i] + c.one_b1 * d;
        v[i] = c.b2 * v[i] + c.one_b2 * (d * d);
        w[i] = old - c.rate * m[i] / (tn_update_root(v[i]) * c.root_correction + c.eps);
        g[i] = 0;
    }
}

#endif

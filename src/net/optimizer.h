/* Optimizers: how gradients move parameters.
 *
 * All work on mean gradients (tn_step.grad_scale makes them so) and keep their moments in float
 * beside the master weights, in .weights order. L2 and decay reach weights only, never biases,
 * scales or statistics; frozen parameters do not change by a bit. */
#ifndef TN_NET_OPTIMIZER_H
#define TN_NET_OPTIMIZER_H

#include "layers/device/status.h"
#include "layers/ops/update.h"
#include "layers/param.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_optimizer_kind { TN_SGD, TN_ADAM, TN_ADAMW } tn_optimizer_kind;
const char *tn_optimizer_name(tn_optimizer_kind kind);

typedef struct tn_optimizer_options {
    tn_optimizer_kind kind;
    double momentum;    /* SGD */
    double decay;       /* SGD and Adam: L2 in the gradient; AdamW: taken from the weight itself */
    double b1, b2, eps; /* Adam and AdamW */
    int threads;        /* 0: all */
} tn_optimizer_options;

typedef struct tn_optimizer {
    tn_optimizer_options options;
    uint64_t updates; /* done so far: Adam's t is one more */
    int n_params;
    size_t *offset;  /* of each parameter in `first` and `second`; unused for statistics */
    size_t count;    /* elements of `first`, and of `second` where there is one */
    tn_real *first;  /* SGD's accumulator, Adam's m */
    tn_real *second; /* Adam's v; NULL for SGD */
    void *pages;     /* what both lie in: `bytes`, zero at the start */
    size_t bytes;
} tn_optimizer;

/* Takes memory for the moments of `param` (n of them), all zero. */
tn_status tn_optimizer_create(const tn_optimizer_options *options, const tn_param *param, int n,
                              tn_optimizer **out);
void tn_optimizer_free(tn_optimizer *optimizer);

/* One update with learning rate `rate` (times each parameter's own), g the gradient:
 *   SGD    u = momentum*u + g + decay*w;  w -= rate*u             (Darknet's form, torch's too)
 *   Adam   g += decay*w;  m = b1*m + (1-b1)*g;  v = b2*v + (1-b2)*g*g;
 *          w -= rate * (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) + eps)    (Kingma and Ba 2015, algorithm 1)
 *   AdamW  as Adam without L2, after w -= rate*decay*w            (Loshchilov and Hutter 2019)
 * Gradients are zero afterwards and versions counted up. The bits do not depend on threads. */
void tn_optimizer_update(tn_optimizer *optimizer, tn_param *param, double rate);

/* The constants of the coming update for one parameter, as a GPU's kernel takes them. */
tn_update_rates tn_optimizer_rates(const tn_optimizer *optimizer, const tn_param_spec *spec,
                                   double rate);

/* The first parameter whose gradient (`value`: whose value) holds a NaN or an infinity; -1: none.
 */
int tn_params_non_finite_grad(const tn_param *param, int n, int threads);
int tn_params_non_finite_value(const tn_param *param, int n, int threads);

#ifdef __cplusplus
}
#endif
#endif

/* What the kernels of loss.cu take. */
#ifndef TN_OPS_LOSS_CUDA_H
#define TN_OPS_LOSS_CUDA_H

#include "layers/ops/loss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Threads of a block; a row that fits takes no more than a warp. */
enum { TN_LOSS_THREADS = 256, TN_LOSS_WARP = 32, TN_COST_MOST_BLOCKS = 1024 };

/* Rows: `groups` of each image, `count` outputs in each, in c,h,w order. */
typedef struct tn_softmax_args {
    tn_tensor in, out, dout, din;
    const float *truth; /* (n, groups, count); NULL: no loss */
    double *losses;     /* forward, one for each row; not read without truth */
    int groups, count, n_valid;
    double temperature;
    double weight; /* backward, of what comes from the truth */
    bool add;      /* to din */
} tn_softmax_args;

typedef struct tn_cost_args {
    tn_tensor in, out, dout, din;
    const float *truth; /* (n, outputs) in c,h,w order; NULL: no loss */
    double *losses;     /* forward, one for each block; not read without truth */
    int n_valid;
    tn_cost_type type;
    double weight; /* backward, of what comes from the truth */
    bool add;      /* to din */
} tn_cost_args;

/* *to = weight * (the sum of losses). */
typedef struct tn_loss_total_args {
    const double *losses;
    int count;
    double weight;
    double *to;
} tn_loss_total_args;

#ifdef __cplusplus
}
#endif
#endif

/* What the kernels of norm_act.cu take, and how they share a map out. */
#ifndef TN_OPS_NORM_ACT_CUDA_H
#define TN_OPS_NORM_ACT_CUDA_H

#include "layers/ops/norm_act_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TN_NORM_THREADS = 256,
    TN_NORM_INPUTS = 8, /* with more, the processor serves */
    TN_NORM_CHUNK = 8,  /* pixels that a thread holds in registers at once */
    TN_NORM_WAVES = 8,  /* blocks for each processor of the GPU, at most */
};

/* What the activation's slope is told from, backward. */
typedef enum tn_norm_slope {
    TN_SLOPE_ONE,    /* linear */
    TN_SLOPE_OUTPUT, /* out */
    TN_SLOPE_SIGN,   /* the sign of z, found again from in[0]: one stream less to read */
    TN_SLOPE_INPUT,  /* z, found again from all inputs */
} tn_norm_slope;

/* Rows of c floats that the kernels of a pass hand on: z = (x - mean) * factor + shift, and
 * backward dx = dz * factor + (x - mean) * tilt + offset. */
enum { TN_ROW_MEAN, TN_ROW_FACTOR, TN_ROW_SHIFT, TN_ROW_TILT, TN_ROW_OFFSET, TN_NORM_ROWS };

/* What a block found of one channel. Forward: mean and centred sum of squares of its pixels;
 * backward: sums of dz and of dz * (x - mean). */
typedef struct tn_norm_part {
    double first, second;
} tn_norm_part;

typedef struct tn_norm_act_args {
    tn_tensor in[TN_NORM_INPUTS], din[TN_NORM_INPUTS];
    tn_tensor out, dout;
    int n_in;
    unsigned add; /* bit i: to din[i] */
    tn_activation activation;
    tn_norm_slope slope;
    bool batch_norm;
    bool batch;                /* the mini-batch's statistics normalise: they are in `saved` */
    const float *bias, *scale; /* NULL: none */
    float *mean, *variance;    /* running */
    float *dbias, *dscale;     /* NULL: not wanted */
    tn_norm_saved saved;
    unsigned pixels, count; /* of the mini-batch; of its valid samples */
    unsigned part_pixels;   /* block y of a grid has those from y * part_pixels on */
    unsigned parts;         /* blocks in y that have one of the `count` */
    tn_norm_part *part;     /* (c, parts) */
    float *row;             /* (TN_NORM_ROWS, c) */
} tn_norm_act_args;

#ifdef __cplusplus
}
#endif
#endif

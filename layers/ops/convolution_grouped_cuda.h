/* What the kernels of convolution_grouped.cu take, and the arithmetic of their taps.
 *
 * One kernel, a correlation, serves forward and backward data. A grid of destination pixels,
 * `to_step` apart from (to_y, to_x) on, each reads `taps` x `taps_x` neighbouring source pixels;
 * the windows of neighbouring destinations are `step` apart.
 *
 *   forward        from is in, to is out, to_step 1, step the convolution's stride
 *   backward data  from is dout, to is din: stride x stride phases, one for each place of a din
 *                  pixel between the outputs' windows, with to_step the stride and step 1; a phase
 *                  meets every stride-th tap alone, last tap first */
#ifndef TN_OPS_CONVOLUTION_GROUPED_CUDA_H
#define TN_OPS_CONVOLUTION_GROUPED_CUDA_H

#include "layers/device/both.h"
#include "layers/ops/convolution.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TN_GROUPED_WARPS = 8,  /* of a block */
    TN_GROUPED_ACROSS = 8, /* pixels side by side that a thread keeps sums of */
    TN_GROUPED_EACH = 2,   /* channels beside each other: 64 a warp */
};

/* One axis of a correlation: of a kernel's k taps those that are used, in order, are first,
 * first + by, ... (count of them). */
typedef struct tn_grouped_axis {
    int count, first, by; /* taps */
    int to, to_count;     /* first destination, and how many */
    int from;             /* source of the first tap at the first destination; may be outside */
} tn_grouped_axis;

TN_BOTH tn_grouped_axis tn_grouped_forward_axis(int k, int pad, int out) {
    const tn_grouped_axis axis = {k, 0, 1, 0, out, -pad};
    return axis;
}

/* Input positions to, to + stride, ...: position i meets tap t of output (i + pad - t) / stride. */
TN_BOTH tn_grouped_axis tn_grouped_backward_axis(int k, int stride, int pad, int to, int in) {
    const int least = (to + pad) % stride;
    const int count = least < k ? (k - least + stride - 1) / stride : 0;
    const int to_count = to < in ? (in - to + stride - 1) / stride : 0;
    const tn_grouped_axis axis = {count,    least + stride * (count - 1),
                                  -stride,  to,
                                  to_count, (to + pad - least) / stride - (count - 1)};
    return axis;
}

typedef struct tn_grouped_args {
    tn_tensor from, to;
    float *packed; /* (y.count, x.count, from_channels, to.c) */
    tn_grouped_axis y, x;
    int step, to_step;
    int from_channels, to_channels; /* of a group; both whole fours */
    bool accumulate;

    /* Packing. */
    const float *weights; /* (filters, channels of a group, k, k) */
    int k;
    bool transposed; /* from_channels are filters */

    /* Backward weights: from is in, to is dout, their gradients go to (splits, k, k, from_channels,
     * to.c) at `packed`. */
    int splits;
} tn_grouped_args;

#ifdef __cplusplus
}
#endif
#endif

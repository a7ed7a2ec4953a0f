/* Where the positions of a convolution's pass read, one axis at a time. */
#ifndef TN_OPS_CONVOLUTION_AXIS_H
#define TN_OPS_CONVOLUTION_AXIS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Position first + j*step (0 <= j < count) of what is made reads, through its k-th tap (weight
 * tap + k*tap_step, 0 <= k < taps), position read + j*read_step + k*read_tap of what is read; that
 * may lie in the padding. read_tap is not negative. */
typedef struct tn_conv_axis {
    int first, step, count;
    int tap, tap_step, taps;
    int read, read_step, read_tap;
} tn_conv_axis;

/* Forward: all `count` positions of out. */
tn_conv_axis tn_conv_axis_forward(int kernel, int stride, int pad, int dilation, int count);

/* Backward data: the positions q, q + stride, ... of din, of `extent`. All of such a phase meet the
 * same taps t, those for which stride divides q + pad - t*dilation; there may be none. */
tn_conv_axis tn_conv_axis_backward(int kernel, int stride, int pad, int dilation, int extent,
                                   int q);

/* Both axes, all phases, of a pass that makes positions of `made` (out forward, din backward): y
 * and x have room for as many phases as the larger stride, or one forward. */
struct tn_convolution_attr;
struct tn_tensor;
void tn_conv_axes(const struct tn_convolution_attr *a, bool backward, const struct tn_tensor *made,
                  tn_conv_axis *y, int *phases_y, tn_conv_axis *x, int *phases_x);

/* Which positions [*from, *to) have a tap that reads one of the `extent` that there are. */
void tn_conv_axis_inner(const tn_conv_axis *a, int extent, int *from, int *to);

#ifdef __cplusplus
}
#endif
#endif

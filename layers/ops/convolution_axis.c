#include "layers/ops/convolution_axis.h"

#include "layers/ops/convolution.h"

static int gcd(int a, int b) {
    return b == 0 ? a : gcd(b, a % b);
}

tn_conv_axis tn_conv_axis_forward(int kernel, int stride, int pad, int dilation, int count) {
    return (tn_conv_axis){.first = 0,
                          .step = 1,
                          .count = count,
                          .tap = 0,
                          .tap_step = 1,
                          .taps = kernel,
                          .read = -pad,
                          .read_step = stride,
                          .read_tap = dilation};
}

tn_conv_axis tn_conv_axis_backward(int kernel, int stride, int pad, int dilation, int extent,
                                   int q) {
    const int tap_step = stride / gcd(stride, dilation);
    tn_conv_axis a = {.first = q,
                      .step = stride,
                      .count = q < extent ? (extent - q - 1) / stride + 1 : 0,
                      .tap_step = tap_step,
                      .read_step = 1,
                      .read_tap = -(tap_step * dilation / stride)};
    for (int t = 0; t < tap_step && t < kernel; t++) {
        const int reach = q + pad - t * dilation;
        if (reach % stride != 0) continue;
        a.tap = t;
        a.taps = (kernel - t - 1) / tap_step + 1;
        a.read = reach / stride;
        break;
    }
    if (a.taps > 0) { /* in the order of what is read */
        a.tap += (a.taps - 1) * tap_step;
        a.read += (a.taps - 1) * a.read_tap;
    }
    a.tap_step = -tap_step;
    a.read_tap = -a.read_tap;
    return a;
}

void tn_conv_axes(const tn_convolution_attr *a, bool backward, const tn_tensor *made,
                  tn_conv_axis *y, int *phases_y, tn_conv_axis *x, int *phases_x) {
    *phases_y = backward ? a->stride_y : 1;
    *phases_x = backward ? a->stride_x : 1;
    if (!backward) {
        *y = tn_conv_axis_forward(a->kh, a->stride_y, a->pad_y, a->dilation, made->h);
        *x = tn_conv_axis_forward(a->kw, a->stride_x, a->pad_x, a->dilation, made->w);
        return;
    }
    for (int q = 0; q < a->stride_y; q++)
        y[q] = tn_conv_axis_backward(a->kh, a->stride_y, a->pad_y, a->dilation, made->h, q);
    for (int q = 0; q < a->stride_x; q++)
        x[q] = tn_conv_axis_backward(a->kw, a->stride_x, a->pad_x, a->dilation, made->w, q);
}

void tn_conv_axis_inner(const tn_conv_axis *a, int extent, int *from, int *to) {
    const int last = a->read + (a->taps - 1) * a->read_tap; /* what position 0 reads last */
    int low = 0, high = a->count;
    while (low < high && (a->taps == 0 || last + low * a->read_step < 0)) low++;
    while (high > low && a->read + (high - 1) * a->read_step >= extent) high--;
    *from = low;
    *to = high;
}

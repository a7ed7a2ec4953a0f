#include "layers/ops/convolution_grouped.h"

/* Which shapes are better here than with the dense kernels and oneDNN 2.6, measured on Zen 5
 * (GFLOP/s of one core whose peak was 260 to 270; 5x5, forward / backward data): 4 channels a group
 * 222 / 219 against the library's 61 / 62, 8 channels 245 / 241 against 125 / 127 (stride 2: 212 /
 * 191 against 110 / 107), 16 channels 284 / 281 against 252 / 256, 32 channels 270 / 271 against
 * 272 / 287. The dense kernels stay ahead where wide groups meet 1x1 kernels or the gradient of a
 * stride; of depthwise ones the library does where few products meet many channels (3x3: 73 against
 * 88 at 512 channels, but 131 against 115 at 64). */
static bool is_ours(const tn_op_run *r, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    const bool strides = a->stride_y > 1 || a->stride_x > 1;
    if (a->groups == 1) return false;
    if (in == 1 && out == 1)
        return !TN_DNNL || a->kh * a->kw >= 25 || (!strides && r->in[0].c < 256);
    if ((in <= TN_VECTOR && out <= TN_VECTOR) || in % 16 != 0 || out % 16 != 0) return true;
    return a->kh * a->kw > 1 && !(backward && strides);
}

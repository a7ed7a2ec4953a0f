#include "layers/ops/convolution_grouped.h"

/* Which shapes are better here than with oneDNN 2.6, measured on Zen 3 (GFLOP/s of one core whose
 * peak is 97; 5x5, forward / backward data): 4 channels a group 57 / 56 against its 7 / 30, 8
 * channels 68 / 66 against 40 / 61 (stride 2: 37 / 39 against 35 / 51); but 16 channels 75 / 75
 * against 78 / 94, 32 channels 89 / 89 against 96 / 103, depthwise 3x3 26 against 60 / 51. Where a
 * group's channels do not fill whole registers the library falls to a matrix product of several
 * times less speed. */
static bool is_ours(const tn_op_run *r, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    if (a->groups == 1 || (in == 1 && out == 1)) return false;
    if (backward && in == TN_VECTOR && out == TN_VECTOR && a->stride_x > 1) return false;
    return (in <= TN_VECTOR && out <= TN_VECTOR) || in % TN_VECTOR != 0 || out % TN_VECTOR != 0;
}

static tn_status prepare_forward_any(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, false);
}

static tn_status prepare_backward_any(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, true);
}

const tn_kernel tn_convolution_forward_avx2_any = {"avx2_any", prepare_forward_any, forward,
                                                   release};
const tn_kernel tn_convolution_backward_data_avx2_any = {"avx2_any", prepare_backward_any,
                                                         backward_data, release};

#include "layers/ops/convolution_weights.h"

/* Better here than with oneDNN 2.6, measured as in convolution_avx2.c: 4 channels a group, 5x5 35
 * against 20 GFLOP/s, 3x3 35 against 11; 8 channels, 3x3 45 against 24, but 5x5 no better (45
 * against 46), and more channels worse; depthwise is the library's. */
static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    if (a->groups == 1 || (in == 1 && out == 1)) return TN_REFUSED;
    const bool few = in < TN_VECTOR && out < TN_VECTOR;
    const bool small = in <= TN_VECTOR && out <= TN_VECTOR && a->kw <= 3;
    const bool odd = in % TN_VECTOR != 0 || out % TN_VECTOR != 0;
    return few || small || odd ? prepare_any(r, k) : TN_REFUSED;
}

const tn_kernel tn_convolution_backward_params_avx2 = {"avx2", prepare, backward_params, release};
const tn_kernel tn_convolution_backward_params_avx2_any = {"avx2_any", prepare_any, backward_params,
                                                           release};

#include "layers/ops/convolution_weights.h"

/* Groups of less than a vector, and those whose channels are no multiple of 8: oneDNN 2.6 is at
 * home with the rest, and the dense kernel with multiples of 16. Of depthwise ones the library's
 * where what is read is hardly read again: 3x3 on 7x7 maps 60 against 32 GFLOP/s, with a stride of
 * two 30 against 26; with a stride of one on larger maps 33 against 44 to 66, 5x5 11 against 120.
 */
static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    const bool few = in < TN_VECTOR && out < TN_VECTOR, odd = in % 8 != 0 || out % 8 != 0;
    const bool once = a->kh * a->kw <= 9 && (a->stride_x > 1 || r->out.w < TN_VECTOR / 2);
    if (a->groups == 1 || (in == 1 && out == 1 && once)) return TN_REFUSED;
    return few || odd ? prepare_any(r, k) : TN_REFUSED;
}

const tn_kernel tn_convolution_backward_params_avx512 = {"avx512", prepare, backward_params,
                                                         release};

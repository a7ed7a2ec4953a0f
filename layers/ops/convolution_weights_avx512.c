#include "layers/ops/convolution_weights.h"

/* Groups of less than a vector, and those whose channels are no multiple of 8: the library is at
 * home with the rest, and the dense kernel with multiples of 16. */
static tn_status prepare(tn_op_run *r, tn_kernel_run *k) {
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    const bool few = in < TN_VECTOR && out < TN_VECTOR, odd = in % 8 != 0 || out % 8 != 0;
    return a->groups > 1 && (few || odd) ? prepare_any(r, k) : TN_REFUSED;
}

const tn_kernel tn_convolution_backward_params_avx512 = {"avx512", prepare, backward_params,
                                                         release};

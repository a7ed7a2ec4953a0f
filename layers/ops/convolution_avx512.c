#include "layers/ops/convolution_grouped.h"

/* Which shapes are better here than with the dense kernels and oneDNN 2.6. */
static bool is_ours(const tn_op_run *r, bool backward) {
    (void)backward;
    const tn_convolution_attr *a = r->op->attr;
    const int in = r->in[0].c / a->groups, out = r->out.c / a->groups;
    if (a->groups == 1) return false;
    if (in == 1 && out == 1) return a->kh * a->kw >= 25;
    return (in <= TN_VECTOR && out <= TN_VECTOR) || in % 16 != 0 || out % 16 != 0;
}

/* Kernels of the processor where views are not fp32 in the processor's memory.
 *
 * An op in a replica on a GPU that no kernel there serves has its inputs copied out, its pass run
 * by a kernel of the processor, and its results copied in. An op in a replica of bf16 on the
 * processor has its inputs widened and its results narrowed, for a kernel that knows fp32 alone.
 * That is slow and right: every net runs whatever kernels there are, with the bits of the kernels
 * in fp32. */
#ifndef TN_STAGING_H
#define TN_STAGING_H

#include "layers/device/memory.h"
#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The processor's memory that staged passes use, one after another. */
typedef struct tn_staging {
    char *block; /* 64-byte aligned */
    size_t bytes;
    const tn_step *step; /* of the mini-batch in hand, its truth in the processor's memory */
} tn_staging;

/* Whether this kernel can serve r through r->host alone. */
bool tn_staging_serves(const tn_op_run *r, const tn_kernel *kernel);

/* Makes r->host: r as a kernel of the processor sees it, in fp32. `host_param` (r->op->n_param
 * pointers) are copies of r->param in the processor's memory with a version of 0; they are filled
 * when a pass needs them and r->param's version differs from theirs. Without a GPU they are
 * r->param itself. Shapes of r, wanted gradients and r->dout must be known. Arrays come from the
 * arena. */
tn_status tn_staging_attach(tn_op_run *r, tn_param *const *host_param, tn_staging *staging,
                            tn_arena *arena);

/* Memory that this pass needs in staging->block; 0 when its kernel is not staged. */
size_t tn_staging_bytes(const tn_op_run *r, tn_pass pass);

tn_status tn_staging_run(tn_op_run *r, tn_pass pass);

/* Views on the GPU (NULL: in the processor's memory, with nothing done to the gaps between pixels)
 * to and from fp32 in the processor's memory, gaps included. `host` has room for
 * tn_staging_view_bytes(t). */
size_t tn_staging_view_bytes(const tn_tensor *t);
tn_status tn_staging_view_out(tn_gpu *gpu, const tn_tensor *t, tn_real *host, const char *what);
/* `host` holds something else afterwards when t is of bf16 on a GPU. */
tn_status tn_staging_view_in(tn_gpu *gpu, const tn_tensor *t, tn_real *host, const char *what);

#ifdef __cplusplus
}
#endif
#endif

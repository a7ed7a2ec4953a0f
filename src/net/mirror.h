/* A net's parameters on a GPU.
 *
 * Values there and in the net follow each other by version: whoever writes counts up, and what is
 * newer is copied when the other side needs it. A replica on the GPU takes the newer values up by
 * itself at each forward; whoever reads the net's values after training there asks for them. Where
 * both sides were written, the net's count: weights that were loaded are the ones that serve.
 * Gradients on the GPU are apart from the net's; they begin as zeros. */
#ifndef TN_NET_MIRROR_H
#define TN_NET_MIRROR_H

#include "layers/device/gpu.h"
#include "layers/param.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_mirror tn_mirror;

/* `param` (n of them, the net's) must outlive the mirror. Takes memory for values and, with
 * `gradients`, for gradients, in one block. */
tn_status tn_mirror_create(tn_gpu *gpu, tn_param *param, int n, bool gradients, tn_mirror **out);
/* Over parameters that a host keeps on the GPU: value and grad of `there` (n of them, which must
 * outlive the mirror) are addresses there, and nothing has to be copied. Whoever writes values
 * counts their version up. It has no net: tn_mirror_net is NULL. */
tn_status tn_mirror_create_over(tn_gpu *gpu, tn_param *there, int n, tn_mirror **out);
void tn_mirror_free(tn_mirror *mirror);

tn_gpu *tn_mirror_gpu(const tn_mirror *mirror);
int tn_mirror_count(const tn_mirror *mirror);
/* The net's own (NULL: see above), and theirs on the GPU: value and grad are addresses there. */
tn_param *tn_mirror_net(const tn_mirror *mirror);
tn_param *tn_mirror_params(const tn_mirror *mirror);
/* Copies in the processor's memory for staged kernels (layers/staging.h). */
tn_param *tn_mirror_staging(const tn_mirror *mirror);
/* Bytes on the GPU. */
size_t tn_mirror_bytes(const tn_mirror *mirror);

/* What changed in the net, to the GPU; what changed on the GPU, to the net. */
tn_status tn_mirror_upload(tn_mirror *mirror);
tn_status tn_mirror_download(tn_mirror *mirror);

/* All gradients, from the GPU to the net's (overwritten), and back. */
tn_status tn_mirror_gradients_out(tn_mirror *mirror);
tn_status tn_mirror_gradients_in(tn_mirror *mirror);
tn_status tn_mirror_gradients_zero(tn_mirror *mirror);

/* All gradients as one run of `count` elements on the GPU, gaps of zeros among them: for an
 * all-reduce. NULL without gradients. */
tn_real *tn_mirror_gradients(const tn_mirror *mirror, size_t *count);

#ifdef __cplusplus
}
#endif
#endif

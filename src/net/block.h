/* One layer run by a foreign program: its buffers (NCHW), its parameter memory, its sign of delta.
 *
 * A host such as a real Darknet owns activations and parameters and calls forward and backward
 * itself. A block plans a section, or several that refer only to each other, keeps one replica per
 * mode and batch size, and converts at its edges. Gradients are linear in delta and added to what
 * is there, so a host whose deltas are negative sums over the batch gets its own convention back.
 */
#ifndef TN_NET_BLOCK_H
#define TN_NET_BLOCK_H

#include "layers/device/gpu.h"
#include "layers/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_block tn_block;

/* Plans `section` (copied: it may go away) for input images of shape `in`. threads 0: all. */
tn_status tn_block_create(const tn_section *section, tn_shape in, int threads,
                          const tn_warner *warner, tn_block **out);
/* As tn_block_create for n sections in a row, whose references are relative or, when the block
 * starts the net, as in the cfg. Without `input_gradient`, backward computes none (dx must be
 * NULL). */
tn_status tn_block_create_many(const tn_section *section, int n, tn_shape in, bool input_gradient,
                               int threads, const tn_warner *warner, tn_block **out);
void tn_block_free(tn_block *block);

tn_shape tn_block_output_shape(const tn_block *block);

/* Parameters in .weights order: what each is, and the host's memory for it (spec->count values;
 * grad NULL for statistics). All must be bound before the first forward. */
int tn_block_params(const tn_block *block);
const tn_param_spec *tn_block_param_spec(const tn_block *block, int i);
void tn_block_bind(tn_block *block, int i, tn_real *value, tn_real *grad);

/* The host has changed parameter values since the last call: packed copies are stale. */
void tn_block_touch(tn_block *block);

/* Before the first forward: from now on x, y, dx, dy and the parameters' memory lie on this GPU,
 * which must outlive the block, and its kernels compute in fp32, in the order of its stream: calls
 * return before they are done. Fails in a build without nvcc. */
tn_status tn_block_use_gpu(tn_block *block, tn_gpu *gpu);

/* y (n,C,H,W) = layer of x (n,c,h,w). `seed` and `step` key dropout in TN_TRAIN. */
tn_status tn_block_forward(tn_block *block, tn_mode mode, int n, uint64_t seed, uint64_t step,
                           const tn_real *x, tn_real *y);

/* After a TN_TRAIN (or TN_GRAD_FIXED_STATS) forward of the same batch: adds to the bound gradients
 * what dy (n,C,H,W) causes, and to dx (n,c,h,w) unless it is NULL. */
tn_status tn_block_backward(tn_block *block, const tn_real *dy, tn_real *dx);

#ifdef __cplusplus
}
#endif
#endif

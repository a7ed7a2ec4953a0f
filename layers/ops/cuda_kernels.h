/* The GPU's kernels of the smaller ops, for their tables; and what all that start them share. */
#ifndef TN_OPS_CUDA_KERNELS_H
#define TN_OPS_CUDA_KERNELS_H

#include "layers/op.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const tn_kernel tn_channel_norm_forward_cuda;
extern const tn_kernel tn_channel_norm_backward_cuda;
extern const tn_kernel tn_cost_forward_cuda;
extern const tn_kernel tn_cost_backward_cuda;
extern const tn_kernel tn_crop_forward_cuda;
extern const tn_kernel tn_gather_forward_cuda;
extern const tn_kernel tn_gather_backward_cuda;
extern const tn_kernel tn_resample_forward_cuda;
extern const tn_kernel tn_resample_backward_cuda;
extern const tn_kernel tn_scale_channels_forward_cuda;
extern const tn_kernel tn_scale_channels_backward_cuda;
extern const tn_kernel tn_softmax_forward_cuda;
extern const tn_kernel tn_softmax_backward_cuda;

/* For prepare: TN_REFUSED without machine code for this GPU, and for maps of 2^31 pixels or more,
 * which kernels count in 32 bits. */
static inline tn_status tn_cuda_serves(const tn_op_run *r, const tn_gpu_source *source) {
    bool fits = tn_pixels(&r->out) <= INT32_MAX;
    for (int i = 0; i < r->op->n_in; i++) fits = fits && tn_pixels(&r->in[i]) <= INT32_MAX;
    return fits && tn_gpu_has(r->gpu, source) ? TN_OK : TN_REFUSED;
}

/* Matrix products by cuBLAS, for convolution with 1x1 windows and for the fully connected layer. */
extern const tn_kernel tn_product_forward_cublas;
extern const tn_kernel tn_product_backward_data_cublas;
extern const tn_kernel tn_product_backward_params_cublas;

/* Blocks of `threads` threads that give `count` items one each; at most `most`, whose threads then
 * take several: kernels loop, i += gridDim.x * blockDim.x. */
static inline tn_gpu_extent tn_cuda_blocks(size_t count, unsigned threads, size_t most) {
    const size_t blocks = (count + threads - 1) / threads;
    return (tn_gpu_extent){(unsigned)(blocks < most ? blocks : most), 1, 1};
}

/* Enough to fill any GPU many times over. */
enum { TN_CUDA_MOST_BLOCKS = 1 << 14 };

typedef struct tn_cuda_grid {
    tn_gpu_extent grid, block;
} tn_cuda_grid;

/* Blocks over `columns` (channels, or groups of them) and `rows` (pixels): a block takes up to 32
 * columns of `threads` / 32 rows, of more rows where there are fewer columns. No thread divides to
 * find its place. */
static inline tn_cuda_grid tn_cuda_tiles_of(unsigned columns, size_t rows, unsigned threads) {
    unsigned x = 1;
    while (x < 32 && x < columns) x *= 2;
    const unsigned y = threads / x, across = columns ? (columns + x - 1) / x : 1;
    const size_t down = (rows + y - 1) / y;
    const size_t most = across < TN_CUDA_MOST_BLOCKS ? TN_CUDA_MOST_BLOCKS / across : 1;
    return (tn_cuda_grid){{across, (unsigned)(down < most ? down : most), 1}, {x, y, 1}};
}

/* For tn_each_element over t. */
static inline tn_cuda_grid tn_cuda_tiles(const tn_tensor *t, unsigned threads) {
    return tn_cuda_tiles_of((unsigned)t->c, tn_pixels(t), threads);
}

/* Whether four channels of every pixel can be had in one access (layers/device/map.cuh); memory
 * that is not there can. */
static inline bool tn_cuda_takes_four(const tn_tensor *t) {
    return !t->data || (t->c % 4 == 0 && t->pitch % 4 == 0 &&
                        (uintptr_t)t->data % (4 * tn_element_bytes(t)) == 0);
}

#ifdef __cplusplus
}
#endif
#endif

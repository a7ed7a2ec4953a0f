/* Grids for kernels that go over feature maps: the host's side of layers/device/map.cuh. */
#ifndef TN_OPS_CUDA_MAP_H
#define TN_OPS_CUDA_MAP_H

#include "layers/device/gpu.h"
#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_MAP_THREADS = 256, TN_MAP_LANES = 32, TN_MAP_MOST_BLOCKS = 1 << 20 };

/* Pixels are counted in 32 bits there; a larger map is refused. */
static inline bool tn_cuda_map_fits(const tn_tensor *t) {
    return tn_pixels(t) < (size_t)1 << 31;
}

/* Whether four channels of every pixel can be had in one access; memory that is not there can. */
static inline bool tn_cuda_map_aligned(const tn_tensor *t) {
    return !t->data || (t->c % 4 == 0 && t->pitch % 4 == 0 &&
                        (uintptr_t)t->data % (4 * tn_element_bytes(t)) == 0);
}

/* Blocks over `channels`, of which a thread takes `width` (1 or 4), and `pixels`. */
typedef struct tn_cuda_map {
    tn_gpu_extent grid, block;
} tn_cuda_map;

static inline tn_cuda_map tn_cuda_map_of(int channels, int width, size_t pixels) {
    const unsigned items = ((unsigned)channels + (unsigned)width - 1) / (unsigned)width;
    unsigned lanes = 1;
    while (lanes < TN_MAP_LANES && lanes < items) lanes *= 2;
    const unsigned rows = TN_MAP_THREADS / lanes;
    const size_t blocks = (pixels + rows - 1) / rows, most = TN_MAP_MOST_BLOCKS;
    return (tn_cuda_map){
        .grid = {(unsigned)(blocks < most ? blocks : most), (items + lanes - 1) / lanes, 1},
        .block = {lanes, rows, 1},
    };
}

#ifdef __cplusplus
}
#endif
#endif

/* The piece of a batch that one thread works on at a time: rows of neighbouring images, copied with
 * their padding into memory of the kernel's own, small enough for the second-level cache. Inside it
 * every tap is a constant distance away and nothing has to ask where the image ends. */
#ifndef TN_OPS_DENSE_SLAB_H
#define TN_OPS_DENSE_SLAB_H

#include "layers/ops/convolution_axis.h"
#include "layers/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The whole batch as one image, a column of pixels: what 1x1 kernels of stride 1 see. */
static inline tn_tensor tn_slab_column(tn_tensor t) {
    t.h = (int)tn_pixels(&t);
    t.n = t.w = 1;
    return t;
}

/* How one axis of what is read lies in the slab. Position j of a phase (a tn_conv_axis) starts at
 * j*step + (axis.read - first), and its taps are axis.read_tap apart. Where windows leave gaps
 * (a 1x1 kernel of stride 2), the gaps are left out: step < read_step. */
typedef struct tn_slab_axis {
    int first;     /* what position 0 reads at the earliest; may lie in the padding */
    int reach;     /* positions that one window spans */
    int step;      /* slab positions from window to window */
    int read_step; /* the same in what is read */
} tn_slab_axis;

tn_slab_axis tn_slab_axis_of(const tn_conv_axis *phase, int phases);

/* Extent of a slab axis that serves `count` positions; 0 for none. */
static inline int tn_slab_extent(const tn_slab_axis *a, int count) {
    return count > 0 ? (count - 1) * a->step + a->reach : 0;
}

/* Where slab position i of the part that begins with window `from` lies in what is read. */
static inline int tn_slab_source(const tn_slab_axis *a, int from, int i) {
    const int window = a->step == a->read_step ? 0 : i / a->step;
    return a->first + (from + window) * a->read_step + i - window * a->step;
}

/* Images and rows of windows; every unit is one slab. An image is cut into `cuts` bands of rows, or
 * several whole images go together. */
typedef struct tn_slab_units {
    int images, cuts;
    int batch, rows; /* of all */
    int count;
} tn_slab_units;

typedef struct tn_slab_part {
    int image, images, row, rows;
} tn_slab_part;

/* Slabs of at most `most` bytes, where that leaves at least `least` positions; row_bytes: of one
 * slab row. Bands come in multiples of `threads` where there are rows enough. */
tn_slab_units tn_slab_units_of(const tn_slab_axis *y, int batch, int rows, int columns,
                               size_t row_bytes, size_t most, int least, int threads);

tn_slab_part tn_slab_part_of(const tn_slab_units *u, int unit);

#ifdef __cplusplus
}
#endif
#endif

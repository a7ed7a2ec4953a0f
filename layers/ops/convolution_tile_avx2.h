/* The inner loops of the AVX2 convolution: neighbouring pixels of one row, 8 channels of each. */
#ifndef TN_OPS_CONVOLUTION_TILE_AVX2_H
#define TN_OPS_CONVOLUTION_TILE_AVX2_H

#include "layers/ops/convolution_axis.h"
#include "layers/ops/convolution_grouping.h"

enum {
    TN_TILE = 8, /* pixels at most */
    TN_RUN_TAPS = 5,
    TN_RUN_ROWS = 8,
    TN_RUN_READS = (TN_TILE - 1) * 2 + TN_RUN_TAPS,
};

/* The pixels that a run reads, found once for all blocks: pointers to their channel 0. */
typedef struct tn_conv_reads {
    int rows; /* that lie in the image */
    int kernel_row[TN_RUN_ROWS];
    const float *from[TN_RUN_ROWS][TN_RUN_READS];
} tn_conv_reads;

typedef struct tn_conv_tile {
    const tn_conv_axis *y, *x;
    const float *image; /* what is read: its pixel (0,0) */
    const float *zeros; /* a pixel of the padding */
    int row, column;    /* what j = 0, k = 0 reads; may lie in the padding */
    int height, width;
    ptrdiff_t row_pitch, pitch, made_step;
    int pixels, kernel_width, read;
    bool add;
    tn_conv_reads reads; /* filled by tn_conv_tile_locate */
    /* of the block in hand */
    const float *weights; /* (kernel height, read, kernel width, 8), aligned */
    float *made;          /* first pixel, the block's first channel */
    int read_at, lanes;
} tn_conv_tile;

typedef void (*tn_conv_tile_function)(const tn_conv_tile *t);

/* The function for this tile, whatever the block, and what it needs to know of the image. */
tn_conv_tile_function tn_conv_tile_locate(tn_conv_tile *t, tn_spread spread);

#endif

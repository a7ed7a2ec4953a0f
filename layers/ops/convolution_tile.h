/* A tile of a convolution: neighbouring pixels of one row or two, one vector of channels of each,
 * summed in registers. For the walk of convolution_grouped.h; compiled once for each vector. */
#ifndef TN_OPS_CONVOLUTION_TILE_H
#define TN_OPS_CONVOLUTION_TILE_H

#include "layers/ops/convolution_axis.h"
#include "layers/ops/vector.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TN_TILE_PIXELS =
        TN_VECTOR == 16 ? 14 : 8, /* at most: with the weights they fill the registers */
    TN_TILE_TAPS = 7,             /* of one run */
    TN_TILE_RUNS = 64,
    TN_TILE_READS = TN_TILE_RUNS * TN_TILE_PIXELS,
};

/* Taps that lie next to each other in a row of the kernel make a run: each pixel that they read is
 * loaded once a channel and serves all of them. For each row of the tile, run's pixels are at
 * from[row][q] + at[row]. */
typedef struct tn_conv_run {
    int index; /* among all runs, those of the padding too */
    const float *const *from[2];
    ptrdiff_t at[2];
} tn_conv_run;

typedef struct tn_conv_tile {
    const tn_conv_axis *y, *x;
    const float *image; /* what is read: its pixel (0,0) */
    const float *zeros; /* a pixel of the padding */
    int row, column;    /* what j = 0, k = 0 reads; may lie in the padding */
    int height, width;
    ptrdiff_t row_pitch, pitch;
    ptrdiff_t made_row, made_step; /* from pixel to pixel, down and across */
    int rows, pixels;              /* of each row */
    bool outside; /* the tile reads nothing but padding; else no pixel of it does so across */
    int channels; /* that a group reads */
    bool permutes;
    bool add;     /* to what made holds */
    bool streams; /* made is aligned, whole, and nobody reads it soon */
    /* filled by tn_conv_tile_place_x */
    bool joined;                      /* each row of the kernel is one run */
    int reads;                        /* pixels that a run reads of a row */
    int inner_from, inner_to;         /* joined: those that are no padding */
    const float *from[TN_TILE_READS]; /* pixels' channel 0 */
    /* filled by tn_conv_tile_place_y: the runs that lie in the image */
    int runs;
    tn_conv_run run[TN_TILE_RUNS];
    /* of the block in hand */
    const float *weights; /* (all runs, channels, taps of a run, TN_VECTOR), aligned */
    float *made;          /* first pixel, the block's first channel */
    /* What the tile below will read that this one does not: pixels of one row or two, some with
     * every step. The processor does not foresee lines that lie a pixel apart, and so many at once
     * would keep this tile's own waiting. */
    const float *below;
    int below_pixels, below_rows;
    bool below_more;   /* than one line a step */
    ptrdiff_t read_at; /* first channel read */
    /* permutes: row i hands every lane channel i of its own group, of the TN_VECTOR channels from
     * read_at on. Else channel i is the same for all lanes. */
    const int32_t (*lanes_of)[TN_VECTOR];
    int lanes;
} tn_conv_tile;

typedef void (*tn_conv_tile_function)(const tn_conv_tile *t);

/* Whether all taps of a kernel row make one run; if not, each is a run of its own. */
static inline bool tn_conv_tile_joins(const tn_conv_axis *x) {
    return x->taps >= 1 && x->taps <= TN_TILE_TAPS && x->taps != 6 && x->read_step <= 2 &&
           (x->read_tap == 1 || x->taps == 1);
}

/* Whether all taps of these axes can be served. */
bool TN_ISA(tn_conv_tile_fits)(const tn_conv_axis *y, const tn_conv_axis *x);

/* What a tile needs to know of its columns, when x, column and pixels are set; then, for each of
 * its places further down, of its rows (y, row, rows). The function makes it for any block; rows
 * may have fallen from 2 to 1. */
void TN_ISA(tn_conv_tile_place_x)(tn_conv_tile *t);
tn_conv_tile_function TN_ISA(tn_conv_tile_place_y)(tn_conv_tile *t);

#endif

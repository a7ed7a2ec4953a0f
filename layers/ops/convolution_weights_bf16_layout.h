/* How the weight gradient's matrix product of bf16 is laid out: tiles, units of pixels, and what a
 * thread has of its own. */
#ifndef TN_OPS_CONVOLUTION_WEIGHTS_BF16_LAYOUT_H
#define TN_OPS_CONVOLUTION_WEIGHTS_BF16_LAYOUT_H

#include "layers/ops/bf16_avx512.h"
#include "layers/ops/dense_slab.h"

enum {
    ROWS = 12,
    LANES = 2 * TN_HALVES,
    TILE = ROWS * LANES,
    LEAST_PIXELS = 64,
    MOST_PIXELS = 256,
    READ_BYTES = 1 << 20,   /* packed, of a unit, about */
    LONGEST = 1 << 14,      /* channels */
    OWN_GRADIENT = 1 << 20, /* bytes of it up to which every thread has a whole one */
    LINE = 64,
    COLUMN_PAIRS = 32, /* gone through between two fetches */
};

typedef struct state {
    int groups, read, made; /* channels of one group */
    bool pixels;            /* 1x1, no padding: the output of the batch is one column of pixels */
    int stride_y, stride_x; /* of what such a column reads */
    int abreast;            /* 2: a pair is of two images, and units count pairs of images; or 1 */
    int taps, sets, panels; /* sets and panels: of one group */
    int rows;               /* filters of a set; the last one is filled up with zeros */
    tn_conv_axis y, x;
    tn_slab_axis slab_y, slab_x;
    int slab_width;
    tn_slab_units units;
    size_t panel_pairs, set_pairs; /* of one panel, of one set of a unit */
    size_t read_pairs, delta_pairs;
    size_t tiles; /* floats of one gradient */
    bool shared;  /* there is one: every thread reads all pixels for panels of its own */
} state;

/* What the next unit will pack, fetched a few lines with every row of every tile. */
typedef struct ahead {
    const char *at, *end;
    ptrdiff_t lines;
} ahead;

/* A thread's own memory, and the panels that it adds to, counted through all groups. */
typedef struct workplace {
    int from, to;
    uint32_t *read, *delta;
    float *gradient;
    ahead ahead[4]; /* of both sides, and of both images of a pair */
} workplace;

static size_t round_up(size_t n) {
    return (n + 15) / 16 * 16;
}

/* Pairs of output pixels in a row. */
static int row_pairs(const state *s) {
    return s->abreast == 2 ? s->x.count : (s->x.count + 1) / 2;
}

/* Images go in pairs where no more of them would be paired with nothing than pixels of a row. */
static int abreast_of(const tn_tensor *out) {
    const int64_t images = (int64_t)(out->n + 1) / 2 * out->w;
    return images <= (int64_t)(out->w + 1) / 2 * out->n ? 2 : 1;
}

static void lay_units(state *s, const tn_tensor *out, int threads) {
    const int columns = s->x.count, channels = s->groups * s->read;
    const int batch = (out->n + s->abreast - 1) / s->abreast;
    size_t pixels = READ_BYTES / ((size_t)channels * sizeof(tn_bf16));
    pixels = pixels < LEAST_PIXELS ? LEAST_PIXELS : pixels > MOST_PIXELS ? MOST_PIXELS : pixels;
    /* A row of the slab counts as its share of the pixels. */
    const size_t most = pixels * (size_t)s->slab_y.step +
                        (size_t)columns * (size_t)(s->slab_y.reach - s->slab_y.step);
    s->units =
        tn_slab_units_of(&s->slab_y, batch, s->y.count, columns, (size_t)columns, most, 1, threads);
    const int band = (s->y.count + s->units.cuts - 1) / s->units.cuts;
    const size_t images = (size_t)s->units.images;
    const size_t slab = images * tn_slab_extent(&s->slab_y, band) * (size_t)s->slab_width;
    const size_t pairs =
        s->pixels ? ((size_t)band + 1) / 2 : images * (size_t)band * (size_t)row_pairs(s);
    s->panel_pairs = (s->pixels ? pairs : slab) * LANES;
    s->read_pairs = round_up((size_t)s->groups * s->panels * s->panel_pairs);
    s->set_pairs = round_up(pairs * ROWS + TN_HALVES);
    s->delta_pairs = (size_t)s->groups * s->sets * s->set_pairs;
}

#endif

/* Weight gradients of grouped convolution: how channels lie in the lanes, and the copies of them
 * for groups that do not fit. Written over vector.h.
 *
 * Groups of 1, 2, 4, ... channels on both sides lie in the tensors as a sweep wants them; the last
 * block then overlaps the one before it, and loads never pass a pixel's end. So do groups of whole
 * vectors. Everything else is copied: groups of 3, 5, ... get as many lanes as one of 4, 8, ...;
 * where the sides differ, lane (g*copies + e)*read + i holds channel i of group g, and filter
 * step*copies + e of what comes down. */
#ifndef TN_OPS_CONVOLUTION_WEIGHTS_LANES_H
#define TN_OPS_CONVOLUTION_WEIGHTS_LANES_H

#include "layers/ops/convolution_weights_sweep.h"
#include "layers/tensor.h"

typedef struct layout {
    spread how;
    int groups, read, made; /* channels of one group */
    int together, width;    /* groups in one block, lanes that each has there */
    int copies;             /* of one channel read among them */
    int steps;              /* of `copies` filters, of one group */
    int steps_at_once;      /* in one copy of what comes down */
    int per_group, blocks;  /* blocks of a group wider than a vector; of all groups */
    bool copies_in, copies_dout;
} layout;

typedef struct block {
    int group, groups, fresh; /* the first; how many; from which on they are no other block's */
    int read_at;              /* within the group */
    int lanes;                /* channels read, of all its groups */
} block;

static int at_least_one(int x) {
    return x > 1 ? x : 1;
}

/* Lanes for as many channels as a group has, when it can share a vector; else 0. */
static int shared_width(int channels) {
    int width = 1;
    while (width < channels) width *= 2;
    return width < TN_VECTOR ? width : 0;
}

static void lay_shared(layout *l, int width) {
    l->how = (spread)width;
    l->together = TN_VECTOR / width;
    l->width = width;
    l->copies = 1;
    l->steps = l->steps_at_once = width;
    l->copies_in = l->copies_dout = width != l->read || l->groups * width < TN_VECTOR;
}

static void lay_others(layout *l) {
    l->together = at_least_one(TN_VECTOR / (l->read > l->made ? l->read : l->made));
    l->copies = at_least_one(TN_VECTOR / (l->together * l->read));
    if (l->copies > l->made) l->copies = l->made;
    l->width = l->copies * l->read < TN_VECTOR ? l->copies * l->read : TN_VECTOR;
    l->steps = (l->made + l->copies - 1) / l->copies;
    l->copies_in = l->read % TN_VECTOR != 0;
    l->copies_dout = l->together > 1 || l->copies > 1;
    if (l->copies_dout) l->how = SPREAD_1;
    l->steps_at_once = l->copies_dout ? 1 : l->steps;
}

static layout layout_of(int groups, int read, int made) {
    layout l = {.how = SPREAD_ANY, .groups = groups, .read = read, .made = made};
    const int width = read == made ? shared_width(read) : 0;
    if (width)
        lay_shared(&l, width);
    else
        lay_others(&l);
    l.per_group = (read + TN_VECTOR - 1) / TN_VECTOR;
    l.blocks = (groups + l.together - 1) / l.together * l.per_group;
    return l;
}

static block block_of(const layout *l, int index) {
    block b = {.group = index / l->per_group * l->together,
               .groups = l->together,
               .read_at = index % l->per_group * TN_VECTOR};
    const int over = b.group + b.groups - l->groups;
    if (over > 0 && l->copies_in) {
        b.groups -= over;
    } else if (over > 0) {
        b.group -= over;
        b.fresh = over;
    }
    const int left = b.groups * l->read - b.read_at;
    b.lanes = left < TN_VECTOR ? left : TN_VECTOR;
    return b;
}

/* ---- copies ---- */

/* Neighbouring floats to lanes: the first `count` are there, lane l takes number from[l]. */
typedef struct lane_map {
    int count;
    int from[16];
} lane_map;

static lane_map map_read(const layout *l, const block *b) {
    lane_map m = {.count = b->lanes};
    for (int lane = 0; lane < TN_VECTOR; lane++) {
        const int g = lane / l->width;
        m.from[lane] = g * l->read + lane % l->width % l->read;
        if (l->per_group > 1) m.from[lane] = lane;
        if (m.from[lane] >= m.count) m.from[lane] = 0;
    }
    return m;
}

/* From a step on; floats are counted from the block's first group, or from the step's first filter
 * where a block is one group. */
static lane_map map_made(const layout *l, const block *b, int step) {
    const int first = step * l->copies;
    lane_map m = {.count = l->together > 1 ? b->groups * l->made : l->made - first};
    if (m.count > TN_VECTOR) m.count = TN_VECTOR;
    for (int lane = 0; lane < TN_VECTOR; lane++) {
        const int g = lane / l->width, within = lane % l->width;
        /* Filters side by side, or one for each copy of a channel. */
        const int filter = l->steps_at_once > 1 ? within : within / l->read;
        m.from[lane] = l->together > 1 ? g * l->made + first + filter : filter;
        if (m.from[lane] >= m.count) m.from[lane] = 0;
    }
    return m;
}

static int made_offset(const layout *l, int step) {
    return l->together > 1 ? 0 : step * l->copies;
}

/* ahead: how far away lies what will be copied next, in floats. */
static void copy_pixels(const lane_map *m, const float *from, ptrdiff_t pitch, ptrdiff_t ahead,
                        int pixels, float *to) {
#ifdef __AVX512F__
    const __mmask16 mask = (__mmask16)((1u << m->count) - 1);
    const __m512i lanes = _mm512_loadu_si512(m->from);
    for (int i = 0; i < pixels; i++, from += pitch, to += TN_VECTOR) {
        _mm_prefetch(from + ahead, _MM_HINT_T1);
        _mm512_storeu_ps(to, _mm512_permutexvar_ps(lanes, _mm512_maskz_loadu_ps(mask, from)));
    }
#else
    const __m256i mask =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(m->count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256i lanes = _mm256_loadu_si256((const __m256i *)m->from);
    for (int i = 0; i < pixels; i++, from += pitch, to += TN_VECTOR) {
        _mm_prefetch(from + ahead, _MM_HINT_T1);
        _mm256_storeu_ps(to, _mm256_permutevar8x32_ps(_mm256_maskload_ps(from, mask), lanes));
    }
#endif
}

/* Rows first..first+rows-1 of some images, from channel c on, into one vector a pixel. */
static void copy_rows(const lane_map *m, const tn_tensor *t, int c, ptrdiff_t ahead, int image,
                      int images, int first, int rows, float *to) {
    const size_t row_floats = (size_t)t->w * TN_VECTOR;
    for (int n = image; n < image + images; n++)
        for (int y = first; y < first + rows; y++, to += row_floats)
            copy_pixels(m, tn_data(t) + ((size_t)n * t->h + y) * t->w * t->pitch + c, t->pitch,
                        ahead, t->w, to);
}

#endif

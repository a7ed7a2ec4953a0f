/* Both sides of the weight gradient's matrix product of bf16, packed: two pixels' values of a
 * channel next to each other. */
#ifndef TN_OPS_CONVOLUTION_WEIGHTS_BF16_PACK_H
#define TN_OPS_CONVOLUTION_WEIGHTS_BF16_PACK_H

#include "layers/ops/convolution_weights_bf16_layout.h"

/* Two pixels; what is missing reads as zeros. */
typedef struct pixel_pair {
    const tn_bf16 *at[2]; /* never NULL */
    __mmask16 there[2];   /* all lanes, or none */
} pixel_pair;

static pixel_pair pair_of(const tn_bf16 *first, const tn_bf16 *second) {
    const tn_bf16 *any = first ? first : second;
    static const tn_bf16 none;
    if (!any) any = &none;
    return (pixel_pair){{first ? first : any, second ? second : any},
                        {first ? 0xFFFF : 0, second ? 0xFFFF : 0}};
}

/* Sixteen channels of both from channel c on, next to each other: those of the mask. */
TN_INLINE_HALVES __m512i paired(const pixel_pair *p, size_t c, __mmask16 mask) {
    const __mmask16 low = p->there[0] & mask, high = p->there[1] & mask;
    return _mm512_or_si512(
        _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(low, p->at[0] + c)),
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(high, p->at[1] + c)), 16));
}

/* Two pixels' channels into place `to` of every panel of the workplace's. */
static void pack_read_pair(const state *s, const workplace *w, pixel_pair pair, uint32_t *to) {
    const size_t panel_pairs = s->panel_pairs;
    const int read = s->read, panels = s->panels;
    int panel = w->from % panels;
    size_t group_at = (size_t)(w->from / panels) * read;
    for (int i = w->from; i < w->to; i++, to += panel_pairs) {
        const int at = panel * LANES;
        const size_t c = group_at + at;
        if (at + LANES <= read) {
            _mm512_storeu_si512(to, paired(&pair, c, 0xFFFF));
            _mm512_storeu_si512(to + TN_HALVES, paired(&pair, c + TN_HALVES, 0xFFFF));
        } else {
            for (int v = 0; at + v < read; v += TN_HALVES)
                _mm512_storeu_si512(to + v, paired(&pair, c + v, tn_halves_mask(at + v, read)));
        }
        if (++panel < panels) continue;
        panel = 0;
        group_at += read;
    }
}

/* A row of an image, or NULL where there is none. */
static const tn_bf16 *slab_row(const tn_tensor *in, int image, int y) {
    if (image >= in->n || (unsigned)y >= (unsigned)in->h) return NULL;
    return tn_halves_pixel(in, ((size_t)image * in->h + (size_t)y) * in->w);
}

/* Position x of a slab row, or NULL in the padding. */
static const tn_bf16 *slab_pixel(const state *s, const tn_tensor *in, const tn_bf16 *row, int x) {
    if (!row || x >= s->slab_width) return NULL;
    const int at = tn_slab_source(&s->slab_x, 0, x);
    return (unsigned)at < (unsigned)in->w ? row + (size_t)at * in->pitch : NULL;
}

/* What pixel `pixel` of the output's column reads. */
static const tn_bf16 *column_pixel(const state *s, const tn_tensor *in, const tn_tensor *out,
                                   size_t pixel) {
    if (s->stride_y == 1 && s->stride_x == 1) return tn_halves_pixel(in, pixel);
    const size_t width = (size_t)out->w, row = pixel / width, height = (size_t)out->h;
    const size_t y = row / height * (size_t)in->h + row % height * (size_t)s->stride_y;
    return tn_halves_pixel(in, y * (size_t)in->w + pixel % width * (size_t)s->stride_x);
}

static void pack_column(const state *s, const workplace *w, const tn_tensor *in,
                        const tn_tensor *out, tn_slab_part part) {
    uint32_t *to = w->read;
    for (int i = 0; i < part.rows; i += 2, to += LANES) {
        const size_t pixel = (size_t)(part.row + i);
        pack_read_pair(s, w,
                       pair_of(column_pixel(s, in, out, pixel),
                               i + 1 < part.rows ? column_pixel(s, in, out, pixel + 1) : NULL),
                       to);
    }
}

static void pack_read(const state *s, const workplace *w, const tn_tensor *in, tn_slab_part part) {
    uint32_t *to = w->read;
    const int rows = tn_slab_extent(&s->slab_y, part.rows);
    const int abreast = s->abreast, apart = abreast == 2 ? 0 : s->slab_x.step;
    for (int n = 0; n < part.images; n++)
        for (int i = 0; i < rows; i++) {
            const int y = tn_slab_source(&s->slab_y, part.row, i),
                      image = (part.image + n) * abreast;
            const tn_bf16 *first = slab_row(in, image, y);
            const tn_bf16 *second = abreast == 2 ? slab_row(in, image + 1, y) : first;
            for (int x = 0; x < s->slab_width; x++, to += LANES)
                pack_read_pair(
                    s, w,
                    pair_of(slab_pixel(s, in, first, x), slab_pixel(s, in, second, x + apart)), to);
        }
}

/* One pair of output pixels into every set: whole vectors are stored, the next pair overwrites what
 * was too much. */
static void pack_delta_pair(const state *s, pixel_pair pair, uint32_t *to) {
    const size_t set_pairs = s->set_pairs;
    const int groups = s->groups, made = s->made, rows = s->rows, end = s->sets * rows;
    for (int g = 0; g < groups; g++) {
        const size_t c = (size_t)g * made;
        int at = 0;
        for (; at + TN_HALVES <= made; at += rows, to += set_pairs)
            _mm512_storeu_si512(to, paired(&pair, c + at, 0xFFFF));
        for (; at < end; at += rows, to += set_pairs)
            _mm512_storeu_si512(to,
                                paired(&pair, c + at, at < made ? tn_halves_mask(at, made) : 0));
    }
}

static void pack_delta(const state *s, const workplace *w, const tn_tensor *dout,
                       tn_slab_part part) {
    const int width = s->pixels ? part.rows : s->x.count, rows = s->pixels ? 1 : part.rows;
    const int abreast = s->abreast, step = 3 - abreast;
    const size_t image_size = (size_t)dout->h * dout->w * dout->pitch;
    const size_t apart = abreast == 2 ? image_size : (size_t)dout->pitch;
    uint32_t *to = w->delta;
    for (int n = 0; n < part.images; n++)
        for (int y = 0; y < rows; y++) {
            const int image = (part.image + n) * abreast;
            const tn_bf16 *row = (const tn_bf16 *)dout->data + image * image_size +
                                 (size_t)(part.row + y) * dout->w * dout->pitch;
            for (int x = 0; x < width; x += step, to += ROWS) {
                const tn_bf16 *first = row + (size_t)x * dout->pitch;
                const bool two = abreast == 2 ? image + 1 < dout->n : x + 1 < width;
                pack_delta_pair(s, pair_of(first, two ? first + apart : NULL), to);
            }
        }
}

#endif

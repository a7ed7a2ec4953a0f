/* Convolution forward and backward data of bf16: a matrix product over slabs, as in
 * convolution_dense.h, whose steps multiply pairs of channels (VDPBF16PS). A pixel's channels are
 * read as pairs of 32 bits, the weights are packed to match, and each output is summed whole in
 * fp32 and rounded once, with what it is added to.
 *
 * Backward data is the same walk with the sides exchanged: see tn_conv_axis_backward. */
#include "layers/ops/convolution_bf16_plan.h"

/* ---- weights ---- */

static uint32_t pair_of(float low, float high) {
    return tn_bf16_from_float(low).bits | (uint32_t)tn_bf16_from_float(high).bits << 16;
}

/* Two rows of up to sixteen lanes next to each other in memory. */
static void pack_lanes(const float *low, const float *high, __mmask16 mask, uint32_t *to) {
    const __m512 a = _mm512_maskz_loadu_ps(mask, low);
    const __m512 b = high ? _mm512_maskz_loadu_ps(mask, high) : _mm512_setzero_ps();
    const __m512i l = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
    const __m512i h = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(b));
    _mm512_storeu_si512(to, _mm512_or_si512(l, _mm512_slli_epi32(h, 16)));
}

/* One tap's part of a panel: (pair, lane). `next`: weights from channel to channel, `across`: from
 * lane to lane. */
static void pack_tap(const state *s, const float *w, size_t next, size_t across, int lanes,
                     uint32_t *to) {
    const int last = s->read - 1;
    if (across == 1) {
        for (int c = 0; c < s->read; c += 2, to += s->lanes)
            for (int v = 0; v < s->lanes; v += TN_HALVES)
                pack_lanes(w + (size_t)c * next + v,
                           c < last ? w + (size_t)(c + 1) * next + v : NULL,
                           lanes > v ? tn_halves_mask(v, lanes) : 0, to + v);
        return;
    }
    enum { BIT = 32 }; /* channels packed at a time: both sides stay in the cache */
    memset(to, 0, (size_t)s->pairs * s->lanes * sizeof *to);
    for (int from = 0; from < s->read; from += BIT) {
        const int end = from + BIT < s->read ? from + BIT : s->read;
        for (int l = 0; l < lanes; l++)
            for (int c = from; c < end; c += 2) {
                const float *at = w + l * across + (size_t)c * next;
                to[(size_t)(c / 2) * s->lanes + l] = pair_of(*at, c < last ? at[next] : 0);
            }
    }
}

static void pack_panel(const state *s, const tn_convolution_attr *a, const phase *p,
                       const float *master, int group, int panel) {
    const size_t taps = (size_t)a->kh * a->kw, g = (size_t)group;
    const size_t first = (size_t)panel * s->lanes;
    const int left = s->made - (int)first, lanes = left < s->lanes ? left : s->lanes;
    const size_t next = (s->backward ? s->made : 1) * taps;
    const size_t across = (s->backward ? 1 : s->read) * taps;
    const size_t at = s->backward ? (g * s->read * s->made + first) * taps
                                  : (g * s->made + first) * s->read * taps;
    uint32_t *to =
        s->packed + p->weights_at + ((size_t)group * s->panels + panel) * p->depth * s->lanes;
    for (int ty = 0; ty < p->y->taps; ty++)
        for (int tx = 0; tx < p->x->taps; tx++, to += (size_t)s->pairs * s->lanes) {
            const int tap =
                (p->y->tap + ty * p->y->tap_step) * a->kw + p->x->tap + tx * p->x->tap_step;
            pack_tap(s, master + at + tap, next, across, lanes, to);
        }
}

static void pack(const tn_op_run *r, state *s) {
    const tn_param *p = r->param[0];
    if (s->is_packed && s->version == p->version && s->master == p->value) return;
    const int panels = s->groups * s->panels;
#pragma omp parallel for collapse(2) schedule(static) num_threads(r->threads)
    for (int q = 0; q < s->phases; q++)
        for (int i = 0; i < panels; i++)
            if (s->phase[q].depth > 0)
                pack_panel(s, r->op->attr, &s->phase[q], p->value, i / s->panels, i % s->panels);
    s->is_packed = true;
    s->version = p->version;
    s->master = p->value;
}

/* ---- the walk ---- */

/* A pixel of the padding is zeros, and so is what fills an odd number of channels up. */
static void copy_row(const state *s, const tn_tensor *read, const tn_bf16 *row, char *to) {
    const size_t pitch = (size_t)s->pitch * sizeof(uint32_t);
    const size_t bytes = (size_t)read->c * sizeof(tn_bf16);
    const size_t all = (size_t)s->groups * s->pairs * sizeof(uint32_t);
    for (int i = 0; i < s->slab_width; i++, to += pitch) {
        const int at = tn_slab_source(&s->slab_x, 0, i);
        const bool inside = row && (unsigned)at < (unsigned)read->w;
        if (inside) memcpy(to, row + (size_t)at * read->pitch, bytes);
        if (!inside || bytes < all)
            memset(to + (inside ? bytes : 0), 0, all - (inside ? bytes : 0));
    }
}

static void copy_slab(const state *s, const tn_tensor *read, tn_slab_part part, char *slab) {
    const int rows = tn_slab_extent(&s->slab_y, part.rows);
    const size_t row_bytes = (size_t)s->slab_width * s->pitch * sizeof(uint32_t);
    for (int n = 0; n < part.images; n++)
        for (int i = 0; i < rows; i++, slab += row_bytes) {
            const int y = tn_slab_source(&s->slab_y, part.row, i);
            const bool inside = (unsigned)y < (unsigned)read->h;
            const size_t pixel = ((size_t)(part.image + n) * read->h + (size_t)y) * read->w;
            copy_row(s, read, inside ? tn_halves_pixel(read, pixel) : NULL, slab);
        }
}

/* Fills the positions of a phase within a part; returns how many. */
static int find_positions(const state *s, const phase *p, const tn_tensor *made, tn_slab_part part,
                          const workplace *w) {
    const int rows = tn_slab_extent(&s->slab_y, part.rows);
    const ptrdiff_t pitch = s->pitch * (ptrdiff_t)sizeof(uint32_t);
    int count = 0;
    for (int n = 0; n < part.images; n++)
        for (int j = part.row; j < part.row + part.rows && j < p->y->count; j++) {
            const int row = (j - part.row) * s->slab_y.step + p->y->read - s->slab_y.first;
            const ptrdiff_t slab = ((ptrdiff_t)n * rows + row) * s->slab_width;
            const int y = p->y->first + j * p->y->step;
            const ptrdiff_t pixel = ((ptrdiff_t)(part.image + n) * made->h + y) * made->w;
            for (int i = 0; i < p->x->count; i++, count++) {
                w->read_at[count] =
                    (slab + i * s->slab_x.step + p->x->read - s->slab_x.first) * pitch;
                w->made_at[count] = (pixel + p->x->first + i * p->x->step) * made->pitch;
            }
        }
    return count;
}

/* All positions by one panel. */
static void make_panel(const workplace *w, int positions, tile *t, const char *slab, tn_bf16 *made,
                       int lanes) {
    const int tiles = (positions + ROWS - 1) / ROWS;
    const int form = t->lanes == TN_HALVES ? 0 : lanes > TN_HALVES ? 2 : 1;
    t->mask[0] = tn_halves_mask(0, lanes);
    t->mask[1] = lanes > TN_HALVES ? tn_halves_mask(TN_HALVES, lanes) : 0;
    for (int i = 0, from = 0; i < tiles; i++) {
        const int to = (int)((long)positions * (i + 1) / tiles), rows = to - from;
        for (int q = 0; q < rows; q++) {
            t->read[q] = slab + w->read_at[from + q];
            t->made[q] = made + w->made_at[from + q];
        }
        from = to;
        tile_table[rows - 1][form](t);
    }
}

static void make_phase(const state *s, const workplace *w, const tn_tensor *made, const phase *p,
                       int positions, bool add, int share) {
    const int panels = s->groups * s->panels;
    const int from = (int)((long)panels * share / s->shares);
    const int to = (int)((long)panels * (share + 1) / s->shares);
    for (int i = from; i < to; i++) {
        const int g = i / s->panels, first = i % s->panels * s->lanes, left = s->made - first;
        tile t = {.piece = s->piece + p->piece,
                  .pieces = p->pieces,
                  .lanes = s->lanes,
                  .weights = s->packed + p->weights_at + (size_t)i * p->depth * s->lanes,
                  .add = add,
                  .streams = s->streams && !add};
        if (s->in_place) { /* a share of the next unit's lines with every panel */
            const int lines = (s->read * (int)sizeof(tn_bf16) + LINE - 1) / LINE;
            t.ahead = (ptrdiff_t)positions * s->pitch * (ptrdiff_t)sizeof(uint32_t);
            t.from_line = (int)((long)lines * (i - from) / (to - from));
            t.to_line = (int)((long)lines * (i + 1 - from) / (to - from));
        }
        make_panel(w, positions, &t, w->slab + (size_t)g * s->pairs * sizeof(uint32_t),
                   (tn_bf16 *)made->data + (size_t)g * s->made + first,
                   left < s->lanes ? left : s->lanes);
    }
}

/* Positions that no tap reaches. */
static void make_zeros(const workplace *w, const tn_tensor *made, int positions) {
    for (int i = 0; i < positions; i++)
        memset((tn_bf16 *)made->data + w->made_at[i], 0, (size_t)made->c * sizeof(tn_bf16));
}

static void make_unit(const state *s, const tn_tensor *read, const tn_tensor *made, bool add,
                      workplace *w, int unit, int share) {
    const tn_slab_part part = tn_slab_part_of(&s->units, unit);
    if (s->in_place)
        w->slab = (char *)tn_halves_pixel(read, (size_t)part.row);
    else
        copy_slab(s, read, part, w->slab);
    for (int q = 0; q < s->phases; q++) {
        const phase *p = &s->phase[q];
        if (p->depth == 0 && (add || share > 0)) continue;
        const int positions = find_positions(s, p, made, part, w);
        if (p->depth == 0)
            make_zeros(w, made, positions);
        else
            make_phase(s, w, made, p, positions, add, share);
    }
}

static void walk(const tn_op_run *r, const tn_kernel_run *k, const tn_tensor *read,
                 const tn_tensor *made, bool add) {
    state *s = k->state;
    const tn_tensor read_column = tn_slab_column(*read), made_column = tn_slab_column(*made);
    if (s->pixels) {
        read = &read_column;
        made = &made_column;
    }
    s->streams = tn_halves_may_stream(made);
    const size_t table = (s->positions + 8) * sizeof(ptrdiff_t);
    const size_t bytes = s->slab_pairs * sizeof(uint32_t) + 2 * table;
    const int jobs = s->units.count * s->shares;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        char *memory = (char *)k->scratch + (size_t)t * bytes;
        char *tables = memory + s->slab_pairs * sizeof(uint32_t);
        workplace w = {memory, (ptrdiff_t *)tables, (ptrdiff_t *)(tables + table)};
        const int from = (int)((long)jobs * t / r->threads);
        const int to = (int)((long)jobs * (t + 1) / r->threads);
        for (int j = from; j < to; j++) { /* shares outermost: threads differ in panels */
            w.slab = memory;
            make_unit(s, read, made, add, &w, j % s->units.count, j / s->units.count);
        }
        if (s->streams) _mm_sfence();
    }
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, false);
}

static tn_status prepare_backward(tn_op_run *r, tn_kernel_run *k) {
    return prepare(r, k, true);
}

/* What oneDNN would add to the gradient there is would pass through memory once more, in fp32. In
 * all else it is ahead: on Zen 5, one core, 450 to 500 GFLOP/s against 360 to 480. */
static tn_status prepare_adding(tn_op_run *r, tn_kernel_run *k) {
    return r->accumulate[0] ? prepare(r, k, true) : TN_REFUSED;
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    pack(r, k->state);
    walk(r, k, &r->in[0], &r->out, false);
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    if (!r->din[0].data) return TN_OK;
    pack(r, k->state);
    walk(r, k, &r->dout, &r->din[0], r->accumulate[0]);
    return TN_OK;
}

const tn_kernel tn_convolution_forward_bf16_any = {"bf16",  prepare_forward, forward,
                                                   release, TN_ON_CPU,       true};
const tn_kernel tn_convolution_backward_data_bf16 = {"bf16",  prepare_adding, backward_data,
                                                     release, TN_ON_CPU,      true};
const tn_kernel tn_convolution_backward_data_bf16_any = {"bf16",  prepare_backward, backward_data,
                                                         release, TN_ON_CPU,        true};

/* Convolution forward and backward data as a matrix product over slabs: dense ones, and groups wide
 * enough to fill vectors. Written over vector.h; included by one _avx2.c and one _avx512.c file.
 *
 * Threads take units (slabs) in turn. A slab's channels are copied in blocks of BLOCK at most; a
 * block's product is cut into chunks of DEPTH, whose panel of weights stays in the cache (AVX2: the
 * first level, AVX-512: the second) while all positions of the slab pass by it (Goto and van de
 * Geijn, Anatomy of high-performance matrix multiplication, 2008). Every output is summed in the
 * same order whatever the units and the number of threads.
 *
 * Backward data is the same walk with the sides exchanged: see tn_conv_axis_backward. */
#ifndef TN_OPS_CONVOLUTION_DENSE_H
#define TN_OPS_CONVOLUTION_DENSE_H

#include "layers/ops/convolution_dense_pack.h"
#include "layers/ops/convolution_dense_places.h"
#include "layers/ops/convolution_dense_plan.h"
#include "layers/ops/convolution_kernels.h"
#include "layers/ops/streams.h"

/* ---- tiles ---- */

typedef void (*tile_function)(const tn_dense_tile *t);

#define TILE(segments, rows, vectors)                                                              \
    static void tile_##segments##_##rows##_##vectors(const tn_dense_tile *t) {                     \
        tn_dense_tile_make(t, segments, rows, vectors);                                            \
    }
#define BOTH(segments, rows) TILE(segments, rows, 1) TILE(segments, rows, 2)
#define NAMES(segments, rows)                                                                      \
    { tile_##segments##_##rows##_1, tile_##segments##_##rows##_2 }
#ifdef __AVX512F__
#define EVERY(DO, s) DO(s, 1) DO(s, 2) DO(s, 3) DO(s, 4) DO(s, 5) DO(s, 6) DO(s, 7)
#define LIST(s)                                                                                    \
    { NAMES(s, 1), NAMES(s, 2), NAMES(s, 3), NAMES(s, 4), NAMES(s, 5), NAMES(s, 6), NAMES(s, 7) }
EVERY(BOTH, 1)
EVERY(BOTH, 2)
static const tile_function tile_table[TN_SEGMENTS][TN_SEGMENT_ROWS][2] = {LIST(1), LIST(2)};
#else
BOTH(1, 1)
BOTH(2, 1)
BOTH(3, 1)
BOTH(4, 1)
BOTH(5, 1)
BOTH(6, 1)
#define LIST(s)                                                                                    \
    { NAMES(s, 1) }
static const tile_function tile_table[TN_SEGMENTS][TN_SEGMENT_ROWS][2] = {
    LIST(1), LIST(2), LIST(3), LIST(4), LIST(5), LIST(6),
};
#endif

/* A panel whose last lanes are no filters: made aside, then put in place. */
static void make_partial(tn_dense_tile *t, const tile_place *at, int lanes) {
    float aside[TN_SEGMENTS][TN_SEGMENT_ROWS][TN_PANEL];
    tn_dense_tile u = *t;
    u.add = u.streams = false;
    u.made_step = TN_PANEL;
    for (int s = 0; s < at->segments; s++) u.made[s] = aside[s][0];
    tile_table[at->segments - 1][at->rows - 1][lanes > TN_VECTOR](&u);
    for (int s = 0; s < at->segments; s++)
        for (int i = 0; i < at->rows; i++) {
            float *made = t->made[s] + i * t->made_step;
            const float *sum = aside[s][i];
            for (int l = 0; l < lanes; l++) made[l] = t->add ? made[l] + sum[l] : sum[l];
        }
}

/* ---- the walk ---- */

static void copy_row(const state *s, const tn_tensor *read, const block *b, const float *row,
                     float *to) {
    const tn_slab_axis *x = &s->slab_x;
    const size_t bytes = (size_t)b->channels * sizeof(float);
    for (int i = 0; i < s->slab_width; i++, to += b->pitch) {
        const int at = tn_slab_source(x, 0, i);
        if ((unsigned)at >= (unsigned)read->w) {
            memset(to, 0, bytes);
            continue;
        }
        const float *from = row + (size_t)at * read->pitch + b->at;
        if (x->step == x->read_step && b->pitch == read->pitch) { /* to the end of the row */
            const int left = s->slab_width - i, inside = read->w - at;
            const int pixels = left < inside ? left : inside;
            memcpy(to, from, ((size_t)(pixels - 1) * b->pitch + b->channels) * sizeof(float));
            i += pixels - 1;
            to += (size_t)(pixels - 1) * b->pitch;
        } else {
            memcpy(to, from, bytes);
        }
    }
}

static void copy_slab(const state *s, const tn_tensor *read, const block *b, tn_slab_part part,
                      float *slab) {
    const int rows = tn_slab_extent(&s->slab_y, part.rows);
    const size_t row_floats = (size_t)s->slab_width * b->pitch;
    const float *data = tn_data(read);
    for (int n = 0; n < part.images; n++)
        for (int i = 0; i < rows; i++, slab += row_floats) {
            const int y = tn_slab_source(&s->slab_y, part.row, i);
            if ((unsigned)y >= (unsigned)read->h) {
                memset(slab, 0, row_floats * sizeof(float));
                continue;
            }
            const size_t pixel = ((size_t)(part.image + n) * read->h + y) * read->w;
            copy_row(s, read, b, data + pixel * read->pitch, slab);
        }
}

/* All positions by one panel and one chunk. */
static void make_panel(const state *s, workplace *w, int pitch, const chunk *chunks, bool add,
                       tn_dense_tile *t, const float *slab, float *made, int lanes,
                       const float *next) {
    t->read_step = w->read_step * pitch;
    t->made_step = w->made_step;
    /* All of the next weights are fetched while these are used. */
    w->next_weights = (tn_fetch){.at = (const char *)next,
                                 .left = (long)chunks->depth * TN_PANEL / TN_LINE,
                                 .run = INT_MAX,
                                 .rate = (256 * TN_PANEL + w->tiles - 1) / w->tiles};
    for (int i = 0; i < w->tiles; i++) {
        const tile_place *at = &w->tile[i];
        const chunk *c = &chunks[at->pair];
        if (c->depth == 0) continue;
        t->piece = s->piece + c->piece;
        t->pieces = c->pieces;
        t->add = add || !c->first;
        const segment *from = &w->segment[at->segment];
        const bool more = i + 1 < w->tiles;
        const segment *then = more ? &w->segment[at[1].segment] : from;
        for (int q = 0; q < at->segments; q++) {
            t->read[q] = slab + from[q].read * pitch;
            t->made[q] = made + from[q].made;
            t->ahead[q] = more && q < at[1].segments ? (then[q].read - from[q].read) * pitch : 0;
        }
        if (lanes % TN_VECTOR == 0)
            tile_table[at->segments - 1][at->rows - 1][lanes > TN_VECTOR](t);
        else
            make_partial(t, at, lanes);
    }
}

/* One block's share of the sums of one phase. A panel's chunks follow each other while what they
 * make is in the cache. */
static void make_phase(const state *s, workplace *w, const tn_tensor *made, const phase *p,
                       int index, bool add, int share) {
    const block *b = &s->block[index];
    const int first_group = b->at / s->read, panels = b->groups * s->panels;
    const int from = (int)((long)panels * share / s->shares);
    const int to = (int)((long)panels * (share + 1) / s->shares);
    const size_t before = (size_t)p->y->taps * p->x->taps * b->depth_at;
    const int pairs = p->spans_y->count * p->spans_x->count;
    for (int i = from; i < to; i++) {
        const int g = i / s->panels, panel = i % s->panels, left = s->made - panel * TN_PANEL;
        const int lanes = left < TN_PANEL ? left : TN_PANEL;
        const size_t at = ((size_t)(first_group + g) * s->panels + panel) * p->depth;
        tn_dense_tile t = {.next = &w->next_weights,
                           .next_read = &w->next_read,
                           .weights = s->packed + p->weights_at + (at + before) * TN_PANEL};
        size_t depth = 0;
        for (int c = p->chunk_from[index]; c < p->chunk_from[index + 1]; c += pairs) {
            const chunk *chunks = &s->chunk[c]; /* the first has all taps */
            /* The next chunk follows this one; the next panel's first comes after the last. */
            const bool last = c + pairs == p->chunk_from[index + 1];
            depth += (size_t)chunks->depth;
            const size_t next = (last ? p->depth : depth) * TN_PANEL;
            t.streams = s->streams && !add && (size_t)chunks->depth == p->depth;
            if (w->measures && last && index + 1 == s->blocks) {
                const tn_part_moments *m = &w->moments;
                const int lane = panel * TN_PANEL;
                t.moments = (tn_tile_moments){m->around + lane, m->sum + lane, m->squares + lane};
            }
            make_panel(s, w, b->pitch, chunks, add || before > 0, &t, w->slab + (size_t)g * s->read,
                       tn_data(made) + (size_t)(first_group + g) * s->made + panel * TN_PANEL,
                       lanes, t.weights + next);
        }
    }
}

/* Positions that no tap reaches. */
static void make_zeros(const workplace *w, const tn_tensor *made) {
    for (int i = 0; i < w->tiles; i++)
        for (int q = 0; q < w->tile[i].segments * w->tile[i].rows; q++)
            memset(tn_data(made) + made_at(w, &w->tile[i], q), 0, (size_t)made->c * sizeof(float));
}

/* Channel where panel i of a block begins; for the number of panels: where its last one ends. */
static int channel_of(const state *s, const block *b, int i) {
    const int group = b->at / s->read + i / s->panels, in_group = i % s->panels * TN_PANEL;
    return group * s->made + (in_group < s->made ? in_group : s->made);
}

/* What follows the convolution, over the channels that this share of a unit has made. */
static void finish_unit(const state *s, const workplace *w, const tn_tensor *made, int share) {
    for (int i = 0; i < s->blocks; i++) {
        const block *b = &s->block[i];
        if (b->depth_at + b->channels / b->groups < s->read) continue; /* its group's sums go on */
        const int panels = b->groups * s->panels;
        const int from = channel_of(s, b, (int)((long)panels * share / s->shares));
        const int to = channel_of(s, b, (int)((long)panels * (share + 1) / s->shares));
        for (int t = 0; t < w->tiles; t++)
            for (int q = 0; q < w->tile[t].segments * w->tile[t].rows; q++) {
                const ptrdiff_t pixel = made_at(w, &w->tile[t], q);
                tn_epilogue_pixel(&s->epilogue, (size_t)pixel / (size_t)made->pitch, from, to,
                                  tn_data(made) + pixel);
            }
    }
}

/* What a unit's block reads, to be fetched while another one is made. */
static tn_fetch reads_of(const state *s, const tn_tensor *read, const block *b, int unit) {
    tn_fetch f = {0};
    if (s->slab_y.step != s->slab_y.read_step || s->slab_x.step != s->slab_x.read_step) return f;
    const tn_slab_part part = tn_slab_part_of(&s->units, unit);
    int first = tn_slab_source(&s->slab_y, part.row, 0);
    int end = first + tn_slab_extent(&s->slab_y, part.rows);
    if (first < 0) first = 0;
    if (end > read->h) end = read->h;
    if (part.images > 1) end += (part.images - 1) * read->h;
    if (end <= first) return f;
    const size_t from = ((size_t)part.image * read->h + first) * read->w;
    f.at = (const char *)(tn_data(read) + from * read->pitch + b->at);
    f.run = (b->channels + TN_LINE - 1) / TN_LINE;
    f.step = (ptrdiff_t)read->pitch * sizeof(float);
    f.left = (long)(end - first) * read->w * f.run;
    return f;
}

/* Spreads the fetch over what a unit's block has to do. */
static void plan_fetch(const state *s, const tn_slab_part *part, const block *b, tn_fetch *f) {
    double steps = 0;
    for (int q = 0; q < s->phases; q++) {
        const phase *p = &s->phase[q];
        const double positions = (double)part->images * part->rows * p->x->count;
        steps += positions * p->y->taps * p->x->taps;
    }
    const int channels = b->channels / b->groups;
    steps *= (double)b->groups * s->panels / s->shares * channels / TN_LINE;
    steps /= TN_SEGMENTS * TN_SEGMENT_ROWS;
    const double rate = 256 * (double)f->left / (steps + 1);
    f->rate = rate < 4096 ? (int)rate + 1 : 4096;
}

/* then: the unit that the same thread makes next. */
static void make_unit(const state *s, const tn_tensor *read, const tn_tensor *made, bool add,
                      workplace *w, int unit, int share, int then) {
    const tn_slab_part part = tn_slab_part_of(&s->units, unit);
    if (s->in_place) w->slab = tn_data(read) + (size_t)part.row * read->pitch;
    for (int b = 0; b < s->blocks; b++) {
        if (!s->in_place) copy_slab(s, read, &s->block[b], part, w->slab);
        const bool last = b + 1 == s->blocks;
        w->next_read = reads_of(s, read, &s->block[last ? 0 : b + 1], last ? then : unit);
        plan_fetch(s, &part, &s->block[b], &w->next_read);
        for (int q = 0; q < s->phases; q++) {
            const phase *p = &s->phase[q];
            if (p->depth == 0 && (add || b > 0 || share > 0)) continue;
            find_positions(s, p, made, part, w);
            if (w->tiles == 0) continue;
            if (p->depth == 0)
                make_zeros(w, made);
            else
                make_phase(s, w, made, p, b, add, share);
        }
    }
    if (!s->epilogue.norm) return;
    find_positions(s, &s->phase[0], made, part, w);
    finish_unit(s, w, made, share);
}

/* A unit, and the moments of what it makes. */
static void make_measured_unit(const state *s, const tn_tensor *read, const tn_tensor *made,
                               workplace *w, int unit, int then, double *seen) {
    const tn_slab_part part = tn_slab_part_of(&s->units, unit);
    const tn_span pixels = {(size_t)part.row, (size_t)(part.row + part.rows)}; /* of the column */
    w->measures = *seen > 0;
    if (w->measures) tn_moments_begin_block(w->moments, made->c);
    make_unit(s, read, made, false, w, unit, 0, then);
    if (w->measures)
        tn_moments_merge_block(w->moments, *seen, part.rows, made->c);
    else /* the first one is swept: nothing is known that its deviations could be from */
        tn_moments_sweep(made, pixels, w->moments);
    *seen += part.rows;
}

/* leaves: NULL where nobody wants moments. */
static void walk(const tn_op_run *r, const tn_kernel_run *k, const tn_tensor *read,
                 const tn_tensor *made, bool add, tn_channel_moments *leaves) {
    state *s = k->state;
    const tn_tensor read_column = tn_slab_column(*read), made_column = tn_slab_column(*made);
    if (s->pixels) {
        read = &read_column;
        made = &made_column;
    }
    tn_epilogue_fill(&s->epilogue);
    s->streams = !s->epilogue.norm && tn_may_stream(made, TN_VECTOR);
    const size_t bytes = place_bytes(s);
    const int jobs = s->units.count * s->shares;
#pragma omp parallel for schedule(static, 1) num_threads(r->threads)
    for (int t = 0; t < r->threads; t++) {
        workplace w = workplace_in(s, (char *)k->scratch + (size_t)t * bytes);
        const int from = (int)((long)jobs * t / r->threads);
        const int to = (int)((long)jobs * (t + 1) / r->threads);
        if (leaves) {
            w.moments.mean = leaves->mean + (size_t)t * made->c;
            w.moments.m2 = leaves->m2 + (size_t)t * made->c;
            leaves->count[t] = 0;
        }
        for (int j = from; j < to; j++) { /* shares outermost: threads differ in panels */
            const int unit = j % s->units.count, then = (j + 1 < to ? j + 1 : j) % s->units.count;
            if (leaves)
                make_measured_unit(s, read, made, &w, unit, then, &leaves->count[t]);
            else
                make_unit(s, read, made, add, &w, unit, j / s->units.count, then);
        }
        if (s->streams) _mm_sfence();
    }
}

static tn_status forward(tn_op_run *r, tn_kernel_run *k) {
    pack(r, k->state);
    const bool measures = r->leaves && can_measure(k->state) && tn_valid_samples(r) == r->out.n;
    if (r->leaves) r->leaves->given = measures;
    walk(r, k, &r->in[0], &r->out, false, measures ? r->leaves : NULL);
    return TN_OK;
}

static tn_status backward_data(tn_op_run *r, tn_kernel_run *k) {
    if (!r->din[0].data) return TN_OK;
    pack(r, k->state);
    walk(r, k, &r->dout, &r->din[0], r->accumulate[0], NULL);
    return TN_OK;
}

/* Where oneDNN 2.6 is ahead on Zen 3 (two cores, GFLOP/s): 1x1 kernels of stride 1, 150 to 160
 * against 125 to 155, and reading an image, 167 against 120; in all else it is behind (3x3: 90
 * against 150). It cannot add to a gradient: large ones would pass through memory twice more. */
static bool library_leads_avx2(const tn_op_run *r, bool backward) {
    enum { LARGE = 32 << 20 };
    const tn_convolution_attr *a = r->op->attr;
    if (a->groups > 1) return false;
    const bool pixels = a->kh * a->kw == 1 && a->stride_y == 1 && a->stride_x == 1;
    if (backward)
        return pixels && !(r->accumulate[0] && tn_elements(&r->in[0]) * sizeof(float) >= LARGE);
    return pixels || r->in[0].c < 16;
}

/* The same on Zen 5 (one core, whose peak is 260): groups of 16 channels, 5x5 and stride 1, 245
 * against 180, but for small maps, 1x1 from 64 to 64 channels forward, 260 against 240, and reading
 * an image. In all else it is level (1x1 and 3x3 forward) or behind: 1x1 backward data 140 to 220
 * against 205 to 240, 3x3 at 7x7 210 to 230 against 280. */
static bool library_leads_avx512(const tn_op_run *r, bool backward) {
    const tn_convolution_attr *a = r->op->attr;
    if (a->groups > 1) {
        const tn_tensor *made = backward ? &r->in[0] : &r->out;
        return a->kh * a->kw > 1 && a->stride_y == 1 && a->stride_x == 1 && a->dilation == 1 &&
               made->c / a->groups <= 16 && made->h * made->w > SMALL_MAP;
    }
    const bool pixels = a->kh * a->kw == 1 && a->stride_y == 1 && a->stride_x == 1;
    return !backward && (r->in[0].c < 16 || (pixels && r->in[0].c <= 64 && r->out.c <= 64));
}

/* A kernel for AVX2 leaves to the library, where there is AVX-512, what its successor would. */
static bool library_leads(const tn_op_run *r, bool backward) {
    if (!TN_DNNL) return false;
    if (TN_VECTOR == 16) return library_leads_avx512(r, backward);
    return library_leads_avx2(r, backward) ||
           (__builtin_cpu_supports("avx512dq") && library_leads_avx512(r, backward));
}

static tn_status prepare_forward(tn_op_run *r, tn_kernel_run *k) {
    return library_leads(r, false) ? TN_REFUSED : prepare(r, k, false);
}

static tn_status prepare_backward(tn_op_run *r, tn_kernel_run *k) {
    return library_leads(r, true) ? TN_REFUSED : prepare(r, k, true);
}

const tn_kernel TN_ISA(tn_convolution_forward_dense) = {TN_ISA_TEXT, prepare_forward, forward,
                                                        release};
const tn_kernel TN_ISA(tn_convolution_backward_data_dense) = {TN_ISA_TEXT, prepare_backward,
                                                              backward_data, release};

#endif

/* The packed weights of a dense convolution: panels of TN_PANEL filters. Included by
 * convolution_dense.h alone. */
#ifndef TN_OPS_CONVOLUTION_DENSE_PACK_H
#define TN_OPS_CONVOLUTION_DENSE_PACK_H

#include "layers/ops/convolution_dense_plan.h"

/* Where the weight of tap 0 lies that leads from the group's channel `read` to its `made`. */
static size_t weight_at(const state *s, int taps, int group, int made, int read) {
    const size_t g = (size_t)group;
    if (!s->backward) return ((g * s->made + made) * s->read + read) * taps;
    return ((g * s->read + read) * s->made + made) * taps;
}

static void pack_bit(const float *w, int channels, size_t next, int lanes, size_t across,
                     float *packed) {
    for (int l = 0; l < lanes; l++)
        for (int c = 0; c < channels; c++) packed[c * TN_PANEL + l] = w[l * across + c * next];
    for (int l = lanes; l < TN_PANEL; l++)
        for (int c = 0; c < channels; c++) packed[c * TN_PANEL + l] = 0;
}

/* One block's part of a panel: (tap y, tap x, channel, lane). */
static void pack_block(const state *s, const tn_convolution_attr *a, const phase *p,
                       const float *master, int group, int first, int from, int to, float *packed) {
    const int taps = a->kh * a->kw, channels = to - from;
    const int left = s->made - first, lanes = left < TN_PANEL ? left : TN_PANEL;
    const size_t next = (size_t)(s->backward ? s->made : 1) * taps;   /* channel to channel */
    const size_t across = (size_t)(s->backward ? 1 : s->read) * taps; /* lane to lane */
    for (int ty = 0; ty < p->y->taps; ty++)
        for (int tx = 0; tx < p->x->taps; tx++) {
            const int tap =
                (p->y->tap + ty * p->y->tap_step) * a->kw + p->x->tap + tx * p->x->tap_step;
            const float *w = master + weight_at(s, taps, group, first, from) + tap;
            for (int c = 0; c < channels; c += BIT) { /* both sides stay in the cache */
                const int bit = channels - c < BIT ? channels - c : BIT;
                pack_bit(w + c * next, bit, next, lanes, across, packed);
                packed += (size_t)bit * TN_PANEL;
            }
        }
}

static void pack_panel(const state *s, const tn_convolution_attr *a, const phase *p,
                       const float *master, int group, int panel) {
    float *to =
        s->packed + p->weights_at + ((size_t)group * s->panels + panel) * p->depth * TN_PANEL;
    const size_t taps = (size_t)p->y->taps * p->x->taps;
    for (int b = 0; b < s->blocks; b++) {
        const block *k = &s->block[b];
        if (k->groups == 1 && k->at / s->read != group) continue;
        if (k->groups > 1 && (group < k->at / s->read || group >= k->at / s->read + k->groups))
            continue;
        const int channels = k->channels / k->groups;
        pack_block(s, a, p, master, group, panel * TN_PANEL, k->depth_at, k->depth_at + channels,
                   to + taps * k->depth_at * TN_PANEL);
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

#endif

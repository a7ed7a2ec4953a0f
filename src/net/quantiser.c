#include "src/net/quantiser.h"

#include "layers/ops/convolution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 4096, CANDIDATES = 256, UNSIGNED_LEVELS = 255, SIGNED_LEVELS = 127 };

/* How often |x| fell into each BINS-th of `range`, which grows by doubling: then two bins are one.
 */
typedef struct counts {
    double range, largest, lowest;
    uint64_t bin[BINS];
} counts;

struct tn_quantiser {
    const tn_plan *plan;
    int *tensor, n;
    int *slot; /* [n_tensors]: place in tensor; -1: no convolution reads it */
    counts *seen;
};

const char *tn_clip_name(tn_clip clip) {
    static const char *const names[TN_CLIPS] = {"least-squares", "max", "percentile"};
    return names[clip];
}

/* ---- making ---- */

static bool add_tensors(tn_quantiser *q) {
    const tn_plan *plan = q->plan;
    for (int t = 0; t < plan->n_tensors; t++) q->slot[t] = -1;
    for (int i = 0; i < plan->n_ops; i++) {
        const int t = plan->op[i].in[0];
        if (plan->op[i].kind != &tn_op_convolution || q->slot[t] >= 0) continue;
        q->slot[t] = q->n;
        q->tensor[q->n++] = t;
    }
    q->seen = calloc((size_t)q->n + 1, sizeof *q->seen);
    for (int i = 0; q->seen && i < q->n; i++) q->seen[i].range = 0x1p-20;
    return q->seen != NULL;
}

tn_status tn_quantiser_create(const tn_plan *plan, tn_quantiser **out) {
    tn_quantiser *q = *out = calloc(1, sizeof *q);
    if (!q) return tn_fail("out of memory");
    q->plan = plan;
    q->tensor = malloc((size_t)plan->n_tensors * sizeof *q->tensor);
    q->slot = malloc((size_t)plan->n_tensors * sizeof *q->slot);
    if (q->tensor && q->slot && add_tensors(q)) return TN_OK;
    tn_quantiser_free(q);
    *out = NULL;
    return tn_fail("out of memory");
}

void tn_quantiser_free(tn_quantiser *q) {
    if (!q) return;
    free(q->tensor);
    free(q->slot);
    free(q->seen);
    free(q);
}

const int *tn_quantiser_tensors(const tn_quantiser *q, int *n) {
    *n = q->n;
    return q->tensor;
}

/* ---- counting ---- */

static void widen(counts *c, double largest) {
    while (c->range <= largest) {
        for (int i = 0; i < BINS / 2; i++) c->bin[i] = c->bin[2 * i] + c->bin[2 * i + 1];
        memset(c->bin + BINS / 2, 0, sizeof c->bin / 2);
        c->range *= 2;
    }
}

/* False: a value is not finite. */
static bool count(counts *c, const tn_real *x, size_t n) {
    tn_real low = 0, high = 0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        finite &= isfinite(x[i]) != 0;
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    if (!finite) return false;
    c->lowest = fmin(c->lowest, (double)low);
    const double largest = fmax((double)high, -(double)low);
    c->largest = fmax(c->largest, largest);
    widen(c, largest);
    const tn_real bins = (tn_real)(BINS / c->range);
    for (size_t i = 0; i < n; i++) {
        const int at = (int)((x[i] < 0 ? -x[i] : x[i]) * bins);
        c->bin[at < BINS ? at : BINS - 1]++;
    }
    return true;
}

tn_status tn_quantiser_see(tn_quantiser *q, const tn_run *run, int n_valid) {
    for (int i = 0; i < q->n; i++) {
        const tn_tensor t = tn_run_value(run, q->tensor[i]);
        if (!t.data) continue; /* of a head that only trains */
        const size_t rows = (size_t)n_valid * (size_t)t.h * (size_t)t.w;
        const bool dense = tn_is_dense(&t);
        bool finite = true;
        for (size_t p = 0; p < (dense ? 1 : rows); p++)
            finite &= count(&q->seen[i], tn_data(&t) + p * (size_t)t.pitch,
                            dense ? rows * (size_t)t.c : (size_t)t.c);
        if (!finite)
            return tn_fail("layer %d: its output is not finite: nothing can be learned of its size",
                           q->plan->tensor[q->tensor[i]].layer);
    }
    return TN_OK;
}

/* ---- choosing ---- */

/* Mean squares of what is lost when the scale ends at `end`, times the number of values. */
static double loss(const counts *c, double end, int levels) {
    const double width = c->range / BINS, step = end / levels, rounding = step * step / 12;
    double sum = 0;
    for (int i = 0; i < BINS; i++) {
        if (!c->bin[i]) continue;
        const double x = (i + 0.5) * width;
        const double one = x > end ? (x - end) * (x - end) : fmin(rounding, x * x);
        /* the first bin is full of zeros, which are exact */
        if (i > 0) sum += one * (double)c->bin[i];
    }
    return sum;
}

static double least_squares(const counts *c, int levels) {
    double best = c->largest, least = loss(c, best, levels);
    for (int i = 1; i < CANDIDATES; i++) {
        const double end = c->largest * i / CANDIDATES, here = loss(c, end, levels);
        if (here >= least) continue;
        best = end;
        least = here;
    }
    return best;
}

static double percentile(const counts *c) {
    uint64_t all = 0, above = 0;
    for (int i = 0; i < BINS; i++) all += c->bin[i];
    for (int i = BINS - 1; i > 0; i--) {
        above += c->bin[i];
        if (above > all / 10000) return fmin((i + 1) * c->range / BINS, c->largest);
    }
    return c->largest;
}

/* Some kernels' relu leaves a trace of what is below zero (weighted_onednn.c), which is none. */
static bool is_signed(const counts *c) {
    return -c->lowest > 1e-6 * c->largest;
}

static tn_quantisation choose(const counts *c, tn_clip clip) {
    const int levels = is_signed(c) ? SIGNED_LEVELS : UNSIGNED_LEVELS;
    const double end = clip == TN_CLIP_LEAST_SQUARES ? least_squares(c, levels)
                       : clip == TN_CLIP_PERCENTILE  ? percentile(c)
                                                     : c->largest;
    return (tn_quantisation){(float)(end / levels), is_signed(c)};
}

/* An image is of 8 bits to begin with: its scale ends where it does. */
static tn_quantisation choose_for(const tn_quantiser *q, int tensor, tn_clip clip) {
    return choose(&q->seen[q->slot[tensor]], tensor == q->plan->input ? TN_CLIP_MAX : clip);
}

/* What takes no time gains none: a net's last layer, above all, stays as exact as it is. */
static bool is_worth_it(const tn_plan *plan, const tn_op *op) {
    const double least = 1 << 14;
    return op->kind == &tn_op_convolution && tn_plan_op_multiply_adds(plan, op) >= least;
}

void tn_quantiser_choose(const tn_quantiser *q, tn_clip clip, int exact, tn_quantisation *out) {
    int layers = 0, last = -1; /* with convolutions, so far */
    for (int i = 0; i < q->plan->n_ops; i++) {
        const tn_op *op = &q->plan->op[i];
        if (op->kind == &tn_op_convolution && op->layer != last) {
            last = op->layer;
            layers++;
        }
        const bool is_taken = layers > exact && is_worth_it(q->plan, op);
        out[i] = is_taken ? choose_for(q, op->in[0], clip) : (tn_quantisation){0};
    }
}

#include "src/eval/roc.h"

#include <math.h>
#include <stdlib.h>

/* ---- sorting ---- */

typedef struct ranked {
    double score;
    uint32_t sample;
    unsigned char positive;
} ranked;

/* Equal scores by sample, so that the order is the same on every machine. */
static int from_the_highest(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

static tn_status fill(const ranked *item, size_t n, tn_ranking *r) {
    r->n = n;
    r->order = calloc(n + 1, sizeof *r->order);
    r->score = calloc(n + 1, sizeof *r->score);
    r->positive = calloc(n + 1, sizeof *r->positive);
    r->ends = calloc(n + 1, sizeof *r->ends);
    if (!r->order || !r->score || !r->positive || !r->ends) {
        tn_ranking_free(r);
        return tn_fail("ROC: out of memory for %zu samples", n);
    }
    for (size_t i = 0; i < n; i++) {
        r->order[i] = item[i].sample;
        r->score[i] = item[i].score;
        r->positive[i] = item[i].positive;
        r->ends[i] = i + 1 == n || item[i].score != item[i + 1].score;
    }
    return TN_OK;
}

tn_status tn_ranking_create(const double *score, size_t stride, const int *truth, int positive,
                            size_t n, tn_ranking *out) {
    *out = (tn_ranking){0};
    if (n > UINT32_MAX) return tn_fail("ROC: %zu samples are too many", n);
    ranked *item = calloc(n + 1, sizeof *item);
    if (!item) return tn_fail("ROC: out of memory for %zu samples", n);
    tn_status status = TN_OK;
    for (size_t i = 0; i < n && status == TN_OK; i++) {
        item[i] = (ranked){score[i * stride], (uint32_t)i, truth[i] == positive};
        if (!isfinite(item[i].score))
            status = tn_fail("ROC: the score of sample %zu is %g", i, item[i].score);
    }
    if (status == TN_OK) {
        qsort(item, n, sizeof *item, from_the_highest);
        status = fill(item, n, out);
    }
    free(item);
    return status;
}

void tn_ranking_free(tn_ranking *r) {
    free(r->order);
    free(r->score);
    free(r->positive);
    free(r->ends);
    *r = (tn_ranking){0};
}

/* ---- figures ---- */

static double times_of(const tn_ranking *r, const uint32_t *times, size_t place) {
    return times ? times[r->order[place]] : 1;
}

/* Shares of counts are compared as counts: 19 of 20 is 95 %, whatever 0.95 is in binary. */
static int reaches(double found, double positives, double share) {
    return found >= share * positives - 1e-9 * positives;
}

tn_ranking_figures tn_ranking_summary(const tn_ranking *r, const uint32_t *times) {
    tn_ranking_figures f = {NAN, NAN, NAN, NAN};
    double positives = 0, negatives = 0;
    for (size_t i = 0; i < r->n; i++)
        *(r->positive[i] ? &positives : &negatives) += times_of(r, times, i);
    double tp = 0, fp = 0, new_tp = 0, new_fp = 0, area = 0, precision = 0;
    for (size_t i = 0; i < r->n; i++) {
        *(r->positive[i] ? &new_tp : &new_fp) += times_of(r, times, i);
        if (!r->ends[i]) continue;
        area += new_fp * (tp + new_tp / 2);
        tp += new_tp;
        fp += new_fp;
        if (new_tp > 0) precision += new_tp * (tp / (tp + fp));
        const double specificity = (negatives - fp) / negatives; /* NaN without negatives */
        if (isnan(f.specificity_90) && reaches(tp, positives, 0.90)) f.specificity_90 = specificity;
        if (isnan(f.specificity_95) && reaches(tp, positives, 0.95)) f.specificity_95 = specificity;
        new_tp = new_fp = 0;
    }
    if (positives > 0) f.average_precision = precision / positives;
    if (positives > 0 && negatives > 0) f.auc = area / (positives * negatives);
    if (!(positives > 0)) f.specificity_90 = f.specificity_95 = NAN;
    return f;
}

tn_status tn_ranking_threshold(const tn_ranking *r, double sensitivity, tn_threshold *out) {
    *out = (tn_threshold){0};
    if (!(sensitivity > 0 && sensitivity <= 1))
        return tn_fail("a sensitivity of %g, expected above 0 and at most 1", sensitivity);
    for (size_t i = 0; i < r->n; i++) (*(r->positive[i] ? &out->positives : &out->negatives))++;
    if (out->positives == 0)
        return tn_fail("no positive sample: no threshold can be chosen for a sensitivity");
    size_t tp = 0, i = 0;
    for (; i < r->n; i++) {
        tp += r->positive[i];
        if (r->ends[i] && reaches((double)tp, (double)out->positives, sensitivity)) break;
    }
    const double next = i + 1 < r->n ? r->score[i + 1] : 0;
    out->value = (r->score[i] + next) / 2;
    out->sensitivity = (double)tp / (double)out->positives;
    const size_t fp = i + 1 - tp;
    out->specificity =
        out->negatives ? (double)(out->negatives - fp) / (double)out->negatives : NAN;
    return TN_OK;
}

size_t tn_ranking_curve(const tn_ranking *r, double *threshold, size_t *true_positives,
                        size_t *false_positives) {
    size_t points = 0, tp = 0, fp = 0;
    threshold[points] = INFINITY;
    true_positives[points] = false_positives[points] = 0;
    points++;
    for (size_t i = 0; i < r->n; i++) {
        tp += r->positive[i];
        fp += !r->positive[i];
        if (!r->ends[i]) continue;
        threshold[points] = r->score[i];
        true_positives[points] = tp;
        false_positives[points++] = fp;
    }
    return points;
}

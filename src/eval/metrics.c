#include "src/eval/metrics.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tn_status tn_scores_create(tn_scores *scores, int classes, size_t capacity) {
    *scores = (tn_scores){.classes = classes, .capacity = capacity};
    if (classes < 1) return tn_fail("scores: %d classes", classes);
    if (capacity > SIZE_MAX / sizeof(float) / (size_t)classes)
        return tn_fail("scores: %zu samples of %d classes are too many", capacity, classes);
    scores->probability = calloc(capacity * (size_t)classes + 1, sizeof *scores->probability);
    scores->truth = calloc(capacity + 1, sizeof *scores->truth);
    if (scores->probability && scores->truth) return TN_OK;
    tn_scores_free(scores);
    return tn_fail("scores: out of memory for %zu samples", capacity);
}

void tn_scores_free(tn_scores *scores) {
    free(scores->probability);
    free(scores->truth);
    *scores = (tn_scores){0};
}

tn_status tn_scores_add(tn_scores *scores, const float *probability, int truth) {
    if (scores->n >= scores->capacity)
        return tn_fail("scores: sample %zu, but only %zu were announced", scores->n,
                       scores->capacity);
    if (truth < 0 || truth >= scores->classes)
        return tn_fail("scores: sample %zu is of class %d, expected 0 to %d", scores->n, truth,
                       scores->classes - 1);
    for (int c = 0; c < scores->classes; c++)
        if (!isfinite(probability[c]))
            return tn_fail("scores: sample %zu: probability of class %d is %g", scores->n, c,
                           (double)probability[c]);
    memcpy(scores->probability + scores->n * (size_t)scores->classes, probability,
           (size_t)scores->classes * sizeof *probability);
    scores->truth[scores->n++] = truth;
    return TN_OK;
}

int tn_argmax(const float *probability, int classes) {
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (probability[c] > probability[best]) best = c;
    return best;
}

typedef struct ranked {
    float score;
    int positive;
} ranked;

static int by_score(const void *a, const void *b) {
    float x = ((const ranked *)a)->score, y = ((const ranked *)b)->score;
    return (x > y) - (x < y);
}

/* Twice the pairs won by positives: a tie counts one. Exact in integers. */
static double pairs_won(const ranked *item, size_t n, double *positives) {
    double won = 0, negatives_below = 0;
    *positives = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i;
        double pos = 0;
        while (end < n && item[end].score == item[i].score) pos += item[end++].positive;
        double neg = (double)(end - i) - pos;
        won += pos * (2 * negatives_below + neg);
        negatives_below += neg;
        *positives += pos;
        i = end;
    }
    return won;
}

tn_status tn_auc(const float *score, size_t stride, const int *truth, size_t n, int positive,
                 double *auc) {
    ranked *item = calloc(n + 1, sizeof *item);
    if (!item) return tn_fail("AUC: out of memory for %zu samples", n);
    for (size_t i = 0; i < n; i++) item[i] = (ranked){score[i * stride], truth[i] == positive};
    qsort(item, n, sizeof *item, by_score);
    double positives, won = pairs_won(item, n, &positives);
    double pairs = positives * ((double)n - positives);
    *auc = pairs > 0 ? won / (2 * pairs) : NAN;
    free(item);
    return TN_OK;
}

static double ratio(size_t part, size_t whole) {
    return whole ? (double)part / (double)whole : NAN;
}

/* Samples whose truth fewer than `top` classes beat; equal probabilities go by class index. */
static bool in_top(const float *p, int classes, int truth, int top) {
    int ahead = 0;
    for (int c = 0; c < classes; c++) ahead += p[c] > p[truth] || (c < truth && p[c] == p[truth]);
    return ahead < top;
}

static void count(const tn_scores *s, tn_metrics *m) {
    double loss = 0;
    size_t correct = 0, in = 0;
    for (size_t i = 0; i < s->n; i++) {
        const float *p = s->probability + i * (size_t)s->classes;
        int truth = s->truth[i], predicted = tn_argmax(p, s->classes);
        loss -= log(fmax((double)p[truth], (double)FLT_MIN));
        correct += predicted == truth;
        in += in_top(p, s->classes, truth, m->top);
        m->confusion[(size_t)truth * (size_t)s->classes + (size_t)predicted]++;
        m->by_class[truth].truths++;
        m->by_class[predicted].predictions++;
        m->by_class[truth].correct += predicted == truth;
    }
    m->loss = loss / (double)s->n;
    m->accuracy = ratio(correct, s->n);
    m->top_accuracy = ratio(in, s->n);
}

static tn_status score_classes(const tn_scores *s, tn_metrics *m) {
    for (int c = 0; c < s->classes; c++) {
        tn_class_metrics *k = &m->by_class[c];
        k->precision = ratio(k->correct, k->predictions);
        k->recall = ratio(k->correct, k->truths);
        k->f1 = ratio(2 * k->correct, k->truths + k->predictions);
        TN_TRY(tn_auc(s->probability + c, (size_t)s->classes, s->truth, s->n, c, &k->auc));
    }
    return TN_OK;
}

typedef struct mean {
    double sum;
    int n;
} mean;

static void mean_add(mean *m, double value) {
    if (isnan(value)) return;
    m->sum += value;
    m->n++;
}

static double mean_of(const mean *m) {
    return m->n ? m->sum / m->n : NAN;
}

static void summarise(tn_metrics *m) {
    mean recall = {0}, f1 = {0}, auc = {0};
    for (int c = 0; c < m->classes; c++) {
        if (m->by_class[c].truths == 0) continue;
        mean_add(&recall, m->by_class[c].recall);
        mean_add(&f1, m->by_class[c].f1);
        mean_add(&auc, m->by_class[c].auc);
    }
    m->balanced_accuracy = mean_of(&recall);
    m->f1 = mean_of(&f1);
    m->auc = mean_of(&auc);
    m->sensitivity = m->specificity = NAN;
    if (m->positive < 0) return;
    const tn_class_metrics *p = &m->by_class[m->positive];
    size_t negatives = m->n - p->truths, false_positives = p->predictions - p->correct;
    m->f1 = p->f1;
    m->auc = p->auc;
    m->sensitivity = p->recall;
    m->specificity = ratio(negatives - false_positives, negatives);
}

tn_status tn_metrics_compute(const tn_scores *scores, int positive, int top, tn_metrics *out) {
    size_t k = (size_t)scores->classes;
    *out =
        (tn_metrics){.n = scores->n, .classes = scores->classes, .positive = positive, .top = top};
    if (scores->n == 0) return tn_fail("metrics: no samples");
    if (positive < -1 || positive >= scores->classes)
        return tn_fail("metrics: positive class %d, expected 0 to %d", positive,
                       scores->classes - 1);
    if (top < 1 || top > scores->classes)
        return tn_fail("metrics: top %d of %d classes", top, scores->classes);
    if (k > SIZE_MAX / sizeof *out->confusion / k)
        return tn_fail("metrics: %zu classes are too many", k);
    out->confusion = calloc(k * k, sizeof *out->confusion);
    out->by_class = calloc(k, sizeof *out->by_class);
    tn_status status = TN_OK;
    if (!out->confusion || !out->by_class) {
        status = tn_fail("metrics: out of memory for %zu classes", k);
    } else {
        count(scores, out);
        status = score_classes(scores, out);
    }
    if (status != TN_OK) {
        tn_metrics_free(out);
        return status;
    }
    summarise(out);
    return TN_OK;
}

void tn_metrics_free(tn_metrics *metrics) {
    free(metrics->confusion);
    free(metrics->by_class);
    *metrics = (tn_metrics){0};
}

char *tn_metric_text(double value, char *text) {
    enum { ROOM = 32 };
    if (isfinite(value))
        snprintf(text, ROOM, "%.6g", value);
    else
        snprintf(text, ROOM, "null");
    return text;
}

#include "src/eval/figures.h"

#include "src/eval/roc.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct tn_evaluator {
    const tn_predictions *p;
    tn_decision decision;
    int *answer;        /* [n] */
    double *loss;       /* [n] */
    double *brier;      /* [n] */
    double *confidence; /* [n] probability of the answer */
    int *bin;           /* [n] of the calibration error */
    int rankings;       /* 1 with a positive class, else one a class that occurs */
    tn_ranking *ranking;
};

static const struct {
    const char *key, *name;
} labels[TN_FIGURES] = {
    [TN_FIGURE_LOSS] = {"loss", "loss"},
    [TN_FIGURE_ACCURACY] = {"accuracy", "accuracy"},
    [TN_FIGURE_BALANCED_ACCURACY] = {"balanced_accuracy", "balanced accuracy"},
    [TN_FIGURE_SENSITIVITY] = {"sensitivity", "sensitivity"},
    [TN_FIGURE_SPECIFICITY] = {"specificity", "specificity"},
    [TN_FIGURE_PRECISION] = {"precision", "precision"},
    [TN_FIGURE_NPV] = {"npv", "neg. pred. value"},
    [TN_FIGURE_F1] = {"f1", "F1"},
    [TN_FIGURE_MCC] = {"mcc", "MCC"},
    [TN_FIGURE_AUC] = {"auc", "AUC"},
    [TN_FIGURE_AVERAGE_PRECISION] = {"average_precision", "average precision"},
    [TN_FIGURE_BRIER] = {"brier", "Brier score"},
    [TN_FIGURE_ECE] = {"ece", "calibration error"},
    [TN_FIGURE_SPECIFICITY_90] = {"specificity_at_90", "spec. at 90 % sens."},
    [TN_FIGURE_SPECIFICITY_95] = {"specificity_at_95", "spec. at 95 % sens."},
    [TN_FIGURE_PPV_AT] = {"ppv_at_prevalence", "PPV at prevalence"},
    [TN_FIGURE_NPV_AT] = {"npv_at_prevalence", "NPV at prevalence"},
};

const char *tn_figure_key(tn_figure figure) {
    return labels[figure].key;
}

const char *tn_figure_name(tn_figure figure) {
    return labels[figure].name;
}

tn_decision tn_decision_default(int positive) {
    return (tn_decision){.positive = positive, .threshold = NAN, .prevalence = NAN};
}

/* ---- preparing ---- */

static int decide(const tn_decision *d, const double *p, int classes) {
    const bool by_threshold = !isnan(d->threshold);
    if (by_threshold && p[d->positive] >= d->threshold) return d->positive;
    int best = -1;
    for (int c = 0; c < classes; c++) {
        if (by_threshold && c == d->positive) continue;
        if (best < 0 || p[c] > p[best]) best = c;
    }
    return best;
}

static double brier_of(const tn_decision *d, const double *p, int classes, int truth) {
    double sum = 0;
    for (int c = 0; c < classes; c++) {
        const double off = p[c] - (c == truth);
        if (d->positive < 0 || d->positive == c) sum += off * off;
    }
    return sum;
}

static void prepare_samples(tn_evaluator *e) {
    const tn_predictions *s = e->p;
    for (size_t i = 0; i < s->n; i++) {
        const double *p = s->probability + i * (size_t)s->classes;
        const int truth = s->truth[i];
        e->answer[i] = decide(&e->decision, p, s->classes);
        e->loss[i] = -log(fmax(p[truth], (double)FLT_MIN));
        e->brier[i] = brier_of(&e->decision, p, s->classes, truth);
        e->confidence[i] = p[e->answer[i]];
        const int bin = (int)ceil(e->confidence[i] * TN_ECE_BINS) - 1;
        e->bin[i] = bin < 0 ? 0 : bin >= TN_ECE_BINS ? TN_ECE_BINS - 1 : bin;
    }
}

static bool occurs(const tn_predictions *p, int class) {
    for (size_t i = 0; i < p->n; i++)
        if (p->truth[i] == class) return true;
    return false;
}

static tn_status rank_classes(tn_evaluator *e) {
    const tn_predictions *p = e->p;
    e->ranking = calloc((size_t)p->classes, sizeof *e->ranking);
    if (!e->ranking) return tn_fail("figures: out of memory for %d classes", p->classes);
    for (int c = 0; c < p->classes; c++) {
        if (e->decision.positive < 0 ? !occurs(p, c) : e->decision.positive != c) continue;
        TN_TRY(tn_ranking_create(p->probability + c, (size_t)p->classes, p->truth, c, p->n,
                                 &e->ranking[e->rankings]));
        e->rankings++;
    }
    return TN_OK;
}

static tn_status check_decision(const tn_decision *d, int classes) {
    if (d->positive < -1 || d->positive >= classes)
        return tn_fail("figures: positive class %d, expected 0 to %d", d->positive, classes - 1);
    if (d->positive < 0 && (!isnan(d->threshold) || !isnan(d->prevalence)))
        return tn_fail("a threshold or prevalence needs a positive class (positive= in DATA)");
    if (!isnan(d->prevalence) && !(d->prevalence > 0 && d->prevalence < 1))
        return tn_fail("a prevalence of %g, expected above 0 and below 1", d->prevalence);
    return TN_OK;
}

tn_status tn_evaluator_create(const tn_predictions *p, const tn_decision *decision,
                              tn_evaluator **out) {
    *out = NULL;
    if (p->n == 0) return tn_fail("figures: no predictions");
    TN_TRY(check_decision(decision, p->classes));
    tn_evaluator *e = calloc(1, sizeof *e);
    if (!e) return tn_fail("figures: out of memory");
    *e = (tn_evaluator){.p = p, .decision = *decision};
    e->answer = calloc(p->n, sizeof *e->answer);
    e->loss = calloc(p->n, sizeof *e->loss);
    e->brier = calloc(p->n, sizeof *e->brier);
    e->confidence = calloc(p->n, sizeof *e->confidence);
    e->bin = calloc(p->n, sizeof *e->bin);
    tn_status status = TN_OK;
    if (!e->answer || !e->loss || !e->brier || !e->confidence || !e->bin) {
        status = tn_fail("figures: out of memory for %zu images", p->n);
    } else {
        prepare_samples(e);
        status = rank_classes(e);
    }
    if (status == TN_OK)
        *out = e;
    else
        tn_evaluator_free(e);
    return status;
}

void tn_evaluator_free(tn_evaluator *e) {
    if (!e) return;
    for (int i = 0; i < e->rankings; i++) tn_ranking_free(&e->ranking[i]);
    free(e->ranking);
    free(e->answer);
    free(e->loss);
    free(e->brier);
    free(e->confidence);
    free(e->bin);
    free(e);
}

/* ---- counting ---- */

/* Per class how often it is true, answered, and both. */
typedef struct counts {
    double n, right, *truths, *answers, *hits; /* [classes] */
} counts;

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : NAN;
}

static double weight(const uint32_t *times, size_t i) {
    return times ? times[i] : 1;
}

static void count(const tn_evaluator *e, const uint32_t *times, counts *c) {
    for (size_t i = 0; i < e->p->n; i++) {
        const double w = weight(times, i);
        const int truth = e->p->truth[i], answer = e->answer[i];
        c->n += w;
        c->truths[truth] += w;
        c->answers[answer] += w;
        if (truth == answer) c->hits[truth] += w;
        if (truth == answer) c->right += w;
    }
}

/* R_K; for two classes the correlation of truth and answer. */
static double matthews(const counts *c, int classes) {
    double cross = 0, truths = 0, answers = 0;
    for (int k = 0; k < classes; k++) {
        cross += c->truths[k] * c->answers[k];
        truths += c->truths[k] * c->truths[k];
        answers += c->answers[k] * c->answers[k];
    }
    const double square = c->n * c->n;
    const double spread = (square - truths) * (square - answers);
    return spread > 0 ? (c->right * c->n - cross) / sqrt(spread) : NAN;
}

/* Of the classes that occur; NaN as soon as one of their terms is. */
static double macro(const counts *c, int classes, const double *part, const double *whole,
                    const double *more) {
    double sum = 0, n = 0;
    for (int k = 0; k < classes; k++) {
        if (!(c->truths[k] > 0)) continue;
        sum += more ? 2 * part[k] / (whole[k] + more[k]) : ratio(part[k], whole[k]);
        n++;
    }
    return ratio(sum, n);
}

static void from_positive(const counts *c, const tn_decision *d, double *figure) {
    const int p = d->positive;
    const double tp = c->hits[p], fp = c->answers[p] - tp, fn = c->truths[p] - tp;
    const double tn = c->n - tp - fp - fn; /* also answers of a wrong other class: not positive */
    const double sensitivity = ratio(tp, tp + fn), specificity = ratio(tn, tn + fp);
    figure[TN_FIGURE_SENSITIVITY] = sensitivity;
    figure[TN_FIGURE_SPECIFICITY] = specificity;
    figure[TN_FIGURE_PRECISION] = ratio(tp, tp + fp);
    figure[TN_FIGURE_NPV] = ratio(tn, tn + fn);
    figure[TN_FIGURE_F1] = ratio(2 * tp, 2 * tp + fp + fn);
    const double sick = d->prevalence, well = 1 - sick;
    if (isnan(sick) || isnan(sensitivity) || isnan(specificity)) return;
    figure[TN_FIGURE_PPV_AT] =
        ratio(sick * sensitivity, sick * sensitivity + well * (1 - specificity));
    figure[TN_FIGURE_NPV_AT] =
        ratio(well * specificity, well * specificity + sick * (1 - sensitivity));
}

static void from_counts(const tn_evaluator *e, const counts *c, double *figure) {
    const int classes = e->p->classes;
    figure[TN_FIGURE_ACCURACY] = ratio(c->right, c->n);
    figure[TN_FIGURE_BALANCED_ACCURACY] = macro(c, classes, c->hits, c->truths, NULL);
    figure[TN_FIGURE_MCC] = matthews(c, classes);
    if (e->decision.positive >= 0) {
        from_positive(c, &e->decision, figure);
    } else {
        figure[TN_FIGURE_PRECISION] = macro(c, classes, c->hits, c->answers, NULL);
        figure[TN_FIGURE_F1] = macro(c, classes, c->hits, c->truths, c->answers);
    }
}

static void from_rankings(const tn_evaluator *e, const uint32_t *times, double *figure) {
    double auc = 0, precision = 0;
    for (int i = 0; i < e->rankings; i++) {
        const tn_ranking_figures f = tn_ranking_summary(&e->ranking[i], times);
        auc += f.auc;
        precision += f.average_precision;
        if (e->decision.positive < 0) continue;
        figure[TN_FIGURE_SPECIFICITY_90] = f.specificity_90;
        figure[TN_FIGURE_SPECIFICITY_95] = f.specificity_95;
    }
    figure[TN_FIGURE_AUC] = ratio(auc, e->rankings);
    figure[TN_FIGURE_AVERAGE_PRECISION] = ratio(precision, e->rankings);
}

static void from_samples(const tn_evaluator *e, const uint32_t *times, double n, double *figure) {
    double loss = 0, brier = 0, error = 0, off[TN_ECE_BINS] = {0};
    for (size_t i = 0; i < e->p->n; i++) {
        const double w = weight(times, i);
        loss += w * e->loss[i];
        brier += w * e->brier[i];
        off[e->bin[i]] += w * (e->confidence[i] - (e->answer[i] == e->p->truth[i]));
    }
    for (int b = 0; b < TN_ECE_BINS; b++) error += fabs(off[b]);
    figure[TN_FIGURE_LOSS] = ratio(loss, n);
    figure[TN_FIGURE_BRIER] = ratio(brier, n);
    figure[TN_FIGURE_ECE] = ratio(error, n);
}

tn_status tn_evaluate(const void *evaluator, const uint32_t *times, double *figure) {
    const tn_evaluator *e = evaluator;
    const size_t k = (size_t)e->p->classes;
    double few[3 * 8] = {0}, *room = few;
    for (int f = 0; f < TN_FIGURES; f++) figure[f] = NAN;
    if (k > 8) room = calloc(3 * k, sizeof *room);
    if (!room) return tn_fail("figures: out of memory for %zu classes", k);
    counts c = {.truths = room, .answers = room + k, .hits = room + 2 * k};
    count(e, times, &c);
    from_counts(e, &c, figure);
    from_rankings(e, times, figure);
    from_samples(e, times, c.n, figure);
    if (room != few) free(room);
    return TN_OK;
}

/* ---- tables ---- */

void tn_evaluator_confusion(const tn_evaluator *e, size_t *table) {
    const size_t k = (size_t)e->p->classes;
    memset(table, 0, k * k * sizeof *table);
    for (size_t i = 0; i < e->p->n; i++) table[(size_t)e->p->truth[i] * k + (size_t)e->answer[i]]++;
}

int tn_evaluator_answer(const tn_evaluator *e, size_t i) {
    return e->answer[i];
}

double tn_top_accuracy(const tn_predictions *p, int top) {
    size_t in = 0;
    for (size_t i = 0; i < p->n; i++) {
        const double *row = p->probability + i * (size_t)p->classes;
        const int truth = p->truth[i];
        int ahead = 0;
        for (int c = 0; c < p->classes; c++)
            ahead += row[c] > row[truth] || (c < truth && row[c] == row[truth]);
        in += ahead < top;
    }
    return ratio((double)in, (double)p->n);
}

void tn_evaluator_reliability(const tn_evaluator *e, tn_reliability_bin bin[TN_ECE_BINS]) {
    for (int b = 0; b < TN_ECE_BINS; b++) bin[b] = (tn_reliability_bin){0};
    for (size_t i = 0; i < e->p->n; i++) {
        tn_reliability_bin *b = &bin[e->bin[i]];
        b->n++;
        b->confidence += e->confidence[i];
        b->accuracy += e->answer[i] == e->p->truth[i];
    }
    for (int b = 0; b < TN_ECE_BINS; b++) {
        bin[b].confidence = ratio(bin[b].confidence, (double)bin[b].n);
        bin[b].accuracy = ratio(bin[b].accuracy, (double)bin[b].n);
    }
}

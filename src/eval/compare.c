#include "src/eval/compare.h"

#include "src/eval/delong.h"

#include <math.h>
#include <stdlib.h>

/* ---- tests ---- */

/* ln of the chance of k heads in n throws. */
static double log_binomial(double n, double k) {
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2);
}

double tn_mcnemar_p(size_t a, size_t b) {
    const size_t few = a < b ? a : b, n = a + b;
    double tail = 0;
    /* from the largest term down, until the rest cannot be seen */
    for (size_t k = few + 1; k-- > 0;) {
        const double term = exp(log_binomial((double)n, (double)k));
        tail += term;
        if (term < 1e-18 * tail) break;
    }
    return a == b ? 1 : fmin(2 * tail, 1);
}

typedef struct ordered {
    double p;
    size_t at;
} ordered;

static int by_p(const void *a, const void *b) {
    const ordered *x = a, *y = b;
    if (x->p != y->p) return x->p < y->p ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

tn_status tn_holm(const double *p, size_t n, double *adjusted) {
    ordered *o = calloc(n + 1, sizeof *o);
    if (!o) return tn_fail("Holm: out of memory for %zu tests", n);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        adjusted[i] = NAN;
        if (!isnan(p[i])) o[m++] = (ordered){p[i], i};
    }
    qsort(o, m, sizeof *o, by_p);
    double most = 0;
    for (size_t i = 0; i < m; i++) {
        most = fmax(most, (double)(m - i) * o[i].p);
        adjusted[o[i].at] = fmin(most, 1);
    }
    free(o);
    return TN_OK;
}

/* ---- paired resamples ---- */

enum { AUC, ACCURACY, BALANCED, PER_SET };

typedef struct contest {
    const tn_predictions *const *set;
    const tn_compare_options *options;
    tn_evaluator **evaluator; /* [contestants] */
    tn_comparison *out;
    int figures; /* of a resample: PER_SET a contestant, then AUC and accuracy a pair */
} contest;

static tn_status figures_of(const void *context, const uint32_t *times, double *figure) {
    const contest *c = context;
    const tn_comparison *o = c->out;
    for (int i = 0; i < o->contestants; i++) {
        double all[TN_FIGURES];
        TN_TRY(tn_evaluate(c->evaluator[i], times, all));
        figure[i * PER_SET + AUC] = all[TN_FIGURE_AUC];
        figure[i * PER_SET + ACCURACY] = all[TN_FIGURE_ACCURACY];
        figure[i * PER_SET + BALANCED] = all[TN_FIGURE_BALANCED_ACCURACY];
    }
    for (int k = 0; k < o->pairs; k++) {
        const double *a = figure + (size_t)o->pair[k].first * PER_SET;
        const double *b = figure + (size_t)o->pair[k].second * PER_SET;
        double *difference = figure + o->contestants * PER_SET + 2 * k;
        difference[0] = a[AUC] - b[AUC];
        difference[1] = a[ACCURACY] - b[ACCURACY];
    }
    return TN_OK;
}

/* How often resamples lie on the other side of 0, the data themselves counted among them. */
static double bootstrap_p(const double *value, size_t n) {
    double below = 1, above = 1, defined = 1;
    bool moves = false;
    for (size_t i = 0; i < n; i++) {
        if (isnan(value[i])) continue;
        defined++;
        below += value[i] <= 0;
        above += value[i] >= 0;
        moves = moves || fabs(value[i] - value[0]) > 1e-12;
    }
    return moves ? fmin(2 * fmin(below, above) / defined, 1) : NAN;
}

static void take_intervals(contest *c, const double *figure, const tn_interval *interval,
                           const double *values) {
    tn_comparison *o = c->out;
    const size_t draws = (size_t)o->resamples;
    for (int i = 0; i < o->contestants; i++) {
        const int at = i * PER_SET;
        o->contestant[i] =
            (tn_contestant){figure[at + AUC],   figure[at + ACCURACY],   figure[at + BALANCED],
                            interval[at + AUC], interval[at + ACCURACY], interval[at + BALANCED]};
    }
    for (int k = 0; k < o->pairs; k++)
        for (int accuracy = 0; accuracy < 2; accuracy++) {
            const size_t at = (size_t)o->contestants * PER_SET + 2 * (size_t)k + (size_t)accuracy;
            *(accuracy ? &o->pair[k].accuracy : &o->pair[k].auc) =
                (tn_difference){.value = figure[at],
                                .interval = interval[at],
                                .bootstrap_p = bootstrap_p(values + at * draws, draws),
                                .test_p = NAN,
                                .p = NAN,
                                .holm_p = NAN};
        }
}

static tn_status resample(contest *c) {
    const tn_predictions *p = c->set[0];
    tn_comparison *o = c->out;
    const size_t count = (size_t)c->figures;
    double *figure = calloc(count, sizeof *figure);
    tn_interval *interval = calloc(count, sizeof *interval);
    double *values = calloc(count * (size_t)o->resamples + 1, sizeof *values);
    tn_resampler r = {0};
    tn_status status = figure && interval && values ? TN_OK : tn_fail("compare: out of memory");
    if (status == TN_OK) status = figures_of(c, NULL, figure);
    if (status == TN_OK)
        status = tn_resampler_create(p->truth, p->classes, c->options->cluster, p->n,
                                     c->options->seed, &r);
    if (status == TN_OK)
        status = tn_bootstrap(&r, o->resamples, c->figures, figures_of, c, interval, values);
    if (status == TN_OK) {
        o->clusters = r.clusters;
        take_intervals(c, figure, interval, values);
    }
    tn_resampler_free(&r);
    free(figure);
    free(interval);
    free(values);
    return status;
}

/* ---- the tests of the pairs ---- */

static void test_pair_auc(tn_pair *p, const double *auc, const double *covariance, int n) {
    static const double normal_975 = 1.959963984540054;
    const int a = p->first, b = p->second;
    const double variance =
        covariance[a * n + a] + covariance[b * n + b] - 2 * covariance[a * n + b];
    p->auc.value = auc[a] - auc[b];
    p->same_ranking = fabs(p->auc.value) < 1e-12 && variance < 1e-20;
    if (p->same_ranking || !(variance > 1e-20)) return;
    const double error = sqrt(variance);
    p->auc.test_p = tn_normal_p(p->auc.value, error);
    p->delong = (tn_interval){p->auc.value - normal_975 * error, p->auc.value + normal_975 * error};
}

static tn_status test_auc(contest *c) {
    const tn_predictions *first = c->set[0];
    tn_comparison *o = c->out;
    const int n = o->contestants;
    const int class = c->options->positive >= 0 ? c->options->positive
                      : first->classes == 2     ? 1
                                                : -1;
    if (class < 0) return TN_OK;
    const double **score = calloc((size_t)n, sizeof *score);
    double *auc = calloc((size_t)n, sizeof *auc);
    double *covariance = calloc((size_t)n * (size_t)n, sizeof *covariance);
    tn_status status = score && auc && covariance ? TN_OK : tn_fail("compare: out of memory");
    for (int i = 0; status == TN_OK && i < n; i++) score[i] = c->set[i]->probability + class;
    if (status == TN_OK)
        status = tn_delong(score, n, (size_t)first->classes, first->truth, class,
                           c->options->cluster, first->n, auc, covariance);
    for (int i = 0; status == TN_OK && i < n; i++)
        o->contestant[i].auc_interval = tn_delong_interval(auc[i], covariance[i * n + i]);
    for (int k = 0; status == TN_OK && k < o->pairs; k++)
        test_pair_auc(&o->pair[k], auc, covariance, n);
    free(score);
    free(auc);
    free(covariance);
    return status;
}

static void test_accuracy(contest *c, tn_pair *p) {
    const tn_predictions *set = c->set[0];
    for (size_t i = 0; i < set->n; i++) {
        const bool a = tn_evaluator_answer(c->evaluator[p->first], i) == set->truth[i];
        const bool b = tn_evaluator_answer(c->evaluator[p->second], i) == set->truth[i];
        p->only_first += a && !b;
        p->only_second += b && !a;
    }
    p->accuracy.test_p = tn_mcnemar_p(p->only_first, p->only_second);
}

static tn_status correct(tn_comparison *o, bool accuracy) {
    const size_t n = (size_t)o->pairs;
    double *p = calloc(2 * n + 1, sizeof *p);
    if (!p) return tn_fail("compare: out of memory");
    for (size_t k = 0; k < n; k++) p[k] = accuracy ? o->pair[k].accuracy.p : o->pair[k].auc.p;
    const tn_status status = tn_holm(p, n, p + n);
    for (size_t k = 0; k < n; k++)
        *(accuracy ? &o->pair[k].accuracy.holm_p : &o->pair[k].auc.holm_p) = p[n + k];
    free(p);
    return status;
}

static tn_status test_all(contest *c) {
    tn_comparison *o = c->out;
    const bool independent = o->clusters == (int)c->set[0]->n;
    TN_TRY(test_auc(c));
    for (int k = 0; k < o->pairs; k++) {
        tn_pair *p = &o->pair[k];
        test_accuracy(c, p);
        p->auc.p = p->same_ranking ? 1 : isnan(p->auc.test_p) ? p->auc.bootstrap_p : p->auc.test_p;
        /* no image on which they differ: nothing to resample either */
        const bool same = p->only_first + p->only_second == 0;
        p->accuracy.p = same || independent ? p->accuracy.test_p : p->accuracy.bootstrap_p;
    }
    TN_TRY(correct(o, false));
    return correct(o, true);
}

/* ---- all ---- */

static tn_status open_contest(contest *c, int count) {
    tn_comparison *o = c->out;
    const tn_decision decision = tn_decision_default(c->options->positive);
    o->contestants = count;
    o->pairs = count * (count - 1) / 2;
    o->resamples = c->options->resamples;
    o->contestant = calloc((size_t)count, sizeof *o->contestant);
    o->pair = calloc((size_t)o->pairs + 1, sizeof *o->pair);
    c->evaluator = calloc((size_t)count, sizeof(tn_evaluator *));
    c->figures = count * PER_SET + 2 * o->pairs;
    if (!o->contestant || !o->pair || !c->evaluator)
        return tn_fail("compare: out of memory for %d sets", count);
    for (int a = 0, k = 0; a < count; a++)
        for (int b = a + 1; b < count; b++)
            o->pair[k++] = (tn_pair){.first = a, .second = b, .delong = tn_interval_none};
    for (int i = 0; i < count; i++)
        TN_TRY(tn_evaluator_create(c->set[i], &decision, &c->evaluator[i]));
    return TN_OK;
}

tn_status tn_compare(const tn_predictions *const *set, int count, const tn_compare_options *options,
                     tn_comparison *out) {
    *out = (tn_comparison){0};
    if (count < 2) return tn_fail("compare: %d set of predictions, expected two or more", count);
    contest c = {.set = set, .options = options, .out = out};
    tn_status status = open_contest(&c, count);
    if (status == TN_OK) status = resample(&c);
    if (status == TN_OK) status = test_all(&c);
    for (int i = 0; c.evaluator && i < count; i++) tn_evaluator_free(c.evaluator[i]);
    free(c.evaluator);
    if (status != TN_OK) tn_comparison_free(out);
    return status;
}

void tn_comparison_free(tn_comparison *o) {
    free(o->contestant);
    free(o->pair);
    *o = (tn_comparison){0};
}

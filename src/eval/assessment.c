#include "src/eval/assessment.h"

#include "src/eval/delong.h"
#include "src/eval/roc.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { DRAWS = 2000, FEWEST_DRAWS = 200 };

/* As many resamples as a few seconds allow, between 200 and 2000. */
static int choose_draws(const tn_predictions *p, const tn_assess_options *o) {
    if (o->resamples >= 0) return o->resamples;
    const double ranked = o->decision.positive >= 0 ? 1 : p->classes;
    const double draws = 4e9 / ((double)p->n * (4 + ranked));
    return draws > DRAWS ? DRAWS : draws < FEWEST_DRAWS ? FEWEST_DRAWS : (int)draws;
}

/* Two classes have one AUC, whichever is looked at. */
static int ranked_class(const tn_predictions *p, const tn_decision *d) {
    return d->positive >= 0 ? d->positive : p->classes == 2 ? 1 : -1;
}

static tn_status delong_of(const tn_predictions *p, int class, const int *cluster, double *auc,
                           double *variance) {
    const double *score = p->probability + class;
    return tn_delong(&score, 1, (size_t)p->classes, p->truth, class, cluster, p->n, auc, variance);
}

/* ---- one set ---- */

static tn_status rank_class(const tn_predictions *p, int class, const int *cluster,
                            tn_class_figures *k) {
    tn_ranking ranking;
    TN_TRY(tn_ranking_create(p->probability + class, (size_t)p->classes, p->truth, class, p->n,
                             &ranking));
    k->average_precision = tn_ranking_summary(&ranking, NULL).average_precision;
    tn_ranking_free(&ranking);
    double variance;
    TN_TRY(delong_of(p, class, cluster, &k->auc, &variance));
    k->auc_interval = tn_delong_interval(k->auc, variance);
    return TN_OK;
}

static double ratio(size_t part, size_t whole) {
    return whole ? (double)part / (double)whole : NAN;
}

static tn_status assess_classes(const tn_predictions *p, const int *cluster, tn_assessment *a) {
    const size_t classes = (size_t)a->classes;
    for (size_t t = 0; t < classes; t++)
        for (size_t c = 0; c < classes; c++) {
            const size_t n = a->confusion[t * classes + c];
            a->by_class[t].truths += n;
            a->by_class[c].answers += n;
            if (t == c) a->by_class[t].hits += n;
        }
    for (size_t c = 0; c < classes; c++) {
        tn_class_figures *k = &a->by_class[c];
        k->precision = ratio(k->hits, k->answers);
        k->recall = ratio(k->hits, k->truths);
        k->f1 = ratio(2 * k->hits, k->truths + k->answers);
        TN_TRY(rank_class(p, (int)c, cluster, k));
    }
    return TN_OK;
}

/* Independent units among the images that are (or are not) of the class; class -1: of all. */
static tn_status count_units(const tn_predictions *p, const int *cluster, int class, bool is,
                             int *units) {
    int most = 0;
    for (size_t i = 0; i < p->n; i++)
        if (cluster && cluster[i] > most) most = cluster[i];
    unsigned char *seen = calloc((size_t)most + 1, 1);
    if (!seen) return tn_fail("figures: out of memory");
    *units = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (class >= 0 && (p->truth[i] == class) != is) continue;
        if (!cluster || !seen[cluster[i]]++) ++*units;
        if (cluster) seen[cluster[i]] = 1;
    }
    free(seen);
    return TN_OK;
}

/* Shares of all or none: every resample is like the data, which does not make them certain. */
static tn_status widen_edges(const tn_predictions *p, const tn_assess_options *o,
                             tn_assessment *a) {
    static const struct {
        tn_figure figure;
        bool of_positive, of_negative;
    } share[] = {{TN_FIGURE_ACCURACY, false, false},
                 {TN_FIGURE_SENSITIVITY, true, false},
                 {TN_FIGURE_SPECIFICITY, false, true}};
    for (size_t i = 0; i < sizeof share / sizeof *share; i++) {
        const tn_figure f = share[i].figure;
        if (a->resamples == 0 || tn_interval_is(a->interval[f]) || isnan(a->figure[f])) continue;
        const int class = share[i].of_positive || share[i].of_negative ? a->positive : -1;
        int units = 0;
        TN_TRY(count_units(p, o->cluster, class, share[i].of_positive, &units));
        a->interval[f] = tn_interval_at_edge(a->figure[f], units);
    }
    return TN_OK;
}

static tn_status find_intervals(const tn_predictions *p, const tn_assess_options *o,
                                const tn_evaluator *e, tn_assessment *a) {
    tn_resampler resampler;
    TN_TRY(tn_resampler_create(p->truth, p->classes, o->cluster, p->n, o->seed, &resampler));
    a->clusters = resampler.clusters;
    a->fewest = resampler.fewest;
    const tn_status status =
        tn_bootstrap(&resampler, a->resamples, TN_FIGURES, tn_evaluate, e, a->interval, NULL);
    tn_resampler_free(&resampler);
    TN_TRY(status);
    const int class = ranked_class(p, &o->decision);
    if (class >= 0) a->interval[TN_FIGURE_AUC] = a->by_class[class].auc_interval;
    return widen_edges(p, o, a);
}

static tn_status fill(const tn_predictions *p, const tn_assess_options *o, const tn_evaluator *e,
                      tn_assessment *a) {
    const size_t k = (size_t)p->classes;
    a->confusion = calloc(k * k, sizeof *a->confusion);
    a->by_class = calloc(k, sizeof *a->by_class);
    if (!a->confusion || !a->by_class) return tn_fail("figures: out of memory for %zu classes", k);
    tn_evaluator_confusion(e, a->confusion);
    TN_TRY(tn_evaluate(e, NULL, a->figure));
    TN_TRY(assess_classes(p, o->cluster, a));
    return find_intervals(p, o, e, a);
}

tn_status tn_assess(const tn_predictions *p, const tn_assess_options *o, tn_assessment *out) {
    *out = (tn_assessment){.n = p->n,
                           .classes = p->classes,
                           .positive = o->decision.positive,
                           .resamples = choose_draws(p, o)};
    tn_evaluator *evaluator;
    TN_TRY(tn_evaluator_create(p, &o->decision, &evaluator));
    const tn_status status = fill(p, o, evaluator, out);
    tn_evaluator_free(evaluator);
    if (status != TN_OK) tn_assessment_free(out);
    return status;
}

void tn_assessment_free(tn_assessment *a) {
    free(a->confusion);
    free(a->by_class);
    *a = (tn_assessment){0};
}

/* ---- the trivial answer ---- */

static void baseline_of_positive(const tn_assessment *a, double prevalence, tn_baseline *b) {
    const double share = ratio(a->by_class[a->positive].truths, a->n);
    const bool always = b->answer == a->positive;
    double *f = b->figure;
    if (share > 0) f[TN_FIGURE_SENSITIVITY] = always;
    if (share < 1) f[TN_FIGURE_SPECIFICITY] = !always;
    if (share > 0) f[TN_FIGURE_F1] = always ? 2 * share / (1 + share) : 0;
    if (always) f[TN_FIGURE_PRECISION] = share;
    if (!always) f[TN_FIGURE_NPV] = 1 - share;
    f[TN_FIGURE_BRIER] = share * (1 - share);
    if (share > 0) f[TN_FIGURE_AVERAGE_PRECISION] = share;
    if (share > 0 && share < 1) f[TN_FIGURE_SPECIFICITY_90] = f[TN_FIGURE_SPECIFICITY_95] = 0;
    if (!isnan(prevalence) && always) f[TN_FIGURE_PPV_AT] = prevalence;
    if (!isnan(prevalence) && !always) f[TN_FIGURE_NPV_AT] = 1 - prevalence;
}

tn_baseline tn_baseline_of(const tn_assessment *a, double prevalence) {
    tn_baseline b = {0};
    double occurring = 0, loss = 0, squares = 0;
    for (int i = 0; i < TN_FIGURES; i++) b.figure[i] = NAN;
    for (int c = 0; c < a->classes; c++) {
        const size_t truths = a->by_class[c].truths;
        const double share = ratio(truths, a->n);
        if (truths > a->by_class[b.answer].truths) b.answer = c;
        occurring += truths > 0;
        squares += share * share;
        if (truths) loss -= share * log(share);
    }
    b.figure[TN_FIGURE_LOSS] = loss;
    b.figure[TN_FIGURE_ACCURACY] = ratio(a->by_class[b.answer].truths, a->n);
    b.figure[TN_FIGURE_BALANCED_ACCURACY] = 1 / occurring;
    b.figure[TN_FIGURE_BRIER] = 1 - squares;
    b.figure[TN_FIGURE_ECE] = 0;
    if (occurring > 1) b.figure[TN_FIGURE_AUC] = 0.5;
    if (a->positive >= 0) baseline_of_positive(a, prevalence, &b);
    return b;
}

/* ---- two sets ---- */

/* values (TN_FIGURES, draws) of one set's resamples. */
static tn_status resample_set(const tn_predictions *p, const int *cluster,
                              const tn_assess_options *o, int draws, uint64_t seed, double *figure,
                              double *values) {
    tn_evaluator *e = NULL;
    tn_resampler r = {0};
    tn_interval unused[TN_FIGURES];
    tn_status status = tn_evaluator_create(p, &o->decision, &e);
    if (status == TN_OK) status = tn_evaluate(e, NULL, figure);
    if (status == TN_OK)
        status = tn_resampler_create(p->truth, p->classes, cluster, p->n, seed, &r);
    if (status == TN_OK)
        status = tn_bootstrap(&r, draws, TN_FIGURES, tn_evaluate, e, unused, values);
    tn_resampler_free(&r);
    tn_evaluator_free(e);
    return status;
}

static tn_status drop_of_auc(const tn_predictions *from, const int *from_cluster,
                             const tn_predictions *to, const int *to_cluster, int class,
                             tn_drop *drop) {
    static const double normal_975 = 1.959963984540054;
    double a, b, variance_a, variance_b;
    TN_TRY(delong_of(from, class, from_cluster, &a, &variance_a));
    TN_TRY(delong_of(to, class, to_cluster, &b, &variance_b));
    const double half = normal_975 * sqrt(variance_a + variance_b);
    drop->interval = variance_a + variance_b > 1e-20
                         ? (tn_interval){drop->drop - half, drop->drop + half}
                         : tn_interval_none;
    return TN_OK;
}

tn_status tn_assess_drop(const tn_predictions *from, const int *from_cluster,
                         const tn_predictions *to, const int *to_cluster,
                         const tn_assess_options *o, tn_drop drop[TN_FIGURES]) {
    const int x = choose_draws(from, o), y = choose_draws(to, o), draws = x < y ? x : y;
    const size_t count = (size_t)draws;
    double a[TN_FIGURES], b[TN_FIGURES];
    double *values = calloc(2 * count * TN_FIGURES + 1, sizeof *values);
    if (!values) return tn_fail("figures: out of memory for %d resamples", draws);
    double *second = values + count * TN_FIGURES;
    tn_status status = resample_set(from, from_cluster, o, draws, o->seed, a, values);
    if (status == TN_OK) /* another stream of resamples: the sets are independent */
        status = resample_set(to, to_cluster, o, draws, o->seed ^ 0x9e3779b97f4a7c15u, b, second);
    for (size_t i = 0; status == TN_OK && i < count * TN_FIGURES; i++) values[i] -= second[i];
    for (size_t f = 0; status == TN_OK && f < TN_FIGURES; f++)
        drop[f] = (tn_drop){a[f] - b[f], tn_percentiles(values + f * count, count)};
    const int class = ranked_class(from, &o->decision);
    if (status == TN_OK && class >= 0)
        status = drop_of_auc(from, from_cluster, to, to_cluster, class, &drop[TN_FIGURE_AUC]);
    free(values);
    return status;
}

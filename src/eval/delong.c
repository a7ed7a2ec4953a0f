#include "src/eval/delong.h"

#include "src/eval/roc.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static const double normal_975 = 1.959963984540054; /* quantile of the normal distribution */

/* placement[i]: the share of samples of the other kind that sample i beats (a positive) or is
 * beaten by (a negative), ties counting half. Returns the AUC. */
static double place(const tn_ranking *r, double positives, double negatives, double *placement) {
    double tp = 0, fp = 0, sum = 0;
    for (size_t begin = 0; begin < r->n;) {
        size_t end = begin;
        double new_tp = 0, new_fp = 0;
        do *(r->positive[end] ? &new_tp : &new_fp) += 1;
        while (!r->ends[end++]);
        for (size_t i = begin; i < end; i++)
            placement[r->order[i]] = r->positive[i] ? (negatives - fp - new_fp / 2) / negatives
                                                    : (tp + new_tp / 2) / positives;
        sum += new_tp * (negatives - fp - new_fp / 2);
        tp += new_tp;
        fp += new_fp;
        begin = end;
    }
    return sum / (positives * negatives);
}

/* Sums over each cluster: how far the placements of its positives (and negatives) lie above what
 * the AUC would have them be. */
typedef struct sums {
    size_t clusters, with_positives, with_negatives; /* all, and those that hold such samples */
    double positives, negatives;
    double *above[2]; /* (scores, clusters): of negatives, of positives */
    int *members[2];  /* [clusters] */
} sums;

static void sums_free(sums *s) {
    for (int k = 0; k < 2; k++) {
        free(s->above[k]);
        free(s->members[k]);
    }
}

static tn_status sums_create(sums *s, int scores, const int *truth, int positive,
                             const int *cluster, size_t n) {
    *s = (sums){0};
    for (size_t i = 0; i < n; i++) {
        const size_t c = cluster ? (size_t)cluster[i] : i;
        if (c + 1 > s->clusters) s->clusters = c + 1;
    }
    for (int k = 0; k < 2; k++) {
        s->above[k] = calloc(s->clusters * (size_t)scores + 1, sizeof *s->above[k]);
        s->members[k] = calloc(s->clusters + 1, sizeof *s->members[k]);
        if (s->above[k] && s->members[k]) continue;
        sums_free(s);
        return tn_fail("DeLong: out of memory for %zu clusters", s->clusters);
    }
    for (size_t i = 0; i < n; i++)
        s->members[truth[i] == positive][cluster ? (size_t)cluster[i] : i]++;
    for (size_t c = 0; c < s->clusters; c++) {
        s->with_negatives += s->members[0][c] > 0;
        s->with_positives += s->members[1][c] > 0;
        s->negatives += s->members[0][c];
        s->positives += s->members[1][c];
    }
    return TN_OK;
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double covary(const sums *s, int a, int b) {
    if (s->with_positives < 2 || s->with_negatives < 2) return NAN;
    const double m = s->positives, n = s->negatives;
    const double i10 = (double)s->with_positives, i01 = (double)s->with_negatives;
    double all = 0; /* clusters with any sample: numbers may be left out */
    for (size_t c = 0; c < s->clusters; c++) all += s->members[0][c] + s->members[1][c] > 0;
    const double *neg_a = s->above[0] + (size_t)a * s->clusters;
    const double *neg_b = s->above[0] + (size_t)b * s->clusters;
    const double *pos_a = s->above[1] + (size_t)a * s->clusters;
    const double *pos_b = s->above[1] + (size_t)b * s->clusters;
    const double s10 = i10 / ((i10 - 1) * m) * dot(pos_a, pos_b, s->clusters);
    const double s01 = i01 / ((i01 - 1) * n) * dot(neg_a, neg_b, s->clusters);
    const double s11 =
        all / (all - 1) * (dot(pos_a, neg_b, s->clusters) + dot(neg_a, pos_b, s->clusters));
    return s10 / m + s01 / n + s11 / (m * n);
}

static tn_status measure(const double *score, size_t stride, const int *truth, int positive,
                         const int *cluster, size_t n, double *placement, sums *s, int which,
                         double *auc) {
    tn_ranking ranking;
    *auc = NAN;
    TN_TRY(tn_ranking_create(score, stride, truth, positive, n, &ranking));
    if (s->positives > 0 && s->negatives > 0)
        *auc = place(&ranking, s->positives, s->negatives, placement);
    tn_ranking_free(&ranking);
    if (isnan(*auc)) return TN_OK;
    for (size_t i = 0; i < n; i++) {
        const size_t c = cluster ? (size_t)cluster[i] : i;
        s->above[truth[i] == positive][(size_t)which * s->clusters + c] += placement[i] - *auc;
    }
    return TN_OK;
}

tn_status tn_delong(const double *const *score, int scores, size_t stride, const int *truth,
                    int positive, const int *cluster, size_t n, double *auc, double *covariance) {
    sums s;
    TN_TRY(sums_create(&s, scores, truth, positive, cluster, n));
    double *placement = calloc(n + 1, sizeof *placement);
    tn_status status = placement ? TN_OK : tn_fail("DeLong: out of memory for %zu samples", n);
    for (int k = 0; k < scores && status == TN_OK; k++)
        status = measure(score[k], stride, truth, positive, cluster, n, placement, &s, k, &auc[k]);
    for (int a = 0; a < scores && status == TN_OK; a++)
        for (int b = 0; b < scores; b++) covariance[a * scores + b] = covary(&s, a, b);
    free(placement);
    sums_free(&s);
    return status;
}

tn_interval tn_delong_interval(double auc, double variance) {
    if (!(variance > 1e-20)) return tn_interval_none; /* below: rounding of a variance of 0 */
    const double half = normal_975 * sqrt(variance);
    return (tn_interval){fmax(auc - half, 0), fmin(auc + half, 1)};
}

double tn_normal_p(double difference, double standard_error) {
    if (!(standard_error > 0)) return NAN;
    return erfc(fabs(difference) / standard_error / 1.4142135623730951);
}

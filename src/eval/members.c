#include "src/eval/members.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the mean ---- */

static tn_status check_alike(const tn_predictions *a, const tn_predictions *b, int index) {
    if (a->classes != b->classes || a->n != b->n)
        return tn_fail("set %d has %zu images of %d classes, the first %zu of %d", index + 1, b->n,
                       b->classes, a->n, a->classes);
    for (int c = 0; c < a->classes; c++)
        if (strcmp(a->name[c], b->name[c]) != 0)
            return tn_fail("class %d is \"%s\" in set %d and \"%s\" in the first", c, b->name[c],
                           index + 1, a->name[c]);
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->image[i], b->image[i]) != 0 || a->truth[i] != b->truth[i])
            return tn_fail("set %d has %s (class %d) where the first has %s (class %d)", index + 1,
                           b->image[i], b->truth[i], a->image[i], a->truth[i]);
    return TN_OK;
}

static tn_status add_means(const tn_predictions *set, int n, double *mean, tn_predictions *out) {
    const size_t k = (size_t)set->classes;
    for (size_t i = 0; i < set->n; i++) {
        for (size_t c = 0; c < k; c++) {
            double sum = 0;
            for (int m = 0; m < n; m++) sum += set[m].probability[i * k + c];
            mean[c] = sum / n;
        }
        TN_TRY(tn_predictions_add(out, set->image[i], set->truth[i], mean));
    }
    return TN_OK;
}

tn_status tn_predictions_mean(const tn_predictions *set, int n, tn_predictions *out) {
    *out = (tn_predictions){0};
    if (n < 1) return tn_fail("no predictions to average");
    for (int m = 1; m < n; m++) TN_TRY(check_alike(&set[0], &set[m], m));
    double *mean = calloc((size_t)set->classes + 1, sizeof *mean);
    if (!mean) return tn_fail("out of memory for %d classes", set->classes);
    tn_status status = tn_predictions_create(out, set->name, set->classes, set->n);
    if (status == TN_OK) {
        status = add_means(set, n, mean, out);
        if (status != TN_OK) tn_predictions_free(out);
    }
    free(mean);
    return status;
}

/* ---- disagreement ---- */

static int most_probable(const double *p, int classes) {
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (p[c] > p[best]) best = c;
    return best;
}

int tn_members_class(int positive, const double *mean, int classes) {
    return positive >= 0 ? positive : most_probable(mean, classes);
}

tn_disagreement tn_members_disagree(const double *probability, int n, int classes, int looked_at) {
    tn_disagreement d = {.low = INFINITY, .high = -INFINITY};
    double mean = 0, squares = 0;
    int answers = 0;
    for (int m = 0; m < n; m++) {
        const double *row = probability + (size_t)m * (size_t)classes;
        const double p = row[looked_at], off = p - mean;
        mean += off / (m + 1); /* B. P. Welford, 1962 */
        squares += off * (p - mean);
        d.low = p < d.low ? p : d.low;
        d.high = p > d.high ? p : d.high;
        answers += most_probable(row, classes) == looked_at;
    }
    d.deviation = n > 1 ? sqrt(squares / (n - 1)) : 0;
    d.divided = answers > 0 && answers < n;
    return d;
}

tn_status tn_members_summarise(const tn_predictions *set, int n, const tn_predictions *mean,
                               int positive, tn_members_summary *out) {
    const size_t k = (size_t)mean->classes;
    *out = (tn_members_summary){0};
    double *row = calloc((size_t)n * k + 1, sizeof *row);
    if (!row) return tn_fail("out of memory for %d members", n);
    for (size_t i = 0; i < mean->n; i++) {
        for (int m = 0; m < n; m++)
            memcpy(row + (size_t)m * k, set[m].probability + i * k, k * sizeof *row);
        const int looked_at = tn_members_class(positive, mean->probability + i * k, mean->classes);
        const tn_disagreement d = tn_members_disagree(row, n, mean->classes, looked_at);
        out->deviation += d.deviation;
        out->most = d.high - d.low > out->most ? d.high - d.low : out->most;
        out->divided += d.divided;
    }
    out->deviation /= (double)mean->n;
    free(row);
    return TN_OK;
}

/* ---- spread ---- */

tn_spread tn_spread_of(const double *value, int n) {
    tn_spread s = {NAN, NAN, 0};
    double mean = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        if (isnan(value[i])) continue;
        const double off = value[i] - mean;
        mean += off / ++s.counted;
        squares += off * (value[i] - mean);
    }
    if (s.counted) s.mean = mean;
    if (s.counted > 1) s.deviation = sqrt(squares / (s.counted - 1));
    return s;
}

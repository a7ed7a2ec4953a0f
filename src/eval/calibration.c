#include "src/eval/calibration.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const double sharpest = 100, softest = 0.01; /* of 1/temperature */

/* p^power, normalised; through logarithms below the largest, so that nothing overflows. */
static void soften(const double *p, int classes, double power, double *out) {
    double most = 0, sum = 0;
    for (int c = 0; c < classes; c++) most = fmax(most, p[c]);
    for (int c = 0; c < classes; c++)
        sum += out[c] = exp(power * (log(fmax(p[c], (double)FLT_MIN)) - log(most)));
    for (int c = 0; c < classes; c++) out[c] /= sum;
}

typedef struct slope {
    double loss, first, second; /* the mean loss and its derivatives by 1/temperature */
} slope;

static slope measure(const tn_predictions *p, double power, double *room) {
    slope s = {0};
    const size_t k = (size_t)p->classes;
    for (size_t i = 0; i < p->n; i++) {
        const double *row = p->probability + i * k;
        double mean = 0, square = 0;
        soften(row, p->classes, power, room);
        for (size_t c = 0; c < k; c++) {
            const double z = log(fmax(row[c], (double)FLT_MIN));
            mean += room[c] * z;
            square += room[c] * z * z;
        }
        s.loss -= log(fmax(room[p->truth[i]], (double)FLT_MIN));
        s.first += mean - log(fmax(row[p->truth[i]], (double)FLT_MIN));
        s.second += square - mean * mean;
    }
    const double n = (double)p->n;
    return (slope){s.loss / n, s.first / n, s.second / n};
}

/* Newton's steps, halving the bracket instead where one leaves it. */
static double solve(const tn_predictions *p, double *room) {
    double low = softest, high = sharpest, power = 1;
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        const slope s = measure(p, power, room);
        if (s.first == 0) break;
        if (s.first < 0)
            low = power;
        else
            high = power;
        const double next = power - s.first / s.second;
        if (next > low && next < high) {
            if (fabs(next - power) <= 1e-15 * power) break;
            power = next;
        } else {
            power = sqrt(low * high);
        }
    }
    return power;
}

static tn_status fit(const tn_predictions *p, double *room, tn_temperature *out) {
    if (!(measure(p, softest, room).first < 0))
        return tn_fail("the net's probabilities tell nothing about these %zu images: no "
                       "temperature makes them fit",
                       p->n);
    if (!(measure(p, sharpest, room).first > 0))
        return tn_fail("(nearly) every answer to these %zu images is right: too few or too easy to "
                       "fit a temperature",
                       p->n);
    const double power = solve(p, room);
    *out = (tn_temperature){1 / power, measure(p, 1, room).loss, measure(p, power, room).loss};
    return TN_OK;
}

tn_status tn_temperature_fit(const tn_predictions *p, tn_temperature *out) {
    *out = (tn_temperature){1, NAN, NAN};
    if (p->n == 0) return tn_fail("calibration: no predictions");
    double *room = calloc((size_t)p->classes, sizeof *room);
    if (!room) return tn_fail("calibration: out of memory for %d classes", p->classes);
    const tn_status status = fit(p, room, out);
    free(room);
    return status;
}

void tn_temperature_apply(double temperature, int classes, float *probability) {
    double most = 0, sum = 0;
    if (temperature == 1) return;
    for (int c = 0; c < classes; c++) most = fmax(most, (double)probability[c]);
    for (int pass = 0; pass < 2; pass++)
        for (int c = 0; c < classes; c++) {
            const double p = fmax((double)probability[c], (double)FLT_MIN);
            const double soft = exp((log(p) - log(most)) / temperature);
            if (pass)
                probability[c] = (float)(soft / sum);
            else
                sum += soft;
        }
}

void tn_temperature_apply_all(double temperature, tn_predictions *p) {
    if (temperature == 1) return;
    for (size_t i = 0; i < p->n; i++) {
        double *row = p->probability + i * (size_t)p->classes;
        soften(row, p->classes, 1 / temperature, row);
    }
}

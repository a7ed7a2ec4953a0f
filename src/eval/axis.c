#include "src/eval/axis.h"

#include <math.h>
#include <stdlib.h>

double tn_axis_round_up(double value) {
    const double unit = pow(10, floor(log10(value)));
    const double part = value / unit;
    return unit * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double tn_axis_top(double *value, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(value[i])) value[count++] = value[i];
    if (count) qsort(value, count, sizeof *value, ascending);
    const double most = count ? fmin(value[count - 1], 4 * value[count / 2]) : 1;
    const double step = most > 0 ? tn_axis_round_up(most / TN_AXIS_TICKS) : 0.2;
    return step * fmax(ceil(most / step), 1);
}

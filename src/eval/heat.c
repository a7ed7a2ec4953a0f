#include "src/eval/heat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *tn_heat_method_name(tn_heat_method method) {
    static const char *const names[TN_HEAT_METHODS] = {"gradcam", "gradcam++", "layercam",
                                                       "occlusion"};
    return names[method];
}

tn_status tn_heat_create(int h, int w, tn_heat *out) {
    *out = (tn_heat){.h = h, .w = w};
    if (h < 1 || w < 1) return tn_fail("heat map of %d x %d: at least 1 x 1 expected", w, h);
    out->value = calloc((size_t)h * (size_t)w, sizeof *out->value);
    return out->value ? TN_OK : tn_fail("out of memory for a heat map of %d x %d", w, h);
}

void tn_heat_free(tn_heat *heat) {
    free(heat->value);
    *heat = (tn_heat){0};
}

/* ---- maps from gradients ---- */

static double at(const tn_tensor *t, size_t pixel, int c) {
    return (double)tn_data(t)[pixel * (size_t)t->pitch + (size_t)c];
}

/* What channel c counts in the sum, for the methods that give a channel one weight. */
static double channel_weight(tn_heat_method method, const tn_tensor *a, const tn_tensor *g,
                             size_t first, size_t pixels, int c) {
    double sum = 0, activation = 0;
    if (method == TN_HEAT_GRADCAM) {
        for (size_t p = first; p < first + pixels; p++) sum += at(g, p, c);
        return sum / (double)pixels;
    }
    for (size_t p = first; p < first + pixels; p++) activation += at(a, p, c);
    for (size_t p = first; p < first + pixels; p++) {
        const double d = at(g, p, c), below = 2 + d * activation; /* G^2 cancelled */
        if (d > 0 && below != 0) sum += d / below;
    }
    return sum;
}

tn_status tn_heat_from_gradient(tn_heat_method method, const tn_tensor *a, const tn_tensor *g,
                                int sample, tn_heat *out) {
    const size_t pixels = (size_t)a->h * (size_t)a->w, first = (size_t)sample * pixels;
    *out = (tn_heat){0};
    if (method >= TN_HEAT_OCCLUSION)
        return tn_fail("%s is not made from gradients", tn_heat_method_name(method));
    double *sum = calloc(pixels, sizeof *sum);
    tn_status status = sum ? tn_heat_create(a->h, a->w, out) : tn_fail("out of memory");
    for (int c = 0; c < a->c && status == TN_OK; c++) {
        double weight = 0;
        if (method != TN_HEAT_LAYERCAM) weight = channel_weight(method, a, g, first, pixels, c);
        for (size_t p = 0; p < pixels; p++) {
            const double own = method == TN_HEAT_LAYERCAM ? fmax(at(g, first + p, c), 0) : weight;
            sum[p] += own * at(a, first + p, c);
        }
    }
    for (size_t p = 0; p < pixels && status == TN_OK; p++) {
        if (!isfinite(sum[p]))
            status = tn_fail("%s: the map is not finite (%g)", tn_heat_method_name(method), sum[p]);
        else
            out->value[p] = (float)fmax(sum[p], 0);
    }
    free(sum);
    if (status != TN_OK) tn_heat_free(out);
    return status;
}

/* ---- working with maps ---- */

float tn_heat_peak(const tn_heat *heat) {
    float peak = 0;
    for (size_t i = 0; i < (size_t)heat->h * (size_t)heat->w; i++)
        if (heat->value[i] > peak) peak = heat->value[i];
    return peak;
}

void tn_heat_normalise(tn_heat *heat) {
    const float peak = tn_heat_peak(heat);
    if (peak <= 0) return;
    for (size_t i = 0; i < (size_t)heat->h * (size_t)heat->w; i++) heat->value[i] /= peak;
}

/* Where pixel `i` of `to` lies between two of `from`. */
static void between(int i, int to, int from, int *low, int *high, float *part) {
    double x = (i + 0.5) * from / to - 0.5;
    x = fmin(fmax(x, 0), from - 1);
    *low = (int)x;
    *high = *low + 1 < from ? *low + 1 : *low;
    *part = (float)(x - *low);
}

tn_status tn_heat_resize(const tn_heat *heat, int h, int w, tn_heat *out) {
    TN_TRY(tn_heat_create(h, w, out));
    for (int y = 0; y < h; y++) {
        int y0, y1, x0, x1;
        float fy, fx;
        between(y, h, heat->h, &y0, &y1, &fy);
        const float *top = heat->value + (size_t)y0 * (size_t)heat->w;
        const float *bottom = heat->value + (size_t)y1 * (size_t)heat->w;
        for (int x = 0; x < w; x++) {
            between(x, w, heat->w, &x0, &x1, &fx);
            const float a = top[x0] + fx * (top[x1] - top[x0]);
            const float b = bottom[x0] + fx * (bottom[x1] - bottom[x0]);
            out->value[(size_t)y * (size_t)w + (size_t)x] = a + fy * (b - a);
        }
    }
    return TN_OK;
}

tn_status tn_heat_crop(const tn_heat *heat, int x, int y, int h, int w, tn_heat *out) {
    if (x < 0 || y < 0 || x + w > heat->w || y + h > heat->h)
        return tn_fail("%d x %d places from (%d, %d) of a map of %d x %d", w, h, x, y, heat->w,
                       heat->h);
    TN_TRY(tn_heat_create(h, w, out));
    for (int r = 0; r < h; r++)
        memcpy(out->value + (size_t)r * (size_t)w,
               heat->value + (size_t)(y + r) * (size_t)heat->w + x, (size_t)w * sizeof(float));
    return TN_OK;
}

typedef struct place {
    float value;
    size_t index;
} place;

static int by_value(const void *a, const void *b) {
    const float x = ((const place *)a)->value, y = ((const place *)b)->value;
    return (x > y) - (x < y);
}

/* Ranks from 0, equal values at the mean of theirs, less the mean of all. */
static tn_status centred_ranks(const tn_heat *heat, size_t n, double *rank) {
    place *order = calloc(n, sizeof *order);
    if (!order) return tn_fail("out of memory");
    for (size_t i = 0; i < n; i++) order[i] = (place){heat->value[i], i};
    qsort(order, n, sizeof *order, by_value);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && order[to].value == order[from].value;) to++;
        for (size_t i = from; i < to; i++)
            rank[order[i].index] = ((double)(from + to) - 1) / 2 - ((double)n - 1) / 2;
    }
    free(order);
    return TN_OK;
}

tn_status tn_heat_correlation(const tn_heat *a, const tn_heat *b, double *out) {
    const size_t n = (size_t)a->h * (size_t)a->w;
    *out = 0;
    if (a->h != b->h || a->w != b->w)
        return tn_fail("maps of %d x %d and %d x %d cannot be compared", a->w, a->h, b->w, b->h);
    double *rank = calloc(2 * n, sizeof *rank);
    if (!rank) return tn_fail("out of memory");
    tn_status status = centred_ranks(a, n, rank);
    if (status == TN_OK) status = centred_ranks(b, n, rank + n);
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += rank[i] * rank[n + i];
        aa += rank[i] * rank[i];
        bb += rank[n + i] * rank[n + i];
    }
    free(rank);
    if (aa > 0 && bb > 0) *out = ab / sqrt(aa * bb);
    return status;
}

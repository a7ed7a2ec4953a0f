#include "src/eval/chart.h"

#include "src/data/canvas.h"
#include "src/eval/axis.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Drawn at twice the size and averaged down: lines become smooth, letters stay sharp. */
enum { FINE = 2, WIDTH = 1500, HEIGHT = 540, PANELS = 3 };
enum { TOP = 96, BOTTOM = 64, LEFT = 64, RIGHT = 20, GAP = 6 }; /* around each plot, pixels */
enum { SMALL = 3, LARGE = 5 };                                  /* letters, in fine pixels */

static const tn_colour white = {255, 255, 255}, ink = {51, 51, 51}, grid = {229, 229, 229},
                       faint = {153, 153, 153};

typedef struct series {
    const char *name;
    size_t list;  /* offset of the list's tn_summary in a record */
    size_t field; /* offset of the figure in it */
    tn_colour colour;
} series;

/* Told apart by colour-blind readers too (Okabe and Ito). */
#define BLUE                                                                                       \
    { 0, 114, 178 }
#define ORANGE                                                                                     \
    { 213, 94, 0 }
#define GREEN                                                                                      \
    { 0, 158, 115 }
#define SERIES(name, list, figure, ...)                                                            \
    { name, offsetof(tn_epoch_record, list), offsetof(tn_summary, figure), __VA_ARGS__ }

typedef struct axes {
    double x, y, w, h; /* plot area, in fine pixels */
    double first, last, low, high;
} axes;

static double value_at(const tn_history *h, size_t i, const series *s) {
    const char *record = (const char *)&h->record[i];
    double value;
    memcpy(&value, record + s->list + s->field, sizeof value);
    return value;
}

static double x_of(const axes *a, double epoch) {
    return a->x + a->w * (epoch - a->first) / (a->last - a->first);
}

static double y_of(const axes *a, double value) {
    double part = (value - a->low) / (a->high - a->low);
    return a->y + a->h * (1 - fmin(fmax(part, 0), 1));
}

/* Top of an axis from 0 that shows all but wild values. */
static double top_of(const tn_history *h, const series *s, int n) {
    double *all = calloc(h->n * (size_t)n + 1, sizeof *all);
    if (!all) return 1;
    size_t count = 0;
    for (int k = 0; k < n; k++)
        for (size_t i = 0; i < h->n; i++) all[count++] = value_at(h, i, &s[k]);
    const double top = tn_axis_top(all, count);
    free(all);
    return top;
}

static void centred(tn_image *image, double x, double y, int scale, tn_colour colour,
                    const char *text) {
    tn_draw_text(image, (int)(x - tn_text_width(text, scale) / 2.0), (int)y, scale, colour, text);
}

static void draw_y_axis(tn_image *image, const axes *a) {
    char text[32];
    double step = tn_axis_round_up((a->high - a->low) / TN_AXIS_TICKS);
    for (int i = 0; a->low + i * step <= a->high * (1 + 1e-9); i++) {
        double value = a->low + i * step, y = y_of(a, value);
        tn_draw_line(image, a->x, y, a->x + a->w, y, FINE, grid);
        snprintf(text, sizeof text, "%g", value);
        int width = tn_text_width(text, SMALL);
        tn_draw_text(image, (int)a->x - width - 8 * FINE, (int)y - 5 * FINE, SMALL, ink, text);
    }
}

static void draw_x_axis(tn_image *image, const axes *a) {
    char text[32];
    double step = fmax(tn_axis_round_up((a->last - a->first) / TN_AXIS_TICKS), 1e-3);
    for (long tick = lround(ceil(a->first / step)); (double)tick * step <= a->last * (1 + 1e-9);
         tick++) {
        const double value = (double)tick * step;
        double x = x_of(a, value);
        tn_draw_line(image, x, a->y + a->h, x, a->y + a->h + 4 * FINE, FINE, ink);
        snprintf(text, sizeof text, "%g", value);
        centred(image, x, a->y + a->h + 9 * FINE, SMALL, ink, text);
    }
    centred(image, a->x + a->w / 2, a->y + a->h + 30 * FINE, SMALL, ink, "epoch");
    tn_draw_line(image, a->x, a->y + a->h, a->x + a->w, a->y + a->h, FINE, ink);
    tn_draw_line(image, a->x, a->y, a->x, a->y + a->h, FINE, ink);
}

static void draw_series(tn_image *image, const axes *a, const tn_history *h, const series *s) {
    enum { DOTS_UP_TO = 40 };
    double x0 = NAN, y0 = NAN;
    for (size_t i = 0; i < h->n; i++) {
        double v = value_at(h, i, s);
        if (!isfinite(v)) continue;
        double x = x_of(a, h->record[i].epoch), y = y_of(a, v);
        if (isfinite(x0)) tn_draw_line(image, x0, y0, x, y, 2 * FINE, s->colour);
        if (h->n <= DOTS_UP_TO)
            tn_draw_box(image, (int)x - 2 * FINE, (int)y - 2 * FINE, 5 * FINE, 5 * FINE, s->colour);
        x0 = x;
        y0 = y;
    }
}

/* A dashed line at the best epoch. */
static void draw_best(tn_image *image, const axes *a, const tn_history *h) {
    size_t best = h->n;
    for (size_t i = 0; i < h->n; i++)
        if (h->record[i].best) best = i;
    if (best == h->n) return;
    double x = x_of(a, h->record[best].epoch);
    for (int dash = 0; dash * 12 * FINE < a->h; dash++) {
        const double y = a->y + dash * 12 * FINE;
        tn_draw_line(image, x, y, x, fmin(y + 6 * FINE, a->y + a->h), FINE, faint);
    }
}

static void draw_legend(tn_image *image, const axes *a, const series *s, int n) {
    double x = a->x;
    for (int k = 0; k < n; k++) {
        double y = a->y - 20 * FINE;
        tn_draw_box(image, (int)x, (int)y + 4 * FINE, 14 * FINE, 3 * FINE, s[k].colour);
        tn_draw_text(image, (int)x + 18 * FINE, (int)y, SMALL, ink, s[k].name);
        x += 18 * FINE + tn_text_width(s[k].name, SMALL) + 16 * FINE;
    }
}

static void draw_panel(tn_image *image, int index, const tn_history *h, const char *name,
                       const series *s, int n, double high) {
    const double panel = (double)WIDTH / PANELS * FINE;
    axes a = {.x = index * panel + LEFT * FINE,
              .y = TOP * FINE,
              .w = panel - (LEFT + RIGHT + GAP) * FINE,
              .h = (HEIGHT - TOP - BOTTOM) * FINE,
              .high = high};
    a.last = h->n ? h->record[h->n - 1].epoch : 1;
    a.first = h->n > 1 ? fmin(h->record[0].epoch, 1) : 0;
    tn_draw_text(image, (int)a.x, (int)a.y - 46 * FINE, LARGE, ink, name);
    draw_y_axis(image, &a);
    draw_x_axis(image, &a);
    draw_best(image, &a, h);
    for (int k = 0; k < n; k++) draw_series(image, &a, h, &s[k]);
    draw_legend(image, &a, s, n);
}

static void draw_title(tn_image *image, const tn_history *h, const char *title) {
    char text[256];
    size_t best = h->n;
    for (size_t i = 0; i < h->n; i++)
        if (h->record[i].best) best = i;
    int n = snprintf(text, sizeof text, "%s", title);
    if (best < h->n && n > 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n,
                 ": best of validation at epoch %.4g (dashed), AUC %.3f, balanced accuracy %.3f",
                 h->record[best].epoch, h->record[best].valid.auc,
                 h->record[best].valid.balanced_accuracy);
    tn_draw_text(image, LEFT * FINE, 14 * FINE, SMALL, ink, text);
}

tn_status tn_chart_draw(const tn_history *history, const char *title, tn_image *out) {
    static const series loss[] = {SERIES("train", train, loss, BLUE),
                                  SERIES("valid", valid, loss, ORANGE)};
    static const series accuracy[] = {SERIES("train", train, accuracy, BLUE),
                                      SERIES("valid", valid, accuracy, ORANGE)};
    static const series score[] = {SERIES("train F1", train, f1, BLUE),
                                   SERIES("valid F1", valid, f1, ORANGE),
                                   SERIES("valid AUC", valid, auc, GREEN)};
    tn_image fine;
    TN_TRY(tn_image_create(HEIGHT * FINE, WIDTH * FINE, 3, &fine));
    tn_draw_box(&fine, 0, 0, fine.w, fine.h, white);
    draw_title(&fine, history, title);
    draw_panel(&fine, 0, history, "Loss", loss, 2, top_of(history, loss, 2));
    draw_panel(&fine, 1, history, "Accuracy", accuracy, 2, 1);
    draw_panel(&fine, 2, history, "F1 and AUC", score, 3, 1);
    tn_status status = tn_image_resize(&fine, HEIGHT, WIDTH, out);
    tn_image_free(&fine);
    return status;
}

/* Beside the target, then renamed: a viewer never sees half a picture. */
static tn_status save(const tn_image *image, const char *path) {
    size_t size = strlen(path) + sizeof ".part.png";
    char *part = malloc(size);
    if (!part) return tn_fail("%s: out of memory", path);
    snprintf(part, size, "%s.part.png", path);
    tn_status status = tn_image_save(image, part);
    if (status == TN_OK && rename(part, path) != 0)
        status = tn_fail("%s: cannot be renamed into place: %s", path, strerror(errno));
    if (status != TN_OK) unlink(part);
    free(part);
    return status;
}

tn_status tn_chart_save(const tn_history *history, const char *title, const char *path,
                        const char *also) {
    tn_image image;
    TN_TRY(tn_chart_draw(history, title, &image));
    tn_status status = save(&image, path);
    if (status == TN_OK && also) status = save(&image, also);
    tn_image_free(&image);
    return status;
}

#include "src/eval/svg_plot.h"

#include "src/eval/axis.h"
#include "src/eval/html.h"

#include <math.h>
#include <string.h>

enum { LEFT = 46, RIGHT = 14, TOP = 26, BOTTOM = 38, LEGEND = 16, LEAST_AREA = 40 };
enum { DOTS_UP_TO = 40 }; /* points of a line that are marked */

const char *tn_svg_colour(int index) {
    static const char *const colour[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                         "#56b4e9", "#e69f00", "#000000", "#8a8a00"};
    const int n = sizeof colour / sizeof *colour;
    return colour[(index % n + n) % n];
}

static double clamp(double v, double low, double high) {
    return v < low ? low : v > high ? high : v;
}

static double x_of(const tn_svg_plot *p, double x) {
    return LEFT + p->width * clamp((x - p->x_low) / (p->x_high - p->x_low), 0, 1);
}

static double y_of(const tn_svg_plot *p, double y) {
    return TOP + p->height * (1 - clamp((y - p->y_low) / (p->y_high - p->y_low), 0, 1));
}

static tn_status check(const tn_svg_plot *p) {
    const char *name = p->title ? p->title : "plot";
    if (!isfinite(p->x_low) || !isfinite(p->x_high) || !(p->x_low < p->x_high))
        return tn_fail("%s: the x axis goes from %g to %g", name, p->x_low, p->x_high);
    if (!isfinite(p->y_low) || !isfinite(p->y_high) || !(p->y_low < p->y_high))
        return tn_fail("%s: the y axis goes from %g to %g", name, p->y_low, p->y_high);
    if (p->width < LEAST_AREA || p->height < LEAST_AREA)
        return tn_fail("%s: an area of %d x %d pixels, expected %d or more", name, p->width,
                       p->height, LEAST_AREA);
    return TN_OK;
}

/* ---- axes ---- */

static void put_label(FILE *to, double x, double y, const char *anchor, const char *text) {
    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    tn_html_text(to, text);
    fputs("</text>\n", to);
}

static void put_line(FILE *to, double x0, double y0, double x1, double y1, const char *colour) {
    fprintf(to, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\" fill=\"none\"/>\n", x0, y0, x1, y1,
            colour);
}

static void draw_y_axis(const tn_svg_plot *p, FILE *to) {
    const double step = tn_axis_round_up((p->y_high - p->y_low) / TN_AXIS_TICKS);
    const double first = ceil(p->y_low / step - 1e-9);
    char text[32];
    for (int i = 0; (first + i) * step <= p->y_high + 1e-9 * step; i++) {
        const double y = y_of(p, (first + i) * step);
        put_line(to, LEFT, y, LEFT + p->width, y, "#e5e5e5");
        snprintf(text, sizeof text, "%.4g", (first + i) * step);
        put_label(to, LEFT - 5, y + 4, "end", text);
    }
}

static void draw_x_axis(const tn_svg_plot *p, FILE *to) {
    const double step = tn_axis_round_up((p->x_high - p->x_low) / TN_AXIS_TICKS);
    const double first = ceil(p->x_low / step - 1e-9), bottom = TOP + p->height;
    char text[32];
    for (int i = 0; (first + i) * step <= p->x_high + 1e-9 * step; i++) {
        const double x = x_of(p, (first + i) * step);
        put_line(to, x, bottom, x, bottom + 4, "#333333");
        snprintf(text, sizeof text, "%.4g", (first + i) * step);
        put_label(to, x, bottom + 16, "middle", text);
    }
    put_line(to, LEFT, bottom, LEFT + p->width, bottom, "#333333");
    put_line(to, LEFT, TOP, LEFT, bottom, "#333333");
}

static void draw_labels(const tn_svg_plot *p, FILE *to) {
    if (p->x_label)
        put_label(to, LEFT + p->width / 2.0, TOP + p->height + 32, "middle", p->x_label);
    if (p->y_label) {
        fprintf(to, "<text transform=\"translate(11 %.1f) rotate(-90)\" text-anchor=\"middle\">",
                TOP + p->height / 2.0);
        tn_html_text(to, p->y_label);
        fputs("</text>\n", to);
    }
    if (!p->title) return;
    fprintf(to, "<text x=\"%d\" y=\"15\" font-size=\"13\" font-weight=\"bold\">", LEFT);
    tn_html_text(to, p->title);
    fputs("</text>\n", to);
}

/* ---- series ---- */

static bool there(const tn_svg_series *s, size_t i) {
    return isfinite(s->x[i]) && isfinite(s->y[i]);
}

static void draw_dots(const tn_svg_plot *p, const tn_svg_series *s, double radius, FILE *to) {
    for (size_t i = 0; i < s->n; i++)
        if (there(s, i))
            fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%g\" fill=\"%s\"/>\n",
                    x_of(p, s->x[i]), y_of(p, s->y[i]), radius, tn_svg_colour(s->colour));
}

static void draw_curve(const tn_svg_plot *p, const tn_svg_series *s, FILE *to) {
    bool open = false, pen = false;
    for (size_t i = 0; i < s->n; i++) {
        if (!there(s, i)) {
            pen = false;
            continue;
        }
        if (!open) fputs("<path d=\"", to);
        fprintf(to, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(p, s->x[i]), y_of(p, s->y[i]));
        open = pen = true;
    }
    if (!open) return;
    fprintf(to, "\" fill=\"none\" stroke-width=\"1.5\" stroke=\"%s\"%s/>\n",
            tn_svg_colour(s->colour), s->kind == TN_SVG_DASHED ? " stroke-dasharray=\"5 3\"" : "");
}

static void draw_bars(const tn_svg_plot *p, const tn_svg_series *s, FILE *to) {
    for (size_t i = 0; i < s->n; i++) {
        if (!there(s, i)) continue;
        const double x0 = x_of(p, s->x[i] - s->bar / 2), x1 = x_of(p, s->x[i] + s->bar / 2);
        const double y0 = y_of(p, fmax(s->y[i], 0)), y1 = y_of(p, fmin(s->y[i], 0));
        fprintf(to,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
                "fill-opacity=\".35\" stroke=\"%s\" stroke-opacity=\".7\"/>\n",
                x0, y0, x1 - x0, y1 - y0, tn_svg_colour(s->colour), tn_svg_colour(s->colour));
    }
}

static void draw_series(const tn_svg_plot *p, const tn_svg_series *s, FILE *to) {
    switch (s->kind) {
    case TN_SVG_BARS:
        draw_bars(p, s, to);
        break;
    case TN_SVG_DOTS:
        draw_dots(p, s, 3, to);
        break;
    case TN_SVG_LINE:
    case TN_SVG_DASHED:
        draw_curve(p, s, to);
        if (s->n <= DOTS_UP_TO) draw_dots(p, s, 1.8, to);
        break;
    }
}

static void draw_legend(const tn_svg_plot *p, FILE *to) {
    double y = TOP + p->height + BOTTOM + LEGEND - 4;
    for (int k = 0; k < p->n_series; k++) {
        const tn_svg_series *s = &p->series[k];
        if (!s->name) continue;
        fprintf(to, "<path d=\"M%d %.1fh18\" stroke=\"%s\" stroke-width=\"3\"%s/>\n", LEFT, y - 4,
                tn_svg_colour(s->colour),
                s->kind == TN_SVG_DASHED ? " stroke-dasharray=\"5 3\"" : "");
        put_label(to, LEFT + 24, y, "start", s->name);
        y += LEGEND;
    }
}

tn_status tn_svg_plot_write(const tn_svg_plot *p, FILE *to) {
    TN_TRY(check(p));
    int named = 0;
    for (int k = 0; k < p->n_series; k++) named += p->series[k].name != NULL;
    const int width = LEFT + p->width + RIGHT, height = TOP + p->height + BOTTOM + named * LEGEND;
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n",
            width, height, width, height);
    draw_y_axis(p, to);
    draw_x_axis(p, to);
    draw_labels(p, to);
    if (p->diagonal) put_line(to, LEFT, TOP + p->height, LEFT + p->width, TOP, "#999999");
    for (int k = 0; k < p->n_series; k++) draw_series(p, &p->series[k], to);
    draw_legend(p, to);
    fputs("</svg>\n", to);
    return ferror(to) ? tn_fail("the plot cannot be written") : TN_OK;
}

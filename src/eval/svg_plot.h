/* Plots as SVG elements that stand inside a page: curves, dots and bars on two axes, and tables of
 * counts. No script, no style sheet, no identifier: any number of them fits into one page. */
#ifndef TN_EVAL_SVG_PLOT_H
#define TN_EVAL_SVG_PLOT_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_svg_kind { TN_SVG_LINE, TN_SVG_DASHED, TN_SVG_DOTS, TN_SVG_BARS } tn_svg_kind;

/* Points that are not finite are gaps; those outside the axes are drawn at their edge. */
typedef struct tn_svg_series {
    const char *name; /* in the legend; NULL: it is not in it */
    int colour;       /* 0, 1, ...: as tn_svg_colour has them */
    tn_svg_kind kind;
    size_t n;
    const double *x, *y; /* [n] */
    double bar;          /* of bars: how wide, in x's units */
} tn_svg_series;

typedef struct tn_svg_plot {
    const char *title, *x_label, *y_label; /* NULL: none */
    double x_low, x_high, y_low, y_high;
    int width, height; /* pixels of the plot area; the whole is larger */
    bool diagonal;     /* a thin line from the lower left to the upper right corner */
    const tn_svg_series *series;
    int n_series;
} tn_svg_plot;

/* "#0072b2": eight that colour-blind readers tell apart (Okabe and Ito), then over again. */
const char *tn_svg_colour(int index);

/* Fails, naming what is wrong, on axes that are empty, turned round or not finite and on an area
 * below 40 pixels. */
tn_status tn_svg_plot_write(const tn_svg_plot *plot, FILE *to);

/* Confusion matrix: count (classes, classes) [truth][answer], rows shaded by their shares. Fails on
 * less than 1 class or more than TN_SVG_MOST_CLASSES. */
enum { TN_SVG_MOST_CLASSES = 12 };
tn_status tn_svg_confusion_write(const char *title, const char *const *name, int classes,
                                 const size_t *count, FILE *to);

/* Boxes from top to bottom joined by arrows, each of one or more lines of text: where counts come
 * from. */
typedef struct tn_svg_box {
    const char *const *line;
    int lines;
} tn_svg_box;
tn_status tn_svg_flow_write(const tn_svg_box *box, int boxes, FILE *to);

#ifdef __cplusplus
}
#endif
#endif

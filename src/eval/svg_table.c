/* Counts drawn: the confusion matrix, and boxes that counts flow through. */
#include "src/eval/html.h"
#include "src/eval/svg_plot.h"

#include <string.h>

enum { CELL_W = 84, CELL_H = 44, NAMES = 100, HEAD = 58 };
enum { BOX_W = 620, LINE_H = 17, PAD = 9, ARROW = 22 };

static void open_svg(FILE *to, int width, int height) {
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n",
            width, height, width, height);
}

static void put_text(FILE *to, int x, int y, const char *more, const char *text) {
    fprintf(to, "<text x=\"%d\" y=\"%d\" %s>", x, y, more);
    tn_html_text(to, text);
    fputs("</text>\n", to);
}

/* ---- confusion matrix ---- */

static void draw_cell(FILE *to, int x, int y, size_t n, size_t row, bool right) {
    const double share = row ? (double)n / (double)row : 0;
    char text[64];
    fprintf(to,
            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\" fill-opacity=\"%.2f\" "
            "stroke=\"#999999\"/>\n",
            x, y, CELL_W, CELL_H, tn_svg_colour(right ? 0 : 1), 0.75 * share);
    snprintf(text, sizeof text, "%zu", n);
    put_text(to, x + CELL_W / 2, y + 20, "text-anchor=\"middle\" font-size=\"14\"", text);
    if (row)
        snprintf(text, sizeof text, "%.1f %%", 100 * share);
    else
        snprintf(text, sizeof text, "-");
    put_text(to, x + CELL_W / 2, y + 36, "text-anchor=\"middle\"", text);
}

tn_status tn_svg_confusion_write(const char *title, const char *const *name, int classes,
                                 const size_t *count, FILE *to) {
    if (classes < 1 || classes > TN_SVG_MOST_CLASSES)
        return tn_fail("%s: a confusion matrix of %d classes, expected 1 to %d", title, classes,
                       TN_SVG_MOST_CLASSES);
    open_svg(to, NAMES + classes * CELL_W + 10, HEAD + classes * CELL_H + 8);
    put_text(to, 4, 15, "font-size=\"13\" font-weight=\"bold\"", title);
    put_text(to, NAMES, 34, "fill=\"#555555\"", "answered");
    put_text(to, 4, HEAD - 7, "fill=\"#555555\"", "truth");
    for (int t = 0; t < classes; t++) {
        const int y = HEAD + t * CELL_H;
        size_t row = 0;
        for (int c = 0; c < classes; c++) row += count[t * classes + c];
        put_text(to, NAMES + t * CELL_W + CELL_W / 2, HEAD - 7, "text-anchor=\"middle\"", name[t]);
        put_text(to, NAMES - 6, y + CELL_H / 2 + 4, "text-anchor=\"end\"", name[t]);
        for (int c = 0; c < classes; c++)
            draw_cell(to, NAMES + c * CELL_W, y, count[t * classes + c], row, t == c);
    }
    fputs("</svg>\n", to);
    return ferror(to) ? tn_fail("the drawing cannot be written") : TN_OK;
}

/* ---- boxes ---- */

tn_status tn_svg_flow_write(const tn_svg_box *box, int boxes, FILE *to) {
    int height = 4;
    if (boxes < 1) return tn_fail("flow: %d boxes, expected 1 or more", boxes);
    for (int i = 0; i < boxes; i++) height += box[i].lines * LINE_H + 2 * PAD + ARROW;
    open_svg(to, BOX_W + 4, height - ARROW + 2);
    int y = 2;
    for (int i = 0; i < boxes; i++) {
        const int h = box[i].lines * LINE_H + 2 * PAD;
        fprintf(to,
                "<rect x=\"2\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" fill=\"#f4f7fa\" "
                "stroke=\"#5b8fc7\"/>\n",
                y, BOX_W, h);
        for (int l = 0; l < box[i].lines; l++)
            put_text(to, 16, y + PAD + 12 + l * LINE_H, l ? "" : "font-weight=\"bold\"",
                     box[i].line[l]);
        y += h;
        if (i + 1 < boxes)
            fprintf(to,
                    "<path d=\"M%d %dv%d\" stroke=\"#52606d\"/><path d=\"M%d %dl4 -7h-8z\" "
                    "fill=\"#52606d\"/>\n",
                    BOX_W / 2, y, ARROW - 6, BOX_W / 2, y + ARROW);
        y += ARROW;
    }
    fputs("</svg>\n", to);
    return ferror(to) ? tn_fail("the drawing cannot be written") : TN_OK;
}

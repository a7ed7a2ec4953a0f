#include "src/eval/heat_picture.h"

#include "src/data/canvas.h"
#include "src/eval/pointing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    PANEL = 448, /* pixels of the longer side */
    GAP = 16,
    SCALE_WIDTH = 20,
    SCALE_ROOM = 110, /* with its numbers */
    LETTERS = 2,      /* scale of the font */
    LINE = TN_FONT_HEIGHT * LETTERS + 4
};

static const tn_colour ink = {30, 30, 30}, paper = {255, 255, 255}, nodule_line = {60, 220, 90},
                       crop_line = {80, 160, 255};

tn_status tn_heat_fit(const tn_image *image, tn_fit fit, int h, int w, uint8_t value,
                      tn_image *out) {
    tn_image fitted;
    TN_TRY(tn_image_fit(image, fit, h, w, &fitted));
    if (fitted.h == h && fitted.w == w) {
        *out = fitted;
        return TN_OK;
    }
    tn_status status = tn_image_create(h, w, fitted.c, out);
    if (status == TN_OK) {
        const size_t c = (size_t)out->c, left = (size_t)(w - fitted.w) / 2;
        const size_t top = (size_t)(h - fitted.h) / 2, row = (size_t)fitted.w * c;
        memset(out->data, value, (size_t)h * (size_t)w * c);
        for (size_t y = 0; y < (size_t)fitted.h; y++)
            memcpy(out->data + ((top + y) * (size_t)w + left) * c, fitted.data + y * row, row);
    }
    tn_image_free(&fitted);
    return status;
}

/* ---- colours ---- */

/* From nothing over violet, red and orange to yellow; brightness grows with the heat. */
static void colour_of(double heat, double rgb[3]) {
    static const double stops[5][3] = {
        {20, 10, 60}, {110, 20, 130}, {205, 50, 80}, {250, 140, 30}, {255, 245, 130}};
    const double at = fmin(fmax(heat, 0), 1) * 4;
    const int i = at >= 4 ? 3 : (int)at;
    for (int k = 0; k < 3; k++) rgb[k] = stops[i][k] + (at - i) * (stops[i + 1][k] - stops[i][k]);
}

/* Hot places hide what is under them most. */
static void put_heat(tn_image *panel, const tn_heat *large) {
    static const double most = 0.7;
    for (size_t i = 0; i < (size_t)panel->h * (size_t)panel->w; i++) {
        double rgb[3];
        const double heat = (double)large->value[i], part = most * sqrt(fmin(fmax(heat, 0), 1));
        colour_of(heat, rgb);
        for (size_t k = 0; k < 3; k++) {
            uint8_t *p = &panel->data[3 * i + k];
            *p = (uint8_t)lround((1 - part) * *p + part * rgb[k]);
        }
    }
}

/* The pixels of a region that touch what is outside it. */
static void put_border(tn_image *panel, const tn_image *regions, int channel, tn_colour colour) {
    const int w = regions->w, h = regions->h;
    for (int y = 1; y + 1 < h; y++)
        for (int x = 1; x + 1 < w; x++) {
            const uint8_t *p =
                regions->data + ((size_t)y * (size_t)w + (size_t)x) * TN_REGION_CHANNELS + channel;
            const ptrdiff_t side = TN_REGION_CHANNELS, row = (ptrdiff_t)w * TN_REGION_CHANNELS;
            const int inside = p[0] >= 128;
            if (inside && (p[-side] < 128 || p[side] < 128 || p[-row] < 128 || p[row] < 128))
                tn_draw_box(panel, x, y, 2, 2, colour);
        }
}

/* ---- panels ---- */

static void panel_size(const tn_heat_row *row, int *h, int *w) {
    const int longer = row->h > row->w ? row->h : row->w;
    *h = row->h * PANEL / longer;
    *w = row->w * PANEL / longer;
    if (*h < 1) *h = 1;
    if (*w < 1) *w = 1;
}

static void paste(tn_image *to, const tn_image *from, int x, int y) {
    for (int r = 0; r < from->h; r++)
        memcpy(to->data + ((size_t)(y + r) * (size_t)to->w + (size_t)x) * 3,
               from->data + (size_t)r * (size_t)from->w * 3, (size_t)from->w * 3);
}

static tn_status draw_borders(const tn_heat_row *row, tn_image *panel) {
    tn_image regions;
    if (!row->regions) return TN_OK;
    TN_TRY(tn_heat_fit(row->regions, row->fit, panel->h, panel->w, 0, &regions));
    put_border(panel, &regions, TN_REGION_CROP, crop_line);
    put_border(panel, &regions, TN_REGION_NODULE, nodule_line);
    tn_image_free(&regions);
    return TN_OK;
}

static tn_status draw_heat(const tn_heat_row *row, tn_image *panel) {
    tn_heat large;
    TN_TRY(tn_heat_resize(row->heat, panel->h, panel->w, &large));
    tn_heat_normalise(&large);
    put_heat(panel, &large);
    tn_heat_free(&large);
    return TN_OK;
}

static void draw_scale(tn_image *out, int x, int y, int h, float peak) {
    char text[32];
    for (int i = 0; i < h; i++) {
        double rgb[3];
        colour_of(1 - (i + 0.5) / h, rgb);
        const tn_colour c = {(uint8_t)rgb[0], (uint8_t)rgb[1], (uint8_t)rgb[2]};
        tn_draw_box(out, x, y + i, SCALE_WIDTH, 1, c);
    }
    tn_draw_frame(out, x, y, SCALE_WIDTH, h, 1, ink);
    for (int i = 0; i <= 2; i++) {
        const int at = y + h * i / 2, letter = i == 0 ? 0 : i == 1 ? 7 : 14;
        snprintf(text, sizeof text, "%.2g", (double)peak * (2 - i) / 2);
        tn_draw_text(out, x + SCALE_WIDTH + 6, at - letter, LETTERS, ink, text);
    }
}

static tn_status draw_panels(const tn_heat_row *row, tn_image *out, int y) {
    int h, w;
    tn_image panel;
    panel_size(row, &h, &w);
    TN_TRY(tn_heat_fit(row->image, row->fit, h, w, 128, &panel));
    tn_status status = tn_image_set_channels(&panel, 3);
    tn_image plain = {0};
    if (status == TN_OK) status = tn_image_copy(&panel, &plain);
    if (status == TN_OK) status = draw_heat(row, &panel);
    if (status == TN_OK) status = draw_borders(row, &plain);
    if (status == TN_OK) status = draw_borders(row, &panel);
    if (status == TN_OK) {
        paste(out, &plain, GAP, y);
        paste(out, &panel, 2 * GAP + w, y);
        draw_scale(out, 3 * GAP + 2 * w, y, h, tn_heat_peak(row->heat));
    }
    tn_image_free(&plain);
    tn_image_free(&panel);
    return status;
}

/* ---- the whole ---- */

static int lines_of(const char *text) {
    int n = *text != 0;
    for (; *text; text++) n += *text == '\n' && text[1];
    return n;
}

tn_status tn_heat_draw(const tn_heat_row *rows, int n, const char *footer, tn_image *out) {
    int height = GAP + LINE * lines_of(footer) + GAP, width = 1, h, w;
    for (int i = 0; i < n; i++) {
        panel_size(&rows[i], &h, &w);
        height += GAP + LINE * lines_of(rows[i].title) + h;
        if (3 * GAP + 2 * w + SCALE_ROOM > width) width = 3 * GAP + 2 * w + SCALE_ROOM;
    }
    TN_TRY(tn_image_create(height, width, 3, out));
    tn_draw_box(out, 0, 0, width, height, paper);
    int y = GAP;
    tn_status status = TN_OK;
    for (int i = 0; i < n && status == TN_OK; i++) {
        panel_size(&rows[i], &h, &w);
        tn_draw_text(out, GAP, y, LETTERS, ink, rows[i].title);
        y += LINE * lines_of(rows[i].title);
        status = draw_panels(&rows[i], out, y);
        y += h + GAP;
    }
    tn_draw_text(out, GAP, y, 1, ink, footer);
    if (status != TN_OK) tn_image_free(out);
    return status;
}

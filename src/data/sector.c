#include "src/data/sector.h"
#include "src/data/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LIT = 12 /* of 255: darker is background */ };

static int is_lit(const tn_image *image, int x, int y) {
    const uint8_t *p = image->data + ((size_t)y * (size_t)image->w + (size_t)x) * (size_t)image->c;
    for (int c = 0; c < image->c; c++)
        if (p[c] > LIT) return 1;
    return 0;
}

/* The longest run of lines whose count of lit pixels is over `least`; gaps of up to 4 lines belong
 * to it. */
static void longest_run(const int *lit, int lines, int least, int *from, int *length) {
    enum { GAP = 4 };
    int start = -1, last = -1;
    *from = 0;
    *length = 0;
    for (int i = 0; i < lines; i++) {
        if (lit[i] <= least) continue;
        if (start < 0 || i - last > GAP + 1) start = i;
        last = i;
        if (last - start + 1 > *length) {
            *from = start;
            *length = last - start + 1;
        }
    }
}

tn_sector tn_find_sector(const tn_image *frame) {
    tn_sector whole = {0, 0, frame->w, frame->h}, box = whole;
    int lines = frame->w > frame->h ? frame->w : frame->h;
    int *lit = calloc((size_t)lines, sizeof *lit);
    if (!lit) return whole;
    for (int y = 0; y < frame->h; y++)
        for (int x = 0; x < frame->w; x++) lit[y] += is_lit(frame, x, y);
    longest_run(lit, frame->h, frame->w / 6, &box.y, &box.h);
    memset(lit, 0, (size_t)lines * sizeof *lit);
    for (int y = box.y; y < box.y + box.h; y++)
        for (int x = 0; x < frame->w; x++) lit[x] += is_lit(frame, x, y);
    longest_run(lit, frame->w, box.h / 4, &box.x, &box.w);
    free(lit);
    int too_small = box.w < frame->w / 5 || box.h < frame->h / 5;
    return too_small ? whole : box;
}

/* The smallest sector that holds both. */
static tn_sector sector_with(tn_sector s, double x, double y, double w, double h,
                             const tn_image *frame) {
    double x1 = fmin(frame->w, fmax(s.x + s.w, ceil(x + w)));
    double y1 = fmin(frame->h, fmax(s.y + s.h, ceil(y + h)));
    s.x = (int)fmax(0, fmin(s.x, floor(x)));
    s.y = (int)fmax(0, fmin(s.y, floor(y)));
    s.w = (int)x1 - s.x;
    s.h = (int)y1 - s.y;
    return s;
}

tn_status tn_sector_only(const tn_image *frame, double x, double y, double w, double h,
                         tn_image *out) {
    if (!(isfinite(x) && isfinite(y) && isfinite(w) && isfinite(h) && w > 0 && h > 0) ||
        x >= frame->w || y >= frame->h || x + w <= 0 || y + h <= 0)
        return tn_fail("the box (%g, %g, %g, %g) does not lie in the %dx%d frame", x, y, w, h,
                       frame->w, frame->h);
    tn_sector s = sector_with(tn_find_sector(frame), x, y, w, h, frame);
    TN_TRY(tn_image_create(frame->h, frame->w, frame->c, out));
    size_t pixel = (size_t)frame->c, row = (size_t)frame->w * pixel;
    for (int r = s.y; r < s.y + s.h; r++) {
        size_t at = (size_t)r * row + (size_t)s.x * pixel;
        memcpy(out->data + at, frame->data + at, (size_t)s.w * pixel);
    }
    return TN_OK;
}

tn_status tn_crop_nodule(const tn_image *frame, double x, double y, double w, double h,
                         double margin, tn_image *out) {
    tn_image picture = {0};
    TN_TRY(tn_sector_only(frame, x, y, w, h, &picture));
    tn_status status = tn_crop_square(&picture, x, y, w, h, margin, out);
    tn_image_free(&picture);
    return status;
}

tn_status tn_crop_box(const tn_image *frame, tn_sector box, tn_image *out) {
    int side = box.w > box.h ? box.w : box.h;
    TN_TRY(tn_image_create(side, side, frame->c, out));
    size_t c = (size_t)frame->c, row = (size_t)box.w * c;
    int left = (side - box.w) / 2, top = (side - box.h) / 2;
    for (int y = 0; y < box.h; y++)
        memcpy(out->data + ((size_t)(top + y) * (size_t)side + (size_t)left) * c,
               frame->data + ((size_t)(box.y + y) * (size_t)frame->w + (size_t)box.x) * c, row);
    return TN_OK;
}

tn_status tn_crop_sector(const tn_image *frame, tn_image *out) {
    return tn_crop_box(frame, tn_find_sector(frame), out);
}

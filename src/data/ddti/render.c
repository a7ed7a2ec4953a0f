/* From a frame to what is written: cut, turned, scaled, mirrored. */
#include "src/data/ddti/convert.h"
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

tn_ddti_box tn_ddti_sector(const tn_image *frame) {
    tn_ddti_box whole = {0, 0, frame->w, frame->h}, box = whole;
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

/* The sector in the middle of a black square: nothing is squashed and no text comes back in. */
static tn_status cut_sector(const tn_image *frame, tn_image *out) {
    tn_ddti_box box = tn_ddti_sector(frame);
    int side = box.w > box.h ? box.w : box.h;
    TN_TRY(tn_image_create(side, side, frame->c, out));
    size_t c = (size_t)frame->c, row = (size_t)box.w * c;
    int left = (side - box.w) / 2, top = (side - box.h) / 2;
    for (int y = 0; y < box.h; y++)
        memcpy(out->data + ((size_t)(top + y) * (size_t)side + (size_t)left) * c,
               frame->data + ((size_t)(box.y + y) * (size_t)frame->w + (size_t)box.x) * c, row);
    return TN_OK;
}

static int clamp(int value, int high) {
    return value < 0 ? 0 : value > high ? high : value;
}

/* Bilinear sample of channel c; what lies outside repeats the border. */
static uint8_t sample_at(const tn_image *from, double x, double y, int c) {
    int x0 = (int)floor(x), y0 = (int)floor(y);
    double fx = x - x0, fy = y - y0, sum = 0;
    for (int k = 0; k < 4; k++) {
        int px = clamp(x0 + (k & 1), from->w - 1), py = clamp(y0 + (k >> 1), from->h - 1);
        double weight = (k & 1 ? fx : 1 - fx) * (k >> 1 ? fy : 1 - fy);
        sum +=
            weight *
            from->data[((size_t)py * (size_t)from->w + (size_t)px) * (size_t)from->c + (size_t)c];
    }
    return (uint8_t)lround(sum);
}

/* The w x h picture around (cx, cy), turned and scaled about it, mirrored left-right. */
static tn_status warp(const tn_image *from, double cx, double cy, int w, int h,
                      const tn_ddti_output *how, tn_image *out) {
    TN_TRY(tn_image_create(h, w, from->c, out));
    double angle = how->degrees * (3.14159265358979323846 / 180);
    double cosine = cos(angle) / how->scale, sine = sin(angle) / how->scale;
    uint8_t *to = out->data;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double dx = x - (w - 1) / 2.0, dy = y - (h - 1) / 2.0;
            if (how->mirror) dx = -dx;
            double sx = cx + cosine * dx - sine * dy, sy = cy + sine * dx + cosine * dy;
            for (int c = 0; c < from->c; c++) *to++ = sample_at(from, sx, sy, c);
        }
    return TN_OK;
}

/* Where a square of `side` around `centre` stands when it is moved inside 0..length. */
static double move_inside(double centre, int side, int length) {
    if (side > length) return centre;
    double low = (side - 1) / 2.0, high = length - 1 - low;
    return centre < low ? low : centre > high ? high : centre;
}

/* A turned nodule is cut from the whole frame, so that its corners show what is there. */
static tn_status warp_nodule(const tn_image *frame, double margin, const tn_ddti_box *box,
                             const tn_ddti_output *output, tn_image *out) {
    int longer = box->w > box->h ? box->w : box->h;
    int side = (int)lround(longer * (1 + 2 * margin));
    double cx = move_inside(box->x + (box->w - 1) / 2.0, side, frame->w);
    double cy = move_inside(box->y + (box->h - 1) / 2.0, side, frame->h);
    return warp(frame, cx, cy, side, side, output, out);
}

static tn_status cut(const tn_image *frame, const tn_ddti_settings *settings,
                     const tn_ddti_sample *sample, tn_image *out) {
    const tn_ddti_box *box = &sample->box;
    switch (settings->crop) {
    case TN_DDTI_CROP_NODULE:
        return tn_crop_square(frame, box->x, box->y, box->w, box->h, settings->margin, out);
    case TN_DDTI_CROP_FRAME:
        return cut_sector(frame, out);
    case TN_DDTI_CROP_NONE:
        break;
    }
    return tn_image_crop(frame, 0, 0, frame->w, frame->h, out);
}

static tn_status resize_to(tn_image *image, int size) {
    if (size == 0 || (image->w == size && image->h == size)) return TN_OK;
    int longer = image->w > image->h ? image->w : image->h;
    int h = (int)lround((double)image->h * size / longer);
    int w = (int)lround((double)image->w * size / longer);
    tn_image resized = {0};
    tn_status status = tn_image_resize(image, h > 0 ? h : 1, w > 0 ? w : 1, &resized);
    if (status != TN_OK) return status;
    tn_image_free(image);
    *image = resized;
    return TN_OK;
}

static tn_status render(const tn_image *frame, const tn_ddti_settings *settings,
                        const tn_ddti_sample *sample, const tn_ddti_output *output, tn_image *out) {
    if (output->copy == 0) return cut(frame, settings, sample, out);
    if (settings->crop == TN_DDTI_CROP_NODULE)
        return warp_nodule(frame, settings->margin, &sample->box, output, out);
    tn_image whole = {0};
    TN_TRY(cut(frame, settings, sample, &whole));
    tn_status status =
        warp(&whole, (whole.w - 1) / 2.0, (whole.h - 1) / 2.0, whole.w, whole.h, output, out);
    tn_image_free(&whole);
    return status;
}

tn_status tn_ddti_render(const tn_image *frame, const tn_ddti_settings *settings,
                         const tn_ddti_sample *sample, const tn_ddti_output *output,
                         tn_image *out) {
    *out = (tn_image){0};
    tn_status status = render(frame, settings, sample, output, out);
    if (status == TN_OK) status = resize_to(out, settings->size);
    if (status != TN_OK) tn_image_free(out);
    return status;
}

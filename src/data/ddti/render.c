/* From a frame to what is written: cut, turned, scaled, mirrored. */
#include "src/data/ddti/convert.h"
#include "src/data/sector.h"

#include <math.h>

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

/* A turned nodule is cut from the whole picture, so that its corners show what is there. */
static tn_status warp_nodule(const tn_image *frame, double margin, const tn_ddti_box *box,
                             const tn_ddti_output *output, tn_image *out) {
    int longer = box->w > box->h ? box->w : box->h;
    int side = (int)lround(longer * (1 + 2 * margin));
    tn_image picture = {0};
    TN_TRY(tn_sector_only(frame, box->x, box->y, box->w, box->h, &picture));
    double cx = move_inside(box->x + (box->w - 1) / 2.0, side, frame->w);
    double cy = move_inside(box->y + (box->h - 1) / 2.0, side, frame->h);
    tn_status status = warp(&picture, cx, cy, side, side, output, out);
    tn_image_free(&picture);
    return status;
}

static tn_status cut(const tn_image *frame, const tn_ddti_settings *settings,
                     const tn_ddti_sample *sample, tn_image *out) {
    const tn_ddti_box *box = &sample->box;
    switch (settings->crop) {
    case TN_DDTI_CROP_NODULE:
        return tn_crop_nodule(frame, box->x, box->y, box->w, box->h, settings->margin, out);
    case TN_DDTI_CROP_FRAME:
        return tn_crop_sector(frame, out);
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

#include "src/data/preprocess.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Where a span of `side` centred on `centre` starts: inside 0..length when it fits, around it when
 * it does not. */
static int place(double centre, int side, int length) {
    int start = (int)lround(centre - side / 2.0), slack = length - side;
    int lo = slack < 0 ? slack : 0, hi = slack > 0 ? slack : 0;
    return start < lo ? lo : start > hi ? hi : start;
}

tn_status tn_crop_square_place(int frame_w, int frame_h, double x, double y, double w, double h,
                               double margin, int *left, int *top, int *side) {
    if (!isfinite(x) || !isfinite(y) || !(w > 0) || !(h > 0) || !isfinite(w) || !isfinite(h))
        return tn_fail("region %g,%g,%g,%g: x, y and a width and height above 0 expected", x, y, w,
                       h);
    if (!(margin >= 0 && margin <= 10)) return tn_fail("crop margin %g: 0 to 10 expected", margin);
    if (x >= frame_w || y >= frame_h || x + w <= 0 || y + h <= 0)
        return tn_fail("region %g,%g,%g,%g lies outside the image of %d x %d", x, y, w, h, frame_w,
                       frame_h);
    double n = round(fmax(w, h) * (1 + 2 * margin));
    if (n > TN_IMAGE_MAX_SIDE)
        return tn_fail("region %g,%g,%g,%g with margin %g is %g pixels wide; at most %d are cut", x,
                       y, w, h, margin, n, TN_IMAGE_MAX_SIDE);
    *side = n < 1 ? 1 : (int)n;
    *left = place(x + w / 2, *side, frame_w);
    *top = place(y + h / 2, *side, frame_h);
    return TN_OK;
}

tn_status tn_crop_square(const tn_image *frame, double x, double y, double w, double h,
                         double margin, tn_image *out) {
    int left = 0, top = 0, side = 0;
    *out = (tn_image){0};
    TN_TRY(tn_crop_square_place(frame->w, frame->h, x, y, w, h, margin, &left, &top, &side));
    return tn_image_crop(frame, left, top, side, side, out);
}

tn_status tn_input_format_create(const tn_preprocess *preprocess, int h, int w, int c,
                                 tn_input_format *out) {
    if (h < 1 || w < 1 || h > TN_IMAGE_MAX_SIDE || w > TN_IMAGE_MAX_SIDE)
        return tn_fail("net input of %d x %d: each side must be 1 to %d", w, h, TN_IMAGE_MAX_SIDE);
    if (c != 1 && c != 3)
        return tn_fail("net input of %d channels: 1 (grey) or 3 (RGB) images can be read", c);
    tn_preprocess p = preprocess ? *preprocess : tn_preprocess_default();
    if (p.channels && p.channels != c)
        return tn_fail("the data's channels=%d, but the net reads %d", p.channels, c);
    *out = (tn_input_format){.h = h, .w = w, .c = c};
    for (int i = 0; i < 3; i++) {
        out->mean[i] = p.input_mean[i];
        out->std[i] = p.input_std[i];
    }
    return TN_OK;
}

/* Truncated as Darknet does, but never to nothing. */
static int scaled(int side, int to, int from) {
    int64_t n = (int64_t)side * to / from;
    return n < 1 ? 1 : n > INT_MAX ? INT_MAX : (int)n;
}

tn_status tn_image_resize_shorter(const tn_image *image, int side, tn_image *out) {
    if (image->w < image->h)
        return tn_image_resize(image, scaled(image->h, side, image->w), side, out);
    return tn_image_resize(image, side, scaled(image->w, side, image->h), out);
}

static tn_status fit_centre(const tn_image *image, int h, int w, tn_image *out) {
    tn_image resized;
    TN_TRY(tn_image_resize_shorter(image, w, &resized));
    tn_status status = tn_image_crop(&resized, (resized.w - w) / 2, (resized.h - h) / 2, w, h, out);
    tn_image_free(&resized);
    return status;
}

tn_status tn_image_fit(const tn_image *image, tn_fit fit, int h, int w, tn_image *out) {
    *out = (tn_image){0};
    if (image->h == h && image->w == w) return tn_image_copy(image, out);
    switch (fit) {
    case TN_FIT_CENTRE:
        return fit_centre(image, h, w, out);
    case TN_FIT_SQUASH:
        return tn_image_resize(image, h, w, out);
    case TN_FIT_LETTERBOX:
        break;
    }
    if ((int64_t)w * image->h < (int64_t)h * image->w)
        return tn_image_resize(image, scaled(image->h, w, image->w), w, out);
    return tn_image_resize(image, h, scaled(image->w, h, image->h), out);
}

void tn_input_table(const tn_input_format *format, float table[3][256]) {
    for (int ch = 0; ch < 3; ch++)
        for (int v = 0; v < 256; v++)
            table[ch][v] = ((float)v / 255.0f - format->mean[ch]) / format->std[ch];
}

/* With as many channels as the format's; to be freed. */
static tn_status with_channels(const tn_image *image, const tn_input_format *format,
                               tn_image *out) {
    TN_TRY(tn_image_copy(image, out));
    const tn_status status = tn_image_set_channels(out, format->c);
    if (status != TN_OK) tn_image_free(out);
    return status;
}

tn_status tn_image_to_bytes(const tn_image *image, const tn_input_format *format, uint8_t *out) {
    if (image->h != format->h || image->w != format->w)
        return tn_fail("image of %d x %d for a net input of %d x %d", image->w, image->h, format->w,
                       format->h);
    const size_t bytes = (size_t)format->h * (size_t)format->w * (size_t)format->c;
    tn_image other = {0};
    if (image->c != format->c) TN_TRY(with_channels(image, format, &other));
    memcpy(out, other.data ? other.data : image->data, bytes);
    tn_image_free(&other);
    return TN_OK;
}

tn_status tn_image_to_input(const tn_image *image, const tn_input_format *format, float *out) {
    if (image->h > format->h || image->w > format->w)
        return tn_fail("image of %d x %d for a net input of %d x %d", image->w, image->h, format->w,
                       format->h);
    if (image->c != format->c) {
        tn_image other;
        TN_TRY(with_channels(image, format, &other));
        const tn_status status = tn_image_to_input(&other, format, out);
        tn_image_free(&other);
        return status;
    }
    float table[3][256];
    tn_input_table(format, table);
    const int c = format->c, left = (format->w - image->w) / 2, top = (format->h - image->h) / 2;
    for (int y = 0; y < format->h; y++)
        for (int x = 0; x < format->w; x++) {
            int sy = y - top, sx = x - left;
            bool inside = sy >= 0 && sy < image->h && sx >= 0 && sx < image->w;
            size_t from = inside ? ((size_t)sy * image->w + sx) * c : 0;
            for (int ch = 0; ch < c; ch++)
                *out++ = inside ? table[ch][image->data[from + ch]]
                                : (0.5f - format->mean[ch]) / format->std[ch];
        }
    return TN_OK;
}

tn_status tn_image_fit_to_input(const tn_image *image, tn_fit fit, const tn_input_format *format,
                                float *out) {
    tn_image fitted;
    TN_TRY(tn_image_fit(image, fit, format->h, format->w, &fitted));
    tn_status status = tn_image_to_input(&fitted, format, out);
    tn_image_free(&fitted);
    return status;
}

tn_status tn_image_view_to_input(const tn_image *image, int view, const tn_input_format *format,
                                 float *out) {
    enum { SHIFT = 32 };
    /* Corners, then the centre, as parts of SHIFT. */
    static const int x[] = {0, SHIFT, 0, SHIFT, SHIFT / 2}, y[] = {0, 0, SHIFT, SHIFT, SHIFT / 2};
    if (view < 0 || view >= TN_VIEWS) return tn_fail("view %d of %d", view, TN_VIEWS);
    tn_image large, window = {0};
    TN_TRY(tn_image_fit(image, TN_FIT_CENTRE, format->h + SHIFT, format->w + SHIFT, &large));
    tn_status status =
        tn_image_crop(&large, x[view % 5], y[view % 5], format->w, format->h, &window);
    if (status == TN_OK && view >= 5) tn_image_flip(&window);
    if (status == TN_OK) status = tn_image_to_input(&window, format, out);
    tn_image_free(&window);
    tn_image_free(&large);
    return status;
}

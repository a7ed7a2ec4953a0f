#include "src/data/preprocess.h"

#include <math.h>

/* Where a span of `side` centred on `centre` starts: inside 0..length when it fits, around it when
 * it does not. */
static int place(double centre, int side, int length) {
    int start = (int)lround(centre - side / 2.0), slack = length - side;
    int lo = slack < 0 ? slack : 0, hi = slack > 0 ? slack : 0;
    return start < lo ? lo : start > hi ? hi : start;
}

tn_status tn_crop_square(const tn_image *frame, double x, double y, double w, double h,
                         double margin, tn_image *out) {
    *out = (tn_image){0};
    if (!isfinite(x) || !isfinite(y) || !(w > 0) || !(h > 0) || !isfinite(w) || !isfinite(h))
        return tn_fail("region %g,%g,%g,%g: x, y and a width and height above 0 expected", x, y, w,
                       h);
    if (!(margin >= 0 && margin <= 10)) return tn_fail("crop margin %g: 0 to 10 expected", margin);
    if (x >= frame->w || y >= frame->h || x + w <= 0 || y + h <= 0)
        return tn_fail("region %g,%g,%g,%g lies outside the image of %d x %d", x, y, w, h, frame->w,
                       frame->h);
    double side = round(fmax(w, h) * (1 + 2 * margin));
    if (side > TN_IMAGE_MAX_SIDE)
        return tn_fail("region %g,%g,%g,%g with margin %g is %g pixels wide; at most %d are cut", x,
                       y, w, h, margin, side, TN_IMAGE_MAX_SIDE);
    int n = side < 1 ? 1 : (int)side;
    return tn_image_crop(frame, place(x + w / 2, n, frame->w), place(y + h / 2, n, frame->h), n, n,
                         out);
}

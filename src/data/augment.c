#include "src/data/augment.h"

#include <math.h>
#include <string.h>

tn_augment tn_augment_none(int w) {
    return (tn_augment){.min_crop = w, .max_crop = w, .aspect = 1, .saturation = 1, .exposure = 1};
}

static tn_status check_range(const char *key, double value, double lo, double hi) {
    if (value >= lo && value <= hi) return TN_OK; /* false for NaN */
    return tn_fail("%s=%g: %g to %g expected", key, value, lo, hi);
}

tn_status tn_augment_check(const tn_augment *a) {
    TN_TRY(check_range("min_crop", a->min_crop, 1, TN_IMAGE_MAX_SIDE));
    TN_TRY(check_range("max_crop", a->max_crop, 1, TN_IMAGE_MAX_SIDE));
    if (a->min_crop > a->max_crop)
        return tn_fail("min_crop=%d is more than max_crop=%d", a->min_crop, a->max_crop);
    TN_TRY(check_range("angle", a->angle, 0, 180));
    TN_TRY(check_range("hue", a->hue, 0, 1));
    /* 0 stands for 1, and a half for two, as in Darknet. */
    TN_TRY(check_range("aspect", a->aspect, 0, 10));
    TN_TRY(check_range("saturation", a->saturation, 0, 100));
    TN_TRY(check_range("exposure", a->exposure, 0, 100));
    return check_range("label_smooth_eps", a->label_smooth_eps, 0, 0.999);
}

/* A factor from 1/most to most: uniform above 1, and turned over half of the time. Two draws. */
static float draw_factor(tn_rng *rng, float most) {
    if (most == 0) most = 1;
    if (most < 1) most = 1 / most;
    float factor = tn_rng_uniform(rng, 1, most);
    return tn_rng_u32(rng) & 1 ? 1 / factor : factor;
}

tn_augment_draw tn_augment_draw_for(const tn_augment *a, int image_h, int image_w, int h, int w,
                                    tn_rng *rng) {
    tn_augment_draw d;
    d.aspect = draw_factor(rng, a->aspect);
    int crop = a->min_crop + (int)tn_rng_below(rng, (uint32_t)(a->max_crop - a->min_crop) + 1);
    double shorter = floor(fmin(image_h, image_w * d.aspect));
    d.scale = crop / fmax(shorter, 1);
    const double degrees = 3.14159265358979323846 / 180;
    d.angle = tn_rng_uniform(rng, -a->angle, a->angle) * degrees;
    double room_x = fmax(0, (image_w * d.scale / d.aspect - w) / 2);
    double room_y = fmax(0, (image_h * d.scale - h) / 2);
    d.dx = room_x * tn_rng_uniform(rng, -1, 1);
    d.dy = room_y * tn_rng_uniform(rng, -1, 1);
    d.flip = (tn_rng_u32(rng) & 1) && a->flip;
    d.hue = tn_rng_uniform(rng, -a->hue, a->hue);
    d.saturation = draw_factor(rng, a->saturation);
    d.exposure = draw_factor(rng, a->exposure);
    return d;
}

/* --- geometry -------------------------------------------------------------------------------- */

/* Image coordinates (of pixel corners) as an affine function of output pixel (x, y). */
typedef struct affine {
    double x0, y0;     /* where the centre of output pixel (0, 0) lies */
    double x_dx, y_dx; /* step of one output column */
    double x_dy, y_dy; /* step of one output row */
} affine;

/* Offsets from the window's centre are undone in the order shift, scale, turn, and added to the
 * image's centre. The window is h x w: Darknet cuts a square of the longer side and squeezes it, so
 * that nets that are not square train on other shapes than they validate on. */
static affine inverse_map(const tn_image *image, const tn_augment_draw *d, int h, int w) {
    double cosine = cos(d->angle), sine = sin(d->angle);
    double across = d->aspect / d->scale, down = 1 / d->scale;
    affine m = {.x_dx = cosine * across,
                .y_dx = sine * across,
                .x_dy = -sine * down,
                .y_dy = cosine * down};
    double u = (0.5 - w / 2.0 + d->dx) * across;
    double v = (0.5 - h / 2.0 + d->dy) * down;
    m.x0 = image->w / 2.0 + cosine * u - sine * v;
    m.y0 = image->h / 2.0 + sine * u + cosine * v;
    if (d->flip) {
        m.x0 += (w - 1) * m.x_dx;
        m.y0 += (w - 1) * m.y_dx;
        m.x_dx = -m.x_dx;
        m.y_dx = -m.y_dx;
    }
    return m;
}

static const uint8_t black[3];

static const uint8_t *pixel_at(const tn_image *image, int x, int y, tn_border border) {
    if (border == TN_BORDER_BLACK) {
        if (x < 0 || y < 0 || x >= image->w || y >= image->h) return black;
    } else {
        x = x < 0 ? 0 : x >= image->w ? image->w - 1 : x;
        y = y < 0 ? 0 : y >= image->h ? image->h - 1 : y;
    }
    return image->data + ((size_t)y * (size_t)image->w + (size_t)x) * (size_t)image->c;
}

static inline float blend(float a, float b, float c, float d, float fx, float fy) {
    float top = a + fx * (b - a), bottom = c + fx * (d - c);
    return top + fy * (bottom - top);
}

/* One row of samples, values 0..255. (x, y) is the place of the first, in pixel centres. */
static inline void sample_row(const tn_image *image, double x, double y, const affine *m, int w,
                              int channels, tn_border border, float *out) {
    const int last_x = image->w - 2, last_y = image->h - 2;
    const size_t stride = (size_t)image->w * (size_t)channels;
    const float dx = (float)m->x_dx, dy = (float)m->y_dx;
    /* Whole part kept apart: the rest is small, so float steps lose nothing that is seen. */
    const int base_x = (int)floor(x), base_y = (int)floor(y);
    const float rest_x = (float)(x - base_x), rest_y = (float)(y - base_y);
    for (int j = 0; j < w; j++, out += channels) {
        float px = rest_x + (float)j * dx, py = rest_y + (float)j * dy;
        int ix = (int)px, iy = (int)py;
        ix -= px < (float)ix;
        iy -= py < (float)iy;
        float fx = px - (float)ix, fy = py - (float)iy;
        ix += base_x;
        iy += base_y;
        const uint8_t *a, *b, *c, *d;
        if (ix >= 0 && iy >= 0 && ix <= last_x && iy <= last_y) {
            a = image->data + (size_t)iy * stride + (size_t)ix * (size_t)channels;
            b = a + channels;
            c = a + stride;
            d = c + channels;
        } else {
            a = pixel_at(image, ix, iy, border);
            b = pixel_at(image, ix + 1, iy, border);
            c = pixel_at(image, ix, iy + 1, border);
            d = pixel_at(image, ix + 1, iy + 1, border);
        }
        for (int ch = 0; ch < channels; ch++) out[ch] = blend(a[ch], b[ch], c[ch], d[ch], fx, fy);
    }
}

/* --- colour ---------------------------------------------------------------------------------- */

static float clamp01(float v) {
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

/* Hue, saturation and value of the hexcone (Smith 1978): hue in sixths of the circle. */
static void jitter_rgb(float *p, float hue, float saturation, float exposure) {
    float r = p[0], g = p[1], b = p[2];
    float most = fmaxf(r, fmaxf(g, b)), least = fminf(r, fminf(g, b)), chroma = most - least;
    float h = 0, s = most > 0 ? chroma / most : 0;
    if (chroma > 0) {
        if (most == r)
            h = (g - b) / chroma;
        else if (most == g)
            h = 2 + (b - r) / chroma;
        else
            h = 4 + (r - g) / chroma;
    }
    h += 6 * hue;
    h -= 6 * floorf(h / 6);
    s = clamp01(s * saturation);
    float v = clamp01(most * exposure);
    int sector = (int)h;
    float f = h - (float)sector;
    float low = v * (1 - s), falling = v * (1 - f * s), rising = v * (1 - (1 - f) * s);
    switch (sector) {
    case 1:
        p[0] = falling, p[1] = v, p[2] = low;
        break;
    case 2:
        p[0] = low, p[1] = v, p[2] = rising;
        break;
    case 3:
        p[0] = low, p[1] = falling, p[2] = v;
        break;
    case 4:
        p[0] = rising, p[1] = low, p[2] = v;
        break;
    case 5:
        p[0] = v, p[1] = low, p[2] = falling;
        break;
    default:
        p[0] = v, p[1] = rising, p[2] = low;
        break; /* 0, and 6 by rounding */
    }
}

/* A row of values 0..255 becomes changed values 0..1. */
static void jitter_row(float *row, int w, int c, const tn_augment_draw *d) {
    for (int i = 0; i < w * c; i++) row[i] *= 1 / 255.0f;
    if (c == 1)
        for (int j = 0; j < w; j++) row[j] = clamp01(row[j] * d->exposure);
    else
        for (int j = 0; j < w; j++) jitter_rgb(row + 3 * j, d->hue, d->saturation, d->exposure);
}

/* Values in 0..1 (unit = 1) or 0..255 (unit = 1/255) become the net's numbers. */
static void normalise_row(float *row, int w, float unit, const tn_input_format *format) {
    const float *mean = format->mean;
    const float factor[3] = {1 / format->std[0], 1 / format->std[1], 1 / format->std[2]};
    if (format->c == 1) {
        for (int j = 0; j < w; j++) row[j] = (row[j] * unit - mean[0]) * factor[0];
        return;
    }
    for (int j = 0; j < w; j++)
        for (int ch = 0; ch < 3; ch++)
            row[3 * j + ch] = (row[3 * j + ch] * unit - mean[ch]) * factor[ch];
}

tn_status tn_augment_apply(const tn_image *image, const tn_augment_draw *draw, tn_border border,
                           const tn_input_format *format, float *out) {
    const int h = format->h, w = format->w, c = format->c;
    if (image->c != c) return tn_fail("image of %d channels for a net of %d", image->c, c);
    affine m = inverse_map(image, draw, h, w);
    const double reach = 1e6; /* int arithmetic on coordinates stays far from overflow */
    if (!(fabs(m.x0) + w * fabs(m.x_dx) + h * fabs(m.x_dy) < reach) ||
        !(fabs(m.y0) + w * fabs(m.y_dx) + h * fabs(m.y_dy) < reach))
        return tn_fail("augmentation scales an image of %d x %d by %g", image->w, image->h,
                       draw->scale);
    bool jitter = draw->hue != 0 || draw->saturation != 1 || draw->exposure != 1;
    for (int y = 0; y < h; y++, out += (size_t)w * c) {
        double px = m.x0 + y * m.x_dy - 0.5, py = m.y0 + y * m.y_dy - 0.5;
        if (c == 1)
            sample_row(image, px, py, &m, w, 1, border, out);
        else
            sample_row(image, px, py, &m, w, 3, border, out);
        if (jitter) jitter_row(out, w, c, draw);
        normalise_row(out, w, jitter ? 1.0f : 1 / 255.0f, format);
    }
    return TN_OK;
}

/* --- truth and mixing ----------------------------------------------------------------------------
 */

void tn_truth_fill(int label, int classes, float eps, float *truth) {
    float others = label >= 0 && classes > 1 ? eps / (float)(classes - 1) : 0;
    for (int i = 0; i < classes; i++) truth[i] = others;
    if (label >= 0 && label < classes) truth[label] = classes > 1 ? 1 - eps : 1;
}

/* From 30 to 80 percent of a side, somewhere along it. */
static void draw_span(tn_rng *rng, int side, int *from, int *length) {
    int least = side * 3 / 10, most = side * 8 / 10;
    if (least < 1) least = 1;
    if (most < least) most = least;
    *length = least + (int)tn_rng_below(rng, (uint32_t)(most - least) + 1);
    *from = (int)tn_rng_below(rng, (uint32_t)(side - *length) + 1);
}

tn_mix tn_mix_draw(const tn_augment *a, uint32_t n, int h, int w, tn_rng *rng) {
    tn_mix mix = {.kind = TN_MIX_NONE};
    if (!a->mixup && !a->cutmix) return mix;
    bool mixed = tn_rng_u32(rng) & 1, paste = tn_rng_u32(rng) & 1;
    if (!mixed) return mix;
    mix.partner = tn_rng_below(rng, n);
    if (a->mixup && a->cutmix)
        mix.kind = paste ? TN_MIX_PASTE : TN_MIX_MEAN;
    else
        mix.kind = a->cutmix ? TN_MIX_PASTE : TN_MIX_MEAN;
    if (mix.kind == TN_MIX_PASTE) {
        draw_span(rng, w, &mix.x, &mix.w);
        draw_span(rng, h, &mix.y, &mix.h);
    }
    return mix;
}

void tn_mix_apply(const tn_mix *mix, int h, int w, int c, int classes, const float *other,
                  const float *other_truth, float *x, float *truth) {
    float part = 0;
    if (mix->kind == TN_MIX_MEAN) {
        part = 0.5f;
        for (size_t i = 0; i < (size_t)h * (size_t)w * (size_t)c; i++)
            x[i] = 0.5f * (x[i] + other[i]);
    } else if (mix->kind == TN_MIX_PASTE) {
        part = (float)((double)mix->w * mix->h / ((double)w * h));
        for (int y = mix->y; y < mix->y + mix->h; y++) {
            size_t at = ((size_t)y * (size_t)w + (size_t)mix->x) * (size_t)c;
            memcpy(x + at, other + at, sizeof *x * (size_t)mix->w * (size_t)c);
        }
    }
    for (int i = 0; i < classes; i++) truth[i] += part * (other_truth[i] - truth[i]);
}

/* Cutting, resizing, turning: the same arithmetic in builds with and without OpenCV. */
#include "src/data/image.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int clamp(int v, int lo, int hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

tn_status tn_image_crop(const tn_image *image, int x, int y, int w, int h, tn_image *out) {
    /* Offsets beyond every image are clipped: there the border alone is seen, and x + w cannot
     * overflow. */
    x = clamp(x, -2 * TN_IMAGE_MAX_SIDE, 2 * TN_IMAGE_MAX_SIDE);
    y = clamp(y, -2 * TN_IMAGE_MAX_SIDE, 2 * TN_IMAGE_MAX_SIDE);
    TN_TRY(tn_image_create(h, w, image->c, out));
    size_t c = (size_t)image->c, stride = c * (size_t)image->w;
    int inside_from = clamp(-x, 0, w), inside_to = clamp(image->w - x, inside_from, w);
    for (int i = 0; i < h; i++) {
        const uint8_t *row = image->data + stride * (size_t)clamp(y + i, 0, image->h - 1);
        uint8_t *to = out->data + c * (size_t)w * (size_t)i;
        for (int j = 0; j < inside_from; j++)
            memcpy(to + c * (size_t)j, row + c * (size_t)clamp(x + j, 0, image->w - 1), c);
        if (inside_to > inside_from)
            memcpy(to + c * (size_t)inside_from, row + c * (size_t)(x + inside_from),
                   c * (size_t)(inside_to - inside_from));
        for (int j = inside_to; j < w; j++)
            memcpy(to + c * (size_t)j, row + c * (size_t)clamp(x + j, 0, image->w - 1), c);
    }
    return TN_OK;
}

/* --- resize: separable; output i is the weighted sum of `count` inputs from `first` on ----------
 */

typedef struct taps {
    int count;      /* weights an output has room for */
    int *first;     /* [n_out] */
    float *weights; /* [n_out][count] */
} taps;

static void taps_free(taps *t) {
    free(t->first);
    free(t->weights);
}

/* How much of input pixel j output i covers. */
static void area_weights(int n_in, int n_out, int i, int first, int count, float *weights) {
    double scale = (double)n_in / n_out, from = i * scale, to = (i + 1) * scale;
    for (int k = 0; k < count; k++) {
        double lo = first + k, hi = lo + 1;
        if (lo < from) lo = from;
        if (hi > to) hi = to;
        weights[k] = hi > lo && first + k < n_in ? (float)((hi - lo) / scale) : 0.0f;
    }
}

static tn_status taps_create(int n_in, int n_out, taps *t) {
    t->count = n_in > n_out ? n_in / n_out + 2 : n_in > 1 ? 2 : 1;
    if (t->count > n_in) t->count = n_in;
    t->first = malloc(sizeof *t->first * (size_t)n_out);
    t->weights = calloc((size_t)n_out * (size_t)t->count, sizeof *t->weights);
    if (!t->first || !t->weights) return tn_fail("no memory to resize an image");
    for (int i = 0; i < n_out; i++) {
        float *weights = t->weights + (size_t)i * (size_t)t->count;
        if (n_in > n_out) {
            t->first[i] = clamp((int)((double)i * n_in / n_out), 0, n_in - t->count);
            area_weights(n_in, n_out, i, t->first[i], t->count, weights);
        } else {
            double centre = (i + 0.5) * n_in / n_out - 0.5;
            if (centre < 0) centre = 0;
            if (centre > n_in - 1) centre = n_in - 1;
            t->first[i] = clamp((int)centre, 0, n_in - t->count);
            double fraction = centre - t->first[i];
            weights[0] = (float)(1 - fraction);
            if (t->count > 1) weights[1] = (float)fraction;
        }
    }
    return TN_OK;
}

static void resize_row(const uint8_t *row, int c, const taps *across, int w, float *out) {
    for (int j = 0; j < w; j++) {
        const float *weights = across->weights + (size_t)j * (size_t)across->count;
        const uint8_t *p = row + (size_t)across->first[j] * (size_t)c;
        for (int ch = 0; ch < c; ch++) {
            float sum = 0;
            for (int k = 0; k < across->count; k++) sum += weights[k] * p[(size_t)k * c + ch];
            out[(size_t)j * c + ch] = sum;
        }
    }
}

/* `rows` keeps the inputs' rows resized across, in a ring of down->count: each is made once. */
static void resize_into(const tn_image *image, const taps *across, const taps *down, float *rows,
                        float *sum, tn_image *out) {
    size_t n = (size_t)out->w * (size_t)out->c;
    int made = 0;
    for (int i = 0; i < out->h; i++) {
        int first = down->first[i], end = first + down->count;
        if (made < first) made = first;
        for (; made < end; made++)
            resize_row(image->data + (size_t)made * (size_t)image->w * (size_t)image->c, image->c,
                       across, out->w, rows + n * (size_t)(made % down->count));
        for (size_t j = 0; j < n; j++) sum[j] = 0.5f; /* rounds to nearest below */
        for (int k = 0; k < down->count; k++) {
            float weight = down->weights[(size_t)i * (size_t)down->count + (size_t)k];
            const float *row = rows + n * (size_t)((first + k) % down->count);
            if (weight != 0)
                for (size_t j = 0; j < n; j++) sum[j] += weight * row[j];
        }
        uint8_t *to = out->data + n * (size_t)i;
        for (size_t j = 0; j < n; j++) to[j] = (uint8_t)(sum[j] < 255.0f ? sum[j] : 255.0f);
    }
}

tn_status tn_image_resize(const tn_image *image, int h, int w, tn_image *out) {
    if (image->h == h && image->w == w) return tn_image_copy(image, out);
    TN_TRY(tn_image_create(h, w, image->c, out));
    taps across = {0}, down = {0};
    float *rows = NULL;
    tn_status status = taps_create(image->w, w, &across);
    if (status == TN_OK) status = taps_create(image->h, h, &down);
    if (status == TN_OK) {
        size_t n = (size_t)w * (size_t)image->c;
        rows = malloc(sizeof *rows * n * ((size_t)down.count + 1));
        if (rows)
            resize_into(image, &across, &down, rows, rows + n * (size_t)down.count, out);
        else
            status = tn_fail("no memory to resize an image");
    }
    free(rows);
    taps_free(&across);
    taps_free(&down);
    if (status != TN_OK) tn_image_free(out);
    return status;
}

/* --- turning and channels -----------------------------------------------------------------------
 */

void tn_image_flip(tn_image *image) {
    for (int y = 0; y < image->h; y++) {
        uint8_t *row = image->data + (size_t)y * (size_t)image->w * (size_t)image->c;
        for (int a = 0, b = image->w - 1; a < b; a++, b--)
            for (int ch = 0; ch < image->c; ch++) {
                uint8_t *left = row + (size_t)a * image->c + ch;
                uint8_t *right = row + (size_t)b * image->c + ch;
                uint8_t kept = *left;
                *left = *right;
                *right = kept;
            }
    }
}

/* Orientations 5 to 8 swap rows and columns; the others mirror one side, the other, or both. */
tn_status tn_image_orient(tn_image *image, int orientation) {
    if (orientation < 1 || orientation > 8)
        return tn_fail("EXIF orientation %d: 1 to 8 expected", orientation);
    if (orientation == 1) return TN_OK;
    bool swap = orientation >= 5;
    bool flip_row = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool flip_column = orientation == 2 || orientation == 3 || orientation >= 7;
    tn_image upright;
    TN_TRY(tn_image_create(swap ? image->w : image->h, swap ? image->h : image->w, image->c,
                           &upright));
    size_t c = (size_t)image->c;
    for (int y = 0; y < upright.h; y++)
        for (int x = 0; x < upright.w; x++) {
            int row = swap ? x : y, column = swap ? y : x;
            if (flip_row) row = image->h - 1 - row;
            if (flip_column) column = image->w - 1 - column;
            memcpy(upright.data + c * ((size_t)y * (size_t)upright.w + (size_t)x),
                   image->data + c * ((size_t)row * (size_t)image->w + (size_t)column), c);
        }
    tn_image_free(image);
    *image = upright;
    return TN_OK;
}

tn_status tn_image_set_channels(tn_image *image, int channels) {
    if (channels != 1 && channels != 3)
        return tn_fail("asked for %d channels, 1 or 3 expected", channels);
    if (image->c == channels) return TN_OK;
    tn_image out;
    TN_TRY(tn_image_create(image->h, image->w, channels, &out));
    size_t pixels = (size_t)image->h * (size_t)image->w;
    for (size_t i = 0; i < pixels; i++) {
        if (channels == 1) {
            const uint8_t *p = image->data + 3 * i;
            /* 0.299 R + 0.587 G + 0.114 B in 256ths, which add up to 256. */
            out.data[i] = (uint8_t)((77 * p[0] + 150 * p[1] + 29 * p[2] + 128) >> 8);
        } else {
            memset(out.data + 3 * i, image->data[i], 3);
        }
    }
    tn_image_free(image);
    *image = out;
    return TN_OK;
}

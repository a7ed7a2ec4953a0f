#include "src/data/image.h"

#include "src/data/image_backend.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"none", "median", "nlm", "srad"};

tn_status tn_denoise_parse(const char *text, tn_denoise *out) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            *out = (tn_denoise)i;
            return TN_OK;
        }
    return tn_fail("denoise '%s': none, median, nlm or srad expected", text);
}

const char *tn_denoise_name(tn_denoise kind) {
    return names[kind];
}

/* --- speckle-reducing anisotropic diffusion -----------------------------------------------------
 *
 * Yu and Acton, "Speckle reducing anisotropic diffusion", IEEE Trans. Image Processing 11(11),
 * 2002. The equation is for intensities with multiplicative speckle; a displayed ultrasound image
 * is compressed by a logarithm, so it is undone first and applied again after. */

enum { SRAD_STEPS = 30, SRAD_TILE = 16 };
static const float SRAD_TIME_STEP = 0.2f; /* stable up to 1/4 on a grid of four neighbours */

typedef struct plane {
    int h, w;
    float *value, *coefficient, *change;
    float *spread; /* coefficient of variation of each tile, sorted */
    size_t tiles;
} plane;

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Standard deviation over mean of a tile: two passes, the values are near 1 and close together. */
static float tile_spread(const plane *p, int y0, int x0, int h, int w) {
    double mean = 0, variance = 0;
    for (int y = y0; y < y0 + h; y++)
        for (int x = x0; x < x0 + w; x++) mean += p->value[(size_t)y * p->w + x];
    mean /= h * w;
    for (int y = y0; y < y0 + h; y++)
        for (int x = x0; x < x0 + w; x++) {
            double d = p->value[(size_t)y * p->w + x] - mean;
            variance += d * d;
        }
    return (float)(sqrt(variance / (h * w)) / mean);
}

/* The speckle scale q0 of a step: how much even tissue varies now. The paper has a user mark an
 * even region; here it is the lower quartile over tiles, of those that vary at all (black
 * surroundings and burned-in frames do not). 0 when nothing varies. */
static float speckle_scale(const plane *p) {
    size_t n = 0;
    for (int y = 0; y < p->h; y += SRAD_TILE)
        for (int x = 0; x < p->w; x += SRAD_TILE) {
            int h = p->h - y < SRAD_TILE ? p->h - y : SRAD_TILE;
            int w = p->w - x < SRAD_TILE ? p->w - x : SRAD_TILE;
            float q = tile_spread(p, y, x, h, w);
            if (q > 1e-4f) p->spread[n++] = q;
        }
    if (n == 0) return 0;
    qsort(p->spread, n, sizeof *p->spread, compare_floats);
    return p->spread[n / 4];
}

/* The four neighbours of a pixel, the border repeated. */
typedef struct neighbours {
    float north, south, west, east;
} neighbours;

static neighbours around(const float *field, int h, int w, int y, int x) {
    const float *row = field + (size_t)y * w;
    return (neighbours){.north = y > 0 ? row[x - w] : row[x],
                        .south = y < h - 1 ? row[x + w] : row[x],
                        .west = x > 0 ? row[x - 1] : row[x],
                        .east = x < w - 1 ? row[x + 1] : row[x]};
}

/* Diffusion coefficient from the instantaneous coefficient of variation q (equations 33 and 35). */
static void diffusion_coefficients(const plane *p, float q0) {
    float q0_squared = q0 * q0;
    for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++) {
            size_t i = (size_t)y * p->w + x;
            float v = p->value[i];
            neighbours n = around(p->value, p->h, p->w, y, x);
            float north = n.north - v, south = n.south - v, west = n.west - v, east = n.east - v;
            float gradient = (north * north + south * south + west * west + east * east) / (v * v);
            float laplacian = (north + south + west + east) / v;
            float base = 1 + 0.25f * laplacian;
            float q_squared = (0.5f * gradient - 0.0625f * laplacian * laplacian) / (base * base);
            float c = 1 / (1 + (q_squared - q0_squared) / (q0_squared * (1 + q0_squared)));
            p->coefficient[i] = c < 0 ? 0 : c > 1 ? 1 : c;
        }
}

/* One explicit step of dI/dt = div(c grad I) (equations 56 to 60). */
static void diffuse(const plane *p) {
    for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++) {
            size_t i = (size_t)y * p->w + x;
            float v = p->value[i], c = p->coefficient[i];
            neighbours n = around(p->value, p->h, p->w, y, x);
            neighbours k = around(p->coefficient, p->h, p->w, y, x);
            p->change[i] = k.south * (n.south - v) + c * (n.north - v) + k.east * (n.east - v) +
                           c * (n.west - v);
        }
    size_t pixels = (size_t)p->h * p->w;
    for (size_t i = 0; i < pixels; i++) p->value[i] += SRAD_TIME_STEP * p->change[i];
}

static void srad_channel(tn_image *image, int channel, plane *p) {
    size_t pixels = (size_t)p->h * p->w, c = (size_t)image->c;
    for (size_t i = 0; i < pixels; i++)
        p->value[i] = expf(image->data[i * c + (size_t)channel] / 255.0f);
    for (int step = 0; step < SRAD_STEPS; step++) {
        float q0 = speckle_scale(p);
        if (q0 <= 0) break;
        diffusion_coefficients(p, q0);
        diffuse(p);
    }
    for (size_t i = 0; i < pixels; i++) {
        float v = logf(p->value[i]) * 255.0f + 0.5f;
        image->data[i * c + (size_t)channel] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static bool is_grey(const tn_image *image) {
    size_t pixels = (size_t)image->h * (size_t)image->w;
    for (size_t i = 0; i < pixels; i++) {
        const uint8_t *p = image->data + 3 * i;
        if (p[0] != p[1] || p[0] != p[2]) return false;
    }
    return true;
}

static tn_status srad(tn_image *image) {
    size_t pixels = (size_t)image->h * (size_t)image->w;
    size_t tiles = ((size_t)image->h / SRAD_TILE + 1) * ((size_t)image->w / SRAD_TILE + 1);
    float *memory = malloc((3 * pixels + tiles) * sizeof *memory);
    if (!memory) return tn_fail("no memory to denoise an image of %d x %d", image->w, image->h);
    plane p = {
        image->h, image->w, memory, memory + pixels, memory + 2 * pixels, memory + 3 * pixels,
        tiles};
    bool grey = image->c == 3 && is_grey(image);
    for (int ch = 0; ch < (grey ? 1 : image->c); ch++) srad_channel(image, ch, &p);
    if (grey)
        for (size_t i = 0; i < pixels; i++) memset(image->data + 3 * i, image->data[3 * i], 3);
    free(memory);
    return TN_OK;
}

tn_status tn_image_denoise(tn_image *image, tn_denoise kind) {
    switch (kind) {
    case TN_DENOISE_NONE:
        return TN_OK;
    case TN_DENOISE_MEDIAN:
        return tn_backend_median(image);
    case TN_DENOISE_NLM:
        return tn_backend_nlm(image);
    case TN_DENOISE_SRAD:
        return srad(image);
    }
    return tn_fail("denoise kind %d is unknown", (int)kind);
}

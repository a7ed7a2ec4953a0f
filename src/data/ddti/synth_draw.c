/* Pictures for the generated sample: tissue under speckle, nodules, and what a scanner adds. */
#include "layers/device/rng.h"
#include "src/data/ddti/synth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { W = TN_DDTI_WIDTH, H = TN_DDTI_HEIGHT, LEFT = 50, RIGHT = 510, TOP = 6, BOTTOM = 316 };
static const double PI = 3.14159265358979323846;

double tn_ddti_nodule_border(const tn_ddti_nodule *n, double angle) {
    static const double waves[4] = {3, 5, 8, 13}, heights[4] = {0.5, 0.6, 0.6, 0.5};
    double sum = 0;
    for (int k = 0; k < 4; k++) sum += heights[k] * sin(waves[k] * angle + n->phase[k]);
    return 1 + n->roughness * sum;
}

/* Brightness of the layers at a depth (0 top, 1 bottom) and a place across; 1 is thyroid tissue. */
static double tissue(double across, double depth, const double *phase) {
    double wave = 0.02 * sin(5 * across + phase[0]) + 0.012 * sin(11 * across + phase[1]);
    double d = depth + wave;
    if (d < 0.04) return 1.5;                                    /* skin */
    if (d < 0.13) return 0.55 + 0.25 * sin(90 * d + 3 * across); /* fat and its septa */
    if (d < 0.24) return 0.45 + 0.18 * sin(140 * d + phase[2]);  /* muscle */
    if (d < 0.26) return 1.5;                                    /* capsule */
    if (d < 0.86) return 1.0;                                    /* thyroid */
    if (d < 0.885) return 1.4;                                   /* back of the capsule */
    return 0.4;
}

static double smooth_step(double low, double high, double value) {
    double t = (value - low) / (high - low);
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return t * t * (3 - 2 * t);
}

/* Value noise: 0..1, the same at the same place, changing over about `grain` pixels. */
static double blotch(uint64_t key, double x, double y, double grain) {
    double gx = x / grain, gy = y / grain, sum = 0;
    uint32_t x0 = (uint32_t)gx, y0 = (uint32_t)gy;
    double fx = smooth_step(0, 1, gx - x0), fy = smooth_step(0, 1, gy - y0);
    for (uint32_t k = 0; k < 4; k++) {
        uint32_t counter[4] = {x0 + (k & 1), y0 + (k >> 1), 7, 0}, words[4];
        tn_philox(key, counter, words);
        sum += (k & 1 ? fx : 1 - fx) * (k >> 1 ? fy : 1 - fy) * (double)tn_uniform01(words[0]);
    }
    return sum;
}

/* Changes the brightness plane where a nodule and its shadow lie. */
static void draw_nodule(double *plane, const tn_ddti_nodule *n, uint64_t key) {
    double reach = n->rx > n->ry ? n->rx : n->ry;
    int x0 = (int)fmax(LEFT, n->x - 1.6 * reach), x1 = (int)fmin(RIGHT, n->x + 1.6 * reach);
    int y0 = (int)fmax(TOP, n->y - 1.6 * reach);
    for (int y = y0; y < BOTTOM; y++)
        for (int x = x0; x < x1; x++) {
            double dx = (x - n->x) / n->rx, dy = (y - n->y) / n->ry;
            double *p = &plane[y * W + x];
            if (dy > 0 && fabs(dx) < 0.8 && n->shadow > 0)
                *p *= 1 - n->shadow * smooth_step(0.8, 1.3, dy) * smooth_step(0.8, 0.5, fabs(dx));
            double distance = sqrt(dx * dx + dy * dy);
            if (distance > 1.6) continue;
            double t = distance / tn_ddti_nodule_border(n, atan2(dy, dx));
            double inside = 1 - smooth_step(0.94, 1.06, t);
            double echo = n->echo * (0.85 + 0.3 * blotch(key, x, y, 9));
            if (n->cystic > 0 && blotch(key + 1, x, y, 6 + n->rx / 8) < n->cystic) echo *= 0.25;
            *p = *p * (1 - inside) + echo * inside;
            if (n->roughness < 0.05) *p *= 1 - 0.45 * exp(-pow((t - 1.05) / 0.04, 2)); /* halo */
        }
}

static void draw_specks(double *plane, const tn_ddti_nodule *n, tn_rng *rng) {
    for (int i = 0; i < n->specks; i++) {
        double angle = 2 * PI * (double)tn_rng_uniform(rng, 0, 1);
        double r = 0.75 * sqrt((double)tn_rng_uniform(rng, 0, 1));
        int x = (int)(n->x + r * n->rx * cos(angle)), y = (int)(n->y + r * n->ry * sin(angle));
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                int px = x + dx, py = y + dy;
                if (px < LEFT || px >= RIGHT || py < TOP || py >= BOTTOM) continue;
                plane[py * W + px] = dx && dy ? 1.6 : 2.6;
            }
    }
}

/* Multiplicative speckle: Rayleigh-distributed, as wide as the beam (3 pixels), mean about 1. */
static void speckle(double *plane, tn_rng *rng) {
    double row[W + 2];
    for (int y = TOP; y < BOTTOM; y++) {
        for (int x = 0; x < W + 2; x++) {
            double u = 1 - (double)tn_rng_uniform(rng, 0, 1);
            row[x] = 0.7978845608 * sqrt(-2 * log(u)); /* sqrt(2/pi): mean 1 */
        }
        for (int x = LEFT; x < RIGHT; x++) {
            double r = 0.3 * row[x] + 0.4 * row[x + 1] + 0.3 * row[x + 2];
            plane[y * W + x] *= 0.3 + 0.7 * r;
        }
    }
}

static void fill_tissue(double *plane, int panes, tn_rng *rng, uint64_t key) {
    double phase[2][3];
    for (int p = 0; p < 2; p++)
        for (int k = 0; k < 3; k++) phase[p][k] = (double)tn_rng_uniform(rng, 0, 6.28f);
    double gain = (double)tn_rng_uniform(rng, 0.9f, 1.1f);
    for (int y = TOP; y < BOTTOM; y++)
        for (int x = LEFT; x < RIGHT; x++) {
            double depth = (double)(y - TOP) / (BOTTOM - TOP);
            double across = (double)(x - LEFT) / (RIGHT - LEFT) * 3;
            int pane = panes == 2 && x >= (LEFT + RIGHT) / 2;
            double value = tissue(across, depth, phase[pane]) * (0.8 + 0.4 * blotch(key, x, y, 25));
            plane[y * W + x] = gain * value * (1.1 - 0.5 * depth); /* deeper is darker */
        }
}

/* Letters of 5x7 dots, a row a byte, for what scanners and clinics write into frames. */
static const struct {
    char letter;
    unsigned char rows[7];
} font[] = {
    {'A', {14, 17, 17, 31, 17, 17, 17}}, {'B', {30, 17, 17, 30, 17, 17, 30}},
    {'C', {14, 17, 16, 16, 16, 17, 14}}, {'D', {30, 17, 17, 17, 17, 17, 30}},
    {'E', {31, 16, 16, 30, 16, 16, 31}}, {'I', {14, 4, 4, 4, 4, 4, 14}},
    {'O', {14, 17, 17, 17, 17, 17, 14}}, {'R', {30, 17, 17, 30, 20, 18, 17}},
    {'S', {15, 16, 16, 14, 1, 1, 30}},   {'T', {31, 4, 4, 4, 4, 4, 4}},
    {'Z', {31, 1, 2, 4, 8, 16, 31}},     {'2', {14, 17, 1, 6, 8, 16, 31}},
    {'3', {30, 1, 1, 14, 1, 1, 30}},     {'4', {2, 6, 10, 18, 31, 2, 2}},
    {'5', {31, 16, 30, 1, 1, 17, 14}},
};

static void put_pixel(tn_image *image, int x, int y, int r, int g, int b) {
    uint8_t *p = image->data + ((size_t)y * W + (size_t)x) * 3;
    p[0] = (uint8_t)r;
    p[1] = (uint8_t)g;
    p[2] = (uint8_t)b;
}

static void write_text(tn_image *image, int x, int y, const char *text) {
    for (; *text && x + 6 < W; text++, x += 7)
        for (size_t f = 0; f < sizeof font / sizeof *font; f++)
            for (int row = 0; font[f].letter == *text && row < 7; row++)
                for (int column = 0; column < 5; column++)
                    if (font[f].rows[row] >> (4 - column) & 1)
                        put_pixel(image, x + column, y + row, 235, 235, 235);
}

static void draw_cursor(tn_image *image, int x, int y) {
    for (int k = -5; k <= 5; k++) {
        put_pixel(image, x + k, y, 40, 220, 230);
        put_pixel(image, x + k, y + 1, 40, 220, 230);
        put_pixel(image, x, y + k, 40, 220, 230);
        put_pixel(image, x + 1, y + k, 40, 220, 230);
    }
}

static void add_marks(tn_image *image, const tn_ddti_nodule *nodules, int count, const char *text,
                      int coloured) {
    for (int y = 160; y < 260; y++)
        for (int x = 8; x < 14; x++) {
            int grey = 255 - (y - 160) * 255 / 100;
            put_pixel(image, x, y, grey, grey, grey);
        }
    for (int y = TOP; y < BOTTOM; y += 50) put_pixel(image, LEFT - 4, y, 200, 200, 200);
    write_text(image, 60, 330, "IZO");
    if (text) write_text(image, 140, 330, text);
    for (int i = 0; coloured && i < count; i++) {
        const tn_ddti_nodule *n = &nodules[i];
        for (int side = -1; side <= 1; side += 2) {
            int x = (int)(n->x + side * n->rx), y = (int)(n->y + side * n->ry);
            if (x > LEFT + 6 && x < RIGHT - 6) draw_cursor(image, x, (int)n->y);
            if (y > TOP + 6 && y < BOTTOM - 6) draw_cursor(image, (int)n->x, y);
        }
    }
}

static void to_pixels(const double *plane, int panes, tn_image *out) {
    for (int y = TOP; y < BOTTOM; y++)
        for (int x = LEFT; x < RIGHT; x++) {
            int seam = panes == 2 && abs(x - (LEFT + RIGHT) / 2) < 2;
            double value = seam ? 0 : 105 * pow(plane[y * W + x], 0.8);
            int grey = value > 255 ? 255 : (int)value;
            put_pixel(out, x, y, grey, grey, grey);
        }
}

tn_status tn_ddti_draw_frame(const tn_ddti_nodule *nodules, int count, int panes, const char *text,
                             int coloured, uint64_t seed, uint32_t frame, tn_image *out) {
    *out = (tn_image){0};
    double *plane = calloc((size_t)W * H, sizeof *plane);
    if (!plane) return tn_fail("out of memory for a frame");
    tn_rng rng = tn_rng_stream(seed, TN_RNG_SYNTH, frame, 1, 0);
    uint64_t key = tn_rng_key(seed, TN_RNG_SYNTH) + 16 * ((uint64_t)frame + 1);
    tn_status status = tn_image_create(H, W, 3, out);
    if (status == TN_OK) {
        fill_tissue(plane, panes, &rng, key);
        for (int i = 0; i < count; i++) draw_nodule(plane, &nodules[i], key + 2 + 2 * (uint64_t)i);
        speckle(plane, &rng);
        for (int i = 0; i < count; i++) draw_specks(plane, &nodules[i], &rng);
        to_pixels(plane, panes, out);
        add_marks(out, nodules, count, text, coloured);
    }
    free(plane);
    return status;
}

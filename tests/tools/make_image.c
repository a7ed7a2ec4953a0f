/* make_image OUT.png W H SEED [GREY]: a picture of seeded blobs and noise. */
#include "layers/device/rng.h"
#include "src/data/image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOBS = 6 };

static void paint(tn_image *image, uint64_t seed) {
    tn_rng rng = tn_rng_stream(seed, TN_RNG_INIT, 0, 0, 2);
    double blob[BLOBS][4 + 3];
    for (int b = 0; b < BLOBS; b++)
        for (int i = 0; i < 7; i++) blob[b][i] = tn_rng_uniform(&rng, 0, 1);
    for (int y = 0; y < image->h; y++)
        for (int x = 0; x < image->w; x++)
            for (int c = 0; c < image->c; c++) {
                double sum = tn_rng_uniform(&rng, 0.3f, 0.45f);
                for (int b = 0; b < BLOBS; b++) {
                    const double dx = x / (double)image->w - blob[b][0];
                    const double dy = y / (double)image->h - blob[b][1];
                    const double r = 0.05 + 0.3 * blob[b][2];
                    sum += (blob[b][4 + c] - 0.5) * exp(-(dx * dx + dy * dy) / (r * r));
                }
                image->data[((size_t)y * (size_t)image->w + (size_t)x) * (size_t)image->c +
                            (size_t)c] = (uint8_t)(255 * fmin(fmax(sum, 0), 1));
            }
}

int main(int argc, char **argv) {
    tn_image image = {0};
    if (argc < 5) {
        fprintf(stderr, "usage: make_image OUT.png W H SEED [GREY]\n");
        return 1;
    }
    tn_status status = tn_image_create(atoi(argv[3]), atoi(argv[2]), argc > 5 ? 1 : 3, &image);
    if (status == TN_OK) {
        paint(&image, strtoull(argv[4], NULL, 10));
        status = tn_image_save(&image, argv[1]);
    }
    if (status != TN_OK) fprintf(stderr, "make_image: %s\n", tn_error());
    tn_image_free(&image);
    return status != TN_OK;
}

#include "src/data/perceptual_hash.h"

#include "src/data/sector.h"

enum { ROWS = 16, COLUMNS = 17 };

tn_status tn_perceptual_hash_of(const tn_image *image, tn_perceptual_hash *out) {
    const tn_sector s = tn_find_sector(image);
    tn_image picture = {0}, small = {0};
    *out = (tn_perceptual_hash){0};
    TN_TRY(tn_image_crop(image, s.x, s.y, s.w, s.h, &picture));
    tn_status status = tn_image_set_channels(&picture, 1);
    if (status == TN_OK) status = tn_image_resize(&picture, ROWS, COLUMNS, &small);
    for (int y = 0, bit = 0; y < ROWS && status == TN_OK; y++)
        for (int x = 0; x + 1 < COLUMNS; x++, bit++) {
            const uint8_t *p = small.data + y * COLUMNS + x;
            if (p[1] > p[0]) out->word[bit / 64] |= (uint64_t)1 << bit % 64;
        }
    tn_image_free(&picture);
    tn_image_free(&small);
    return status;
}

static int count_bits(uint64_t v) {
    int n = 0;
    for (; v; v &= v - 1) n++;
    return n;
}

int tn_perceptual_distance(const tn_perceptual_hash *a, const tn_perceptual_hash *b) {
    int n = 0;
    for (int i = 0; i < TN_PERCEPTUAL_BITS / 64; i++) n += count_bits(a->word[i] ^ b->word[i]);
    return n;
}

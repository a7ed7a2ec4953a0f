/* A fingerprint of what an image looks like: copies that were compressed, resized or brightened
 * again stay near, other images are far. */
#ifndef TN_DATA_PERCEPTUAL_HASH_H
#define TN_DATA_PERCEPTUAL_HASH_H

#include "src/data/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TN_PERCEPTUAL_BITS = 256,
    /* Up to here two images are called near-duplicates. Of DDTI's 480 frames, copies at two thirds
     * of the size, compressed again, differ in at most 24 bits (but for 4 whose picture is found
     * elsewhere), and the nearest two different ones in 42. */
    TN_PERCEPTUAL_NEAR = 26
};

typedef struct tn_perceptual_hash {
    uint64_t word[TN_PERCEPTUAL_BITS / 64];
} tn_perceptual_hash;

/* The image, grey, averaged to 17 x 16 fields: which field of each pair side by side is brighter
 * (difference hash). Frames are hashed without what lies around the ultrasound picture
 * (tn_find_sector), or all of one scanner would look alike. */
tn_status tn_perceptual_hash_of(const tn_image *image, tn_perceptual_hash *out);

/* Bits that differ, 0 to TN_PERCEPTUAL_BITS. */
int tn_perceptual_distance(const tn_perceptual_hash *a, const tn_perceptual_hash *b);

#ifdef __cplusplus
}
#endif
#endif

/* Random numbers as a function of a key and a counter: Philox4x32-10.
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. No state is
 * carried from draw to draw, so any number can be made again from where it stands (seed, epoch,
 * position), by any thread and on any device, in any order. */
#ifndef TN_DEVICE_RNG_H
#define TN_DEVICE_RNG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a number is for. Equal seeds with different purposes give unrelated numbers. */
typedef enum tn_rng_purpose {
    TN_RNG_INIT = 1,    /* weights at the start */
    TN_RNG_SHUFFLE = 2, /* order of an epoch */
    TN_RNG_AUGMENT = 3, /* augmentation of a sample */
    TN_RNG_DROPOUT = 4,
    TN_RNG_SPLIT = 5,    /* training and validation cases, folds */
    TN_RNG_SYNTH = 6,    /* generated sample images */
    TN_RNG_RESAMPLE = 7, /* bootstrap intervals, permutation tests */
    TN_RNG_SCHEDULE = 8, /* learning rate of policy=random */
    TN_RNG_CROP = 9      /* windows of [crop] */
} tn_rng_purpose;

/* The four words of Philox4x32-10 for this key (low word first) and counter. */
void tn_philox(uint64_t key, const uint32_t counter[4], uint32_t out[4]);

/* A well mixed key for a user's seed and a purpose. */
uint64_t tn_rng_key(uint64_t seed, tn_rng_purpose purpose);

/* In [0, 1), a multiple of 2^-24: exact in float. */
static inline float tn_uniform01(uint32_t bits) {
    return (float)(bits >> 8) * (1.0f / 16777216.0f);
}

/* A stream of numbers: block after block of one key, the first counter word counting blocks.
 * A plain value: copy it to remember a place. A stream repeats after 2^34 draws. */
typedef struct tn_rng {
    uint64_t key;
    uint32_t counter[4];
    uint32_t block[4];
    int used; /* words of block given out already; 4 = none left */
} tn_rng;

/* The stream (seed, purpose, a, b, c), at its start: for augmentation a = epoch, b = position. */
tn_rng tn_rng_stream(uint64_t seed, tn_rng_purpose purpose, uint32_t a, uint32_t b, uint32_t c);

uint32_t tn_rng_u32(tn_rng *rng);

/* Uniform in 0..n-1 without bias (rejection). n = 0 gives 0. */
uint32_t tn_rng_below(tn_rng *rng, uint32_t n);

/* Uniform in [lo, hi). */
float tn_rng_uniform(tn_rng *rng, float lo, float hi);

/* Normal with mean 0, variance 1 (Box-Muller, both draws consumed, one value given). */
float tn_rng_normal(tn_rng *rng);

#ifdef __cplusplus
}
#endif
#endif

/* Random numbers as a function of a key and a counter: Philox4x32-10.
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. No state is
 * carried from draw to draw, so any number can be made again from where it stands (seed, epoch,
 * position), by any thread and on any device, in any order. */
#ifndef TN_DEVICE_RNG_H
#define TN_DEVICE_RNG_H

#include "layers/device/both.h"

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
TN_BOTH void tn_philox(uint64_t key, const uint32_t counter[4], uint32_t out[4]) {
    /* Multipliers and Weyl increments of Philox4x32: the paper's table 2 and section 3.3. */
    const uint32_t multiplier_0 = 0xD2511F53u, multiplier_1 = 0xCD9E8D57u;
    const uint32_t weyl_0 = 0x9E3779B9u, weyl_1 = 0xBB67AE85u;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)multiplier_0 * c0, p1 = (uint64_t)multiplier_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += weyl_0;
        k1 += weyl_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* A well mixed key for a user's seed and a purpose. */
TN_BOTH uint64_t tn_rng_key(uint64_t seed, tn_rng_purpose purpose) {
    /* One Philox block mixes seed and purpose, so neighbouring seeds share no key bits. */
    const uint32_t counter[4] = {(uint32_t)purpose, 0, 0, 0};
    uint32_t out[4];
    tn_philox(seed, counter, out);
    return (uint64_t)out[1] << 32 | out[0];
}

/* In [0, 1), a multiple of 2^-24: exact in float. */
TN_BOTH float tn_uniform01(uint32_t bits) {
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
TN_BOTH tn_rng tn_rng_stream(uint64_t seed, tn_rng_purpose purpose, uint32_t a, uint32_t b,
                             uint32_t c) {
    const tn_rng rng = {tn_rng_key(seed, purpose), {0, a, b, c}, {0, 0, 0, 0}, 4};
    return rng;
}

TN_BOTH uint32_t tn_rng_u32(tn_rng *rng) {
    if (rng->used == 4) {
        tn_philox(rng->key, rng->counter, rng->block);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

/* Uniform in 0..n-1 without bias (rejection). n = 0 gives 0. */
TN_BOTH uint32_t tn_rng_below(tn_rng *rng, uint32_t n) {
    if (n == 0) return 0;
    /* Draws from the incomplete last run of n values are thrown away. */
    const uint32_t excess = (UINT32_MAX % n + 1) % n;
    uint32_t bits;
    do {
        bits = tn_rng_u32(rng);
    } while (bits > UINT32_MAX - excess);
    return bits % n;
}

/* Uniform in [lo, hi). */
float tn_rng_uniform(tn_rng *rng, float lo, float hi);

/* Normal with mean 0, variance 1 (Box-Muller, both draws consumed, one value given). */
float tn_rng_normal(tn_rng *rng);

#ifdef __cplusplus
}
#endif
#endif

#include "layers/device/rng.h"

#include "layers/device/philox.h"

#include <math.h>

void tn_philox(uint64_t key, const uint32_t counter[4], uint32_t out[4]) {
    tn_philox_block(key, counter, out);
}

uint64_t tn_rng_key(uint64_t seed, tn_rng_purpose purpose) {
    /* One Philox block mixes seed and purpose, so neighbouring seeds share no key bits. */
    uint32_t counter[4] = {(uint32_t)purpose, 0, 0, 0}, out[4];
    tn_philox(seed, counter, out);
    return (uint64_t)out[1] << 32 | out[0];
}

tn_rng tn_rng_stream(uint64_t seed, tn_rng_purpose purpose, uint32_t a, uint32_t b, uint32_t c) {
    return (tn_rng){.key = tn_rng_key(seed, purpose), .counter = {0, a, b, c}, .used = 4};
}

uint32_t tn_rng_u32(tn_rng *rng) {
    if (rng->used == 4) {
        tn_philox(rng->key, rng->counter, rng->block);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

uint32_t tn_rng_below(tn_rng *rng, uint32_t n) {
    if (n == 0) return 0;
    /* Draws from the incomplete last run of n values are thrown away. */
    uint32_t excess = (UINT32_MAX % n + 1) % n;
    uint32_t bits;
    do {
        bits = tn_rng_u32(rng);
    } while (bits > UINT32_MAX - excess);
    return bits % n;
}

float tn_rng_uniform(tn_rng *rng, float lo, float hi) {
    return lo + (hi - lo) * tn_uniform01(tn_rng_u32(rng));
}

float tn_rng_normal(tn_rng *rng) {
    const double two_pi = 6.283185307179586476925;
    double u = ((double)tn_rng_u32(rng) + 1.0) / 4294967296.0; /* (0, 1]: its logarithm is finite */
    double v = (double)tn_rng_u32(rng) / 4294967296.0;
    return (float)(sqrt(-2.0 * log(u)) * cos(two_pi * v));
}

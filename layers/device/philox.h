/* One block of Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011), for the host and for the GPU:
 * rng.h says what it serves. */
#ifndef TN_DEVICE_PHILOX_H
#define TN_DEVICE_PHILOX_H

#include "layers/device/both.h"

#include <stdint.h>

/* Multipliers and Weyl increments: table 2 and section 3.3 there. */
#define TN_PHILOX_MULTIPLIER_0 0xD2511F53u
#define TN_PHILOX_MULTIPLIER_1 0xCD9E8D57u
#define TN_PHILOX_WEYL_0       0x9E3779B9u
#define TN_PHILOX_WEYL_1       0xBB67AE85u

enum { TN_PHILOX_ROUNDS = 10 };

/* The four words for this key (low word first) and counter. */
TN_BOTH void tn_philox_block(uint64_t key, const uint32_t counter[4], uint32_t out[4]) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < TN_PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)TN_PHILOX_MULTIPLIER_0 * c0;
        uint64_t p1 = (uint64_t)TN_PHILOX_MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += TN_PHILOX_WEYL_0;
        k1 += TN_PHILOX_WEYL_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

#endif

#include "src/net/hash.h"

#include <string.h>

enum { BLOCK = 32, LANES = 4 };

/* Odd constants with well spread bits: fractions of the golden ratio and of square roots. */
static const uint64_t factor[LANES] = {0x9e3779b97f4a7c15u, 0x6a09e667f3bcc909u,
                                       0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu};

static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= factor[0];
    x ^= x >> 29;
    x *= factor[2];
    return x ^ (x >> 32);
}

static void take_block(tn_hash *hash, const unsigned char *bytes) {
    for (int i = 0; i < LANES; i++) {
        uint64_t word;
        memcpy(&word, bytes + 8 * i, sizeof word);
        uint64_t h = (hash->lane[i] ^ word) * factor[i];
        hash->lane[i] = (h << 31 | h >> 33) + factor[(i + 1) % LANES];
    }
}

void tn_hash_start(tn_hash *hash) {
    *hash = (tn_hash){0};
    for (int i = 0; i < LANES; i++) hash->lane[i] = factor[i];
}

void tn_hash_add(tn_hash *hash, const void *bytes, size_t size) {
    const unsigned char *from = bytes;
    hash->size += size;
    while (size > 0) {
        if (hash->n_tail == 0 && size >= BLOCK) {
            take_block(hash, from);
            from += BLOCK;
            size -= BLOCK;
            continue;
        }
        size_t part = BLOCK - hash->n_tail < size ? BLOCK - hash->n_tail : size;
        memcpy(hash->tail + hash->n_tail, from, part);
        hash->n_tail += part;
        from += part;
        size -= part;
        if (hash->n_tail < BLOCK) break;
        take_block(hash, hash->tail);
        hash->n_tail = 0;
    }
}

void tn_hash_text(tn_hash *hash, const char *text) {
    tn_hash_add(hash, text, strlen(text) + 1);
}

uint64_t tn_hash_value(const tn_hash *hash) {
    tn_hash last = *hash;
    if (last.n_tail) {
        memset(last.tail + last.n_tail, 0, BLOCK - last.n_tail);
        take_block(&last, last.tail);
    }
    uint64_t value = mix(last.size);
    for (int i = 0; i < LANES; i++) value = mix(value ^ mix(last.lane[i] + (uint64_t)i));
    return value;
}

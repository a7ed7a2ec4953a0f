/* A 64-bit checksum: finds damage and tells files apart; no protection against intent. */
#ifndef TN_NET_HASH_H
#define TN_NET_HASH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes are taken in blocks of 32, four words side by side; every step is a bijection of what came
 * before, so changing one word always changes the result. */
typedef struct tn_hash {
    uint64_t lane[4];
    uint64_t size;
    unsigned char tail[32];
    size_t n_tail;
} tn_hash;

void tn_hash_start(tn_hash *hash);
void tn_hash_add(tn_hash *hash, const void *bytes, size_t size);
/* Adds a text with its end, so that "ab","c" and "a","bc" differ. */
void tn_hash_text(tn_hash *hash, const char *text);
uint64_t tn_hash_value(const tn_hash *hash);

#ifdef __cplusplus
}
#endif
#endif

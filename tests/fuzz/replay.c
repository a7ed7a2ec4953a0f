/* Runs a fuzz target over its corpus and over seeded changes of it: what a fuzzer's first seconds
 * do, but the same inputs every time and with any compiler. Linked with one fuzz_NAME.c each. */
#include "layers/device/rng.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 1 << 20, CHANGES = 300 };

static const char corpus[] = "tests/fuzz/corpus/" TN_FUZZ_NAME;

static size_t read_seed(const char *name, uint8_t *bytes) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", corpus, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(bytes, 1, LARGEST, f);
    assert_true(size < LARGEST);
    fclose(f);
    return size;
}

/* FNV-1a: a seed's changes are keyed by its name, not by the order in which a file system lists. */
static uint64_t name_key(const char *name) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *name; name++) h = (h ^ (uint8_t)*name) * UINT64_C(1099511628211);
    return h;
}

/* The target gets a block of exactly its size, so that a sanitizer sees one byte too far. */
static void run(const uint8_t *bytes, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    if (size) memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

/* Cuts the input short, or changes, doubles or removes a few bytes of it. */
static size_t change(uint8_t *bytes, size_t size, tn_rng *rng) {
    if (!size) return 0;
    if (tn_rng_below(rng, 4) == 0) return tn_rng_below(rng, (uint32_t)size);
    for (uint32_t n = 1 + tn_rng_below(rng, 4); n > 0 && size > 1; n--) {
        size_t at = tn_rng_below(rng, (uint32_t)size);
        size_t length = 1 + tn_rng_below(rng, (uint32_t)(size - at < 16 ? size - at : 16));
        switch (tn_rng_below(rng, 4)) {
        case 0:
            bytes[at] = (uint8_t)tn_rng_below(rng, 256);
            break;
        case 1:
            bytes[at] ^= (uint8_t)(1u << tn_rng_below(rng, 8));
            break;
        case 2:
            memmove(bytes + at, bytes + at + length, size - at - length);
            size -= length;
            break;
        default:
            memmove(bytes + at + length, bytes + at, size - at);
            size += length;
            break;
        }
    }
    return size;
}

static void test_replay(void **state) {
    (void)state;
    uint8_t *seed = malloc(LARGEST), *bytes = malloc(LARGEST + 64);
    assert_non_null(seed);
    assert_non_null(bytes);
    DIR *dir = opendir(corpus);
    assert_non_null(dir);
    int seeds = 0;
    run(seed, 0);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        size_t size = read_seed(entry->d_name, seed);
        run(seed, size);
        tn_rng rng = tn_rng_stream(name_key(entry->d_name), TN_RNG_RESAMPLE, 0, 0, 0);
        for (int i = 0; i < CHANGES; i++) {
            memcpy(bytes, seed, size);
            run(bytes, change(bytes, size, &rng));
        }
        seeds++;
    }
    closedir(dir);
    assert_true(seeds > 0);
    free(seed);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replay)};
    return cmocka_run_group_tests_name("fuzz " TN_FUZZ_NAME, tests, NULL, NULL);
}

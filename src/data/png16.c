/* The format is W3C's PNG (second edition); its zlib stream is made of stored blocks (RFC 1951,
 * 3.2.4). */
#include "src/data/png16.h"
#include "src/data/files.h"
#include "src/data/image.h"

#include <stdlib.h>
#include <string.h>

enum { STORED = 65535 /* bytes of a stored block */, CHUNK = 12 /* length, name, CRC */ };

typedef struct writer {
    uint8_t *bytes;
    size_t size, chunk; /* chunk: where its name begins */
} writer;

static void put(writer *w, const void *bytes, size_t size) {
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void put32(writer *w, uint32_t v) {
    const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    put(w, b, 4);
}

static uint32_t crc(const uint8_t *bytes, size_t size) {
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        c ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

static void begin(writer *w, const char *name, size_t length) {
    put32(w, (uint32_t)length);
    w->chunk = w->size;
    put(w, name, 4);
}

static void end(writer *w) {
    put32(w, crc(w->bytes + w->chunk, w->size - w->chunk));
}

/* Rows of filter type 0, samples big-endian. */
static void fill_rows(const uint16_t *sample, int h, int w, uint8_t *to) {
    for (int y = 0; y < h; y++) {
        *to++ = 0;
        for (int x = 0; x < w; x++) {
            const uint16_t v = sample[(size_t)y * (size_t)w + (size_t)x];
            *to++ = (uint8_t)(v >> 8);
            *to++ = (uint8_t)v;
        }
    }
}

static void put_stored(writer *w, const uint8_t *raw, size_t size) {
    uint32_t a = 1, b = 0; /* Adler-32 */
    put(w, "\x78\x01", 2);
    for (size_t at = 0; at < size; at += STORED) {
        const size_t n = size - at < STORED ? size - at : STORED;
        const uint8_t head[5] = {at + n == size, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n,
                                 (uint8_t)(~n >> 8)};
        put(w, head, sizeof head);
        put(w, raw + at, n);
    }
    for (size_t i = 0; i < size; i++) {
        a = (a + raw[i]) % 65521;
        b = (b + a) % 65521;
    }
    put32(w, b << 16 | a);
}

tn_status tn_png16_write(const char *path, const uint16_t *sample, int h, int w) {
    if (h < 1 || w < 1 || h > TN_IMAGE_MAX_SIDE || w > TN_IMAGE_MAX_SIDE)
        return tn_fail("%s: %d x %d pixels, expected 1 to %d each way", path, w, h,
                       TN_IMAGE_MAX_SIDE);
    const size_t raw = (size_t)h * (2 * (size_t)w + 1), blocks = (raw + STORED - 1) / STORED;
    const size_t zlib = 2 + 5 * blocks + raw + 4;
    if (zlib > INT32_MAX) return tn_fail("%s: %d x %d pixels are too many", path, w, h);
    writer to = {.bytes = malloc(8 + 3 * CHUNK + 13 + zlib)};
    uint8_t *rows = malloc(raw);
    tn_status status = to.bytes && rows ? TN_OK : tn_fail("out of memory for %s", path);
    if (status == TN_OK) {
        fill_rows(sample, h, w, rows);
        put(&to, "\x89PNG\r\n\x1a\n", 8);
        begin(&to, "IHDR", 13);
        put32(&to, (uint32_t)w);
        put32(&to, (uint32_t)h);
        put(&to, "\x10\0\0\0\0", 5); /* 16 bits, grey, deflate, no interlace */
        end(&to);
        begin(&to, "IDAT", zlib);
        put_stored(&to, rows, raw);
        end(&to);
        begin(&to, "IEND", 0);
        end(&to);
        status = tn_file_write(path, to.bytes, to.size);
    }
    free(rows);
    free(to.bytes);
    return status;
}

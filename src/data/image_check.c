/* Is a file whole? Decoders fill what is missing with grey and say nothing; here a JPEG's markers
 * (ITU-T T.81 annex B), a PNG's chunks (ISO/IEC 15948) and a BMP's sizes are walked to the end. */
#include "src/data/image.h"

#include "src/data/jpeg_scan.h"

#include <stdbool.h>
#include <string.h>

typedef struct input {
    const uint8_t *bytes;
    size_t size;
    const char *name;
} input;

static uint32_t be16(const uint8_t *p) {
    return (uint32_t)p[0] << 8 | p[1];
}
static uint32_t be32(const uint8_t *p) {
    return be16(p) << 16 | be16(p + 2);
}
static uint32_t le16(const uint8_t *p) {
    return (uint32_t)p[1] << 8 | p[0];
}
static uint32_t le32(const uint8_t *p) {
    return le16(p + 2) << 16 | le16(p);
}

static tn_status check_size(const input *in, const char *kind, int64_t w, int64_t h) {
    if (w < 1 || h < 1 || w > TN_IMAGE_MAX_SIDE || h > TN_IMAGE_MAX_SIDE ||
        w * h > TN_IMAGE_MAX_PIXELS)
        return tn_fail("%s: %s of %lld x %lld pixels; sides of 1 to %d and at most %d pixels are "
                       "read",
                       in->name, kind, (long long)w, (long long)h, TN_IMAGE_MAX_SIDE,
                       TN_IMAGE_MAX_PIXELS);
    return TN_OK;
}

static bool is_jpeg(const input *in) {
    return in->size >= 3 && !memcmp(in->bytes, "\xFF\xD8\xFF", 3);
}

static bool is_png(const input *in) {
    return in->size >= 8 && !memcmp(in->bytes, "\x89PNG\r\n\x1A\n", 8);
}

/* --- JPEG ------------------------------------------------------------------------------------ */

enum {
    SOF0 = 0xC0,
    SOF2 = 0xC2,
    DHT = 0xC4,
    JPG = 0xC8,
    DAC = 0xCC,
    SOF15 = 0xCF,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
    DRI = 0xDD,
    APP1 = 0xE1,
    TEM = 0x01
};

static bool is_frame_header(int marker) {
    return marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC;
}

/* A marker with its segment: payload is what follows the two length bytes. */
typedef struct segment {
    int marker;
    const uint8_t *payload;
    size_t size;
} segment;

/* Reads the marker at *at and its segment, and moves *at behind it. */
static tn_status next_segment(const input *in, size_t *at, segment *out) {
    size_t start = *at, p = start;
    if (p < in->size && in->bytes[p] != 0xFF)
        return tn_fail("%s: damaged JPEG: 0x%02x at byte %zu where a marker should stand", in->name,
                       in->bytes[p], p);
    while (p < in->size && in->bytes[p] == 0xFF) p++; /* fill bytes */
    if (p >= in->size)
        return tn_fail("%s: truncated JPEG: ends at byte %zu without an end-of-image marker",
                       in->name, in->size);
    *out = (segment){.marker = in->bytes[p++]};
    bool alone =
        out->marker == EOI || out->marker == TEM || (out->marker >= RST0 && out->marker <= RST7);
    if (!alone) {
        if (in->size - p < 2)
            return tn_fail("%s: truncated JPEG: segment at byte %zu is cut", in->name, start);
        size_t length = be16(in->bytes + p);
        if (length < 2)
            return tn_fail("%s: damaged JPEG: segment of length %zu at byte %zu", in->name, length,
                           start);
        if (length > in->size - p)
            return tn_fail("%s: truncated JPEG: segment at byte %zu needs %zu bytes, %zu are left",
                           in->name, start, length, in->size - p);
        out->payload = in->bytes + p + 2;
        out->size = length - 2;
        p += length;
    }
    *at = p;
    return TN_OK;
}

static tn_status check_frame_header(const input *in, const segment *s) {
    if (s->marker > SOF2)
        return tn_fail("%s: JPEG of a kind that is not read (SOF%d); baseline and progressive are",
                       in->name, s->marker - SOF0);
    if (s->size < 6 || s->size != 6 + 3 * (size_t)s->payload[5])
        return tn_fail("%s: damaged JPEG: frame header of %zu bytes", in->name, s->size);
    int components = s->payload[5];
    if (components != 1 && components != 3 && components != 4)
        return tn_fail("%s: JPEG of %d components; 1, 3 or 4 expected", in->name, components);
    if (s->payload[0] != 8)
        return tn_fail("%s: JPEG of %d bits a sample; 8 expected", in->name, s->payload[0]);
    return check_size(in, "JPEG", be16(s->payload + 3), be16(s->payload + 1));
}

/* Moves *at over entropy-coded data to the next marker that is not a restart. */
static tn_status skip_entropy(const input *in, size_t *at) {
    size_t p = *at, start = p;
    for (;;) {
        const uint8_t *ff = p < in->size ? memchr(in->bytes + p, 0xFF, in->size - p) : NULL;
        if (!ff || (size_t)(ff - in->bytes) + 1 >= in->size)
            return tn_fail("%s: truncated JPEG: ends inside its image data, at byte %zu", in->name,
                           in->size);
        p = (size_t)(ff - in->bytes);
        int next = ff[1];
        if (next == 0xFF)
            p++;
        else if (next == 0 || (next >= RST0 && next <= RST7))
            p += 2;
        else
            break;
    }
    if (p == start) return tn_fail("%s: damaged JPEG: no image data at byte %zu", in->name, p);
    *at = p;
    return TN_OK;
}

static tn_status check_jpeg(const input *in) {
    size_t at = 2;
    bool frame = false, scan = false;
    tn_jpeg jpeg = {0};
    for (;;) {
        segment s = {0};
        TN_TRY(next_segment(in, &at, &s));
        if (s.marker == EOI) break;
        if (s.marker == SOI || (s.marker >= RST0 && s.marker <= RST7) || s.marker == 0)
            return tn_fail("%s: damaged JPEG: marker 0x%02x out of place before byte %zu", in->name,
                           s.marker, at);
        tn_status status = TN_OK;
        size_t data = at;
        if (is_frame_header(s.marker)) {
            if (frame) return tn_fail("%s: damaged JPEG: two frame headers", in->name);
            TN_TRY(check_frame_header(in, &s));
            frame = true;
            status = tn_jpeg_read_frame(&jpeg, s.marker != SOF2, s.payload, s.size);
        } else if (s.marker == DHT) {
            status = tn_jpeg_read_tables(&jpeg, s.payload, s.size);
        } else if (s.marker == DRI) {
            status = tn_jpeg_read_restart(&jpeg, s.payload, s.size);
        } else if (s.marker == SOS) {
            if (!frame)
                return tn_fail("%s: damaged JPEG: image data before a frame header", in->name);
            TN_TRY(skip_entropy(in, &at));
            status = tn_jpeg_check_scan(&jpeg, s.payload, s.size, in->bytes + data, at - data);
            scan = true;
        }
        if (status != TN_OK) return tn_fail_in("%s: damaged JPEG", in->name);
    }
    if (!scan) return tn_fail("%s: damaged JPEG: no image data before its end", in->name);
    return TN_OK;
}

/* --- PNG ------------------------------------------------------------------------------------- */

/* CRC-32 of ISO 3309, four bits at a time. */
static uint32_t crc32_of(const uint8_t *p, size_t n) {
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
                                       0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                                       0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = table[crc & 15] ^ crc >> 4;
        crc = table[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

typedef struct chunk {
    const uint8_t *type; /* four letters */
    const uint8_t *payload;
    size_t size;
} chunk;

static tn_status next_chunk(const input *in, size_t *at, chunk *out) {
    size_t left = in->size - *at;
    if (left < 12)
        return tn_fail("%s: truncated PNG: ends at byte %zu without its end chunk", in->name,
                       in->size);
    const uint8_t *p = in->bytes + *at;
    size_t length = be32(p);
    if (length > left - 12)
        return tn_fail("%s: truncated PNG: chunk at byte %zu needs %zu bytes, %zu are left",
                       in->name, *at, length, left - 12);
    if (crc32_of(p + 4, length + 4) != be32(p + 8 + length))
        return tn_fail("%s: damaged PNG: checksum of the chunk at byte %zu does not match",
                       in->name, *at);
    *out = (chunk){.type = p + 4, .payload = p + 8, .size = length};
    *at += length + 12;
    return TN_OK;
}

static tn_status check_png(const input *in) {
    size_t at = 8;
    chunk c = {0};
    TN_TRY(next_chunk(in, &at, &c));
    if (memcmp(c.type, "IHDR", 4) != 0 || c.size != 13)
        return tn_fail("%s: damaged PNG: does not start with its header", in->name);
    TN_TRY(check_size(in, "PNG", be32(c.payload), be32(c.payload + 4)));
    bool data = false;
    do {
        TN_TRY(next_chunk(in, &at, &c));
        data = data || (!memcmp(c.type, "IDAT", 4) && c.size > 0);
    } while (memcmp(c.type, "IEND", 4) != 0);
    if (!data) return tn_fail("%s: damaged PNG: no image data", in->name);
    return TN_OK;
}

/* --- BMP ------------------------------------------------------------------------------------- */

static tn_status check_bmp(const input *in) {
    enum { FILE_HEADER = 14, INFO_HEADER = 40, BI_RGB = 0, BI_BITFIELDS = 3 };
    const uint8_t *b = in->bytes;
    if (in->size < FILE_HEADER + INFO_HEADER)
        return tn_fail("%s: truncated BMP: %zu bytes are less than its headers", in->name,
                       in->size);
    uint32_t offset = le32(b + 10), header = le32(b + 14), compression = le32(b + 30);
    if (header < INFO_HEADER || header > 124)
        return tn_fail("%s: BMP with a header of %u bytes; 40 to 124 are read", in->name, header);
    int64_t w = (int32_t)le32(b + 18), h = (int32_t)le32(b + 22);
    if (h < 0) h = -h; /* rows stored from the top */
    TN_TRY(check_size(in, "BMP", w, h));
    unsigned bits = le16(b + 28);
    if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
        return tn_fail("%s: BMP of %u bits a pixel", in->name, bits);
    if (compression != BI_RGB && compression != BI_BITFIELDS)
        return tn_fail("%s: compressed BMP (kind %u): only uncompressed ones are read", in->name,
                       compression);
    uint64_t row = ((uint64_t)w * bits + 31) / 32 * 4, needed = row * (uint64_t)h;
    if (offset < FILE_HEADER + header || offset > in->size || needed > in->size - offset)
        return tn_fail("%s: truncated BMP: %zu bytes, %llu expected", in->name, in->size,
                       (unsigned long long)(offset + needed));
    return TN_OK;
}

tn_status tn_image_check(const void *bytes, size_t size, const char *name) {
    const input in = {bytes, size, name};
    if (size == 0) return tn_fail("%s: empty file", name);
    if (is_jpeg(&in)) return check_jpeg(&in);
    if (is_png(&in)) return check_png(&in);
    if (size >= 2 && !memcmp(bytes, "BM", 2)) return check_bmp(&in);
    return tn_fail("%s: not an image that is read (JPEG, PNG, BMP); it starts with %02x %02x", name,
                   in.bytes[0], size > 1 ? in.bytes[1] : 0);
}

/* --- EXIF orientation ------------------------------------------------------------------------ */

/* Tag 0x0112 in the first directory of a TIFF header (Exif 2.3, section 4.6). */
static int tiff_orientation(const uint8_t *t, size_t size) {
    if (size < 14) return 1;
    bool little = !memcmp(t, "II*\0", 4);
    if (!little && memcmp(t, "MM\0*", 4) != 0) return 1;
    size_t at = little ? le32(t + 4) : be32(t + 4);
    if (at > size - 2) return 1;
    size_t entries = little ? le16(t + at) : be16(t + at);
    for (at += 2; entries > 0 && size - at >= 12; entries--, at += 12) {
        const uint8_t *e = t + at;
        if ((little ? le16(e) : be16(e)) != 0x0112) continue;
        unsigned value = little ? le16(e + 8) : be16(e + 8);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int tn_image_exif_orientation(const void *bytes, size_t size) {
    const input in = {bytes, size, "image"};
    if (is_jpeg(&in)) {
        segment s = {0};
        for (size_t at = 2; next_segment(&in, &at, &s) == TN_OK;) {
            if (s.marker == SOS || s.marker == EOI) break;
            if (s.marker == APP1 && s.size > 6 && !memcmp(s.payload, "Exif\0", 6))
                return tiff_orientation(s.payload + 6, s.size - 6);
        }
    } else if (is_png(&in)) {
        chunk c = {0};
        for (size_t at = 8; next_chunk(&in, &at, &c) == TN_OK;) {
            if (!memcmp(c.type, "IEND", 4)) break;
            if (!memcmp(c.type, "eXIf", 4)) return tiff_orientation(c.payload, c.size);
        }
    }
    return 1;
}

#include "src/data/jpeg_scan.h"

#include <string.h>

/* --- tables ---------------------------------------------------------------------------------- */

/* Canonical codes from the number of codes of each length (annex C). */
static tn_status build(tn_huffman *t, const uint8_t counts[16], const uint8_t *values, int n) {
    *t = (tn_huffman){.defined = true};
    memcpy(t->value, values, (size_t)n);
    int32_t code = 0, index = 0;
    for (int length = 1; length <= 16; length++) {
        int count = counts[length - 1];
        if (code + count > 1 << length) return tn_fail("Huffman table with too many codes");
        t->offset[length] = index - code;
        index += count;
        code += count;
        t->most[length] = count ? code - 1 : -1;
        code <<= 1;
    }
    return TN_OK;
}

tn_status tn_jpeg_read_tables(tn_jpeg *jpeg, const uint8_t *payload, size_t size) {
    while (size > 0) {
        if (size < 17) return tn_fail("Huffman table of %zu bytes", size);
        int kind = payload[0] >> 4, id = payload[0] & 15, n = 0;
        for (int i = 1; i <= 16; i++) n += payload[i];
        if (kind > 1 || id > 3) return tn_fail("Huffman table 0x%02x", payload[0]);
        if (n > 256 || (size_t)n > size - 17) return tn_fail("Huffman table of %d values", n);
        TN_TRY(build(&jpeg->table[kind][id], payload + 1, payload + 17, n));
        payload += 17 + n;
        size -= 17 + (size_t)n;
    }
    return TN_OK;
}

tn_status tn_jpeg_read_restart(tn_jpeg *jpeg, const uint8_t *payload, size_t size) {
    if (size != 2) return tn_fail("restart interval of %zu bytes", size);
    jpeg->restart = payload[0] << 8 | payload[1];
    return TN_OK;
}

tn_status tn_jpeg_read_frame(tn_jpeg *jpeg, bool sequential, const uint8_t *payload, size_t size) {
    jpeg->sequential = sequential;
    jpeg->h = payload[1] << 8 | payload[2];
    jpeg->w = payload[3] << 8 | payload[4];
    jpeg->components = payload[5];
    if (jpeg->components > 4 || size != 6 + 3 * (size_t)jpeg->components)
        return tn_fail("frame header of %zu bytes", size);
    for (int i = 0; i < jpeg->components; i++) {
        const uint8_t *p = payload + 6 + 3 * i;
        int h = p[1] >> 4, v = p[1] & 15;
        if (h < 1 || h > 4 || v < 1 || v > 4)
            return tn_fail("component %d is sampled %d x %d", i, h, v);
        jpeg->component[i].id = p[0];
        jpeg->component[i].h = h;
        jpeg->component[i].v = v;
    }
    return TN_OK;
}

/* --- bits ------------------------------------------------------------------------------------ */

typedef struct bits {
    const uint8_t *at, *end;
    uint32_t held; /* bits read from bytes and not yet used, the next ones highest of `count` */
    int count;
    bool dry; /* more was asked for than there is before a marker or the end */
} bits;

static int next_bit(bits *b) {
    if (b->count == 0) {
        if (b->at >= b->end || (b->at[0] == 0xFF && (b->at + 1 >= b->end || b->at[1] != 0))) {
            b->dry = true;
            return 0;
        }
        b->held = b->at[0];
        b->at += b->at[0] == 0xFF ? 2 : 1; /* FF 00 is a data byte FF */
        b->count = 8;
    }
    return b->held >> --b->count & 1;
}

static void skip_bits(bits *b, int n) {
    while (n-- > 0) next_bit(b);
}

/* The next symbol, -1 when the bits are no code of the table or have run out. */
static int next_symbol(bits *b, const tn_huffman *t) {
    int32_t code = 0;
    for (int length = 1; length <= 16; length++) {
        code = code << 1 | next_bit(b);
        if (b->dry) return -1;
        if (code <= t->most[length]) return t->value[(code + t->offset[length]) & 255];
    }
    return -1;
}

static bool skip_block(bits *b, const tn_huffman *dc, const tn_huffman *ac) {
    int size = next_symbol(b, dc);
    if (size < 0 || size > 15) return false;
    skip_bits(b, size);
    for (int k = 1; k < 64; k++) {
        int symbol = next_symbol(b, ac);
        if (symbol < 0) return false;
        int run = symbol >> 4;
        size = symbol & 15;
        if (size == 0 && run != 15) break; /* the rest is zero */
        k += run;
        if (k > 63) return false;
        skip_bits(b, size);
    }
    return !b->dry;
}

/* --- scans ----------------------------------------------------------------------------------- */

/* One component of a scan: its tables and its blocks in an MCU. */
typedef struct scan_component {
    const tn_huffman *dc, *ac;
    int blocks;
} scan_component;

typedef struct scan {
    int n;
    scan_component component[4];
    int64_t mcus;
} scan;

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Fills in a scan's layout. *walkable is false when a table is one that decoders know by heart. */
static tn_status read_header(const tn_jpeg *jpeg, const uint8_t *header, size_t size, scan *out,
                             bool *walkable) {
    *out = (scan){.n = size ? header[0] : 0};
    *walkable = true;
    if (out->n < 1 || out->n > 4 || size != 4 + 2 * (size_t)out->n)
        return tn_fail("scan header of %zu bytes", size);
    int most_h = 1, most_v = 1;
    for (int i = 0; i < jpeg->components; i++) {
        if (jpeg->component[i].h > most_h) most_h = jpeg->component[i].h;
        if (jpeg->component[i].v > most_v) most_v = jpeg->component[i].v;
    }
    for (int i = 0; i < out->n; i++) {
        int id = header[1 + 2 * i], tables = header[2 + 2 * i], c = 0;
        while (c < jpeg->components && jpeg->component[c].id != id) c++;
        if (c == jpeg->components) return tn_fail("scan of component %d, which there is not", id);
        if (tables >> 4 > 3 || (tables & 15) > 3)
            return tn_fail("scan with Huffman tables 0x%02x", tables);
        int h = jpeg->component[c].h, v = jpeg->component[c].v;
        out->component[i] = (scan_component){.dc = &jpeg->table[0][tables >> 4],
                                             .ac = &jpeg->table[1][tables & 15],
                                             .blocks = out->n == 1 ? 1 : h * v};
        if (!out->component[i].dc->defined || !out->component[i].ac->defined) *walkable = false;
        if (out->n == 1) /* not interleaved: the component's own blocks (annex A.2.2) */
            out->mcus = ceil_div(ceil_div((int64_t)jpeg->w * h, most_h), 8) *
                        ceil_div(ceil_div((int64_t)jpeg->h * v, most_v), 8);
    }
    if (out->n > 1) out->mcus = ceil_div(jpeg->w, 8 * most_h) * ceil_div(jpeg->h, 8 * most_v);
    return TN_OK;
}

static bool skip_mcu(bits *b, const scan *s) {
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < s->component[i].blocks; k++)
            if (!skip_block(b, s->component[i].dc, s->component[i].ac)) return false;
    return true;
}

/* Drops the bits that fill the last byte and goes behind the restart marker of this number. */
static bool take_restart(bits *b, int number) {
    b->count = 0;
    while (b->end - b->at > 2 && b->at[0] == 0xFF && b->at[1] == 0xFF) b->at++;
    if (b->end - b->at < 2 || b->at[0] != 0xFF || b->at[1] != 0xD0 + number) return false;
    b->at += 2;
    return true;
}

/* What follows the last block may be padding of one value; anything else was never meant to be
 * there. */
static bool is_padding(const uint8_t *p, const uint8_t *end) {
    for (const uint8_t *q = p; q < end; q++)
        if (*q != *p && !(*p == 0xFF && *q == 0)) return false;
    return true;
}

tn_status tn_jpeg_check_scan(const tn_jpeg *jpeg, const uint8_t *header, size_t size,
                             const uint8_t *data, size_t n) {
    scan s;
    bool walkable;
    TN_TRY(read_header(jpeg, header, size, &s, &walkable));
    if (!jpeg->sequential || !walkable) return TN_OK;
    bits b = {.at = data, .end = data + n};
    for (int64_t mcu = 0; mcu < s.mcus; mcu++) {
        if (jpeg->restart && mcu > 0 && mcu % jpeg->restart == 0 &&
            !take_restart(&b, (int)(mcu / jpeg->restart - 1) & 7))
            return tn_fail("a restart marker is missing after %lld of %lld image parts",
                           (long long)mcu, (long long)s.mcus);
        if (!skip_mcu(&b, &s))
            return tn_fail("image data %s after %lld of %lld image parts",
                           b.dry ? "ends" : "is no valid code", (long long)mcu, (long long)s.mcus);
    }
    if (!is_padding(b.at, b.end)) return tn_fail("%td bytes of image data too many", b.end - b.at);
    return TN_OK;
}

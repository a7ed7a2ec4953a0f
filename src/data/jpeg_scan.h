/* Is the entropy-coded data of a sequential JPEG whole? Its Huffman codes are walked, without
 * making pixels, and its blocks counted: an overwritten or missing stretch nearly always leaves too
 * few or too many (ITU-T T.81, annex F.2). Progressive scans are not walked. */
#ifndef TN_DATA_JPEG_SCAN_H
#define TN_DATA_JPEG_SCAN_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_huffman {
    bool defined;
    int32_t most[17];   /* largest code of each length, -1 when there is none */
    int32_t offset[17]; /* of a code of this length in value, less the smallest such code */
    uint8_t value[256];
} tn_huffman;

typedef struct tn_jpeg {
    tn_huffman table[2][4]; /* DC and AC */
    int restart;            /* MCUs between restart markers, 0: none */
    bool sequential;
    int h, w, components;
    struct {
        int id, h, v; /* sampling factors */
    } component[4];
} tn_jpeg;

/* Each takes a segment's payload, without marker and length. */
tn_status tn_jpeg_read_tables(tn_jpeg *jpeg, const uint8_t *payload, size_t size);  /* DHT */
tn_status tn_jpeg_read_restart(tn_jpeg *jpeg, const uint8_t *payload, size_t size); /* DRI */
tn_status tn_jpeg_read_frame(tn_jpeg *jpeg, bool sequential, const uint8_t *payload, size_t size);

/* The scan with this header (SOS) and these `n` bytes of data, restart markers included. */
tn_status tn_jpeg_check_scan(const tn_jpeg *jpeg, const uint8_t *header, size_t size,
                             const uint8_t *data, size_t n);

#ifdef __cplusplus
}
#endif
#endif

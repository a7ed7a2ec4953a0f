/* Grey PNG files of 16 bits a sample: what an 8-bit image cannot hold. */
#ifndef TN_DATA_PNG16_H
#define TN_DATA_PNG16_H

#include "layers/device/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes h*w samples, row after row, put in place whole. Not compressed: it needs no library. */
tn_status tn_png16_write(const char *path, const uint16_t *sample, int h, int w);

#ifdef __cplusplus
}
#endif
#endif

/* Memory: an arena for what lives as long as a plan, and page-backed blocks for a replica's
 * buffers. */
#ifndef TN_DEVICE_MEMORY_H
#define TN_DEVICE_MEMORY_H

#include "layers/device/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Small objects that are freed together. Zero is a valid empty arena. */
typedef struct tn_arena {
    struct tn_arena_chunk *chunk;
} tn_arena;

/* Zero-filled, 16-byte aligned; NULL with tn_error() set when memory is out. */
void *tn_arena_alloc(tn_arena *arena, size_t bytes);
char *tn_arena_text(tn_arena *arena, const char *text);
void tn_arena_free(tn_arena *arena);

/* Zero pages straight from the system, asked to be huge ones; 4096-byte aligned. Page faults cost
 * more than arithmetic in training, so a replica takes one block, once, and keeps it. */
void *tn_pages_alloc(size_t bytes);
void tn_pages_free(void *pages, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif

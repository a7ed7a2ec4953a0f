#include "layers/device/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CHUNK_BYTES = 1 << 16, ALIGN = 16 };

struct tn_arena_chunk {
    struct tn_arena_chunk *next;
    size_t used, size;
};

static size_t round_up(size_t bytes, size_t to) {
    return (bytes + to - 1) / to * to;
}

void *tn_arena_alloc(tn_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) {
        tn_fail("out of memory: %zu bytes asked for", bytes);
        return NULL;
    }
    const size_t head = round_up(sizeof(struct tn_arena_chunk), ALIGN);
    bytes = round_up(bytes ? bytes : 1, ALIGN);
    struct tn_arena_chunk *chunk = arena->chunk;
    if (!chunk || chunk->size - chunk->used < bytes) {
        const size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk = calloc(1, head + size);
        if (!chunk) {
            tn_fail("out of memory: %zu bytes asked for", head + size);
            return NULL;
        }
        chunk->size = size;
        chunk->next = arena->chunk;
        arena->chunk = chunk;
    }
    void *p = (char *)chunk + head + chunk->used;
    chunk->used += bytes;
    return p;
}

char *tn_arena_text(tn_arena *arena, const char *text) {
    const size_t bytes = strlen(text) + 1;
    char *copy = tn_arena_alloc(arena, bytes);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

void tn_arena_free(tn_arena *arena) {
    while (arena->chunk) {
        struct tn_arena_chunk *next = arena->chunk->next;
        free(arena->chunk);
        arena->chunk = next;
    }
}

void *tn_pages_alloc(size_t bytes) {
    if (bytes == 0) bytes = 1;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        tn_fail("out of memory: %.1f MiB of buffers asked for", (double)bytes / (1 << 20));
        return NULL;
    }
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* a wish: small pages work too */
    return p;
}

void tn_pages_free(void *pages, size_t bytes) {
    if (pages) munmap(pages, bytes ? bytes : 1);
}

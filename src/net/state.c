#include "src/net/state.h"

#include "src/net/atomic_file.h"
#include "src/net/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };
static const char magic[8] = {'t', 'n', 's', 't', 'a', 't', 'e', '1'};

typedef struct header {
    char magic[8];
    uint64_t bytes, fields;
    char unused[40];
} header;

typedef struct entry {
    char name[TN_STATE_NAME];
    uint64_t offset, size, unused;
} entry;

_Static_assert(sizeof(header) == 64 && sizeof(entry) == 64, "the file's layout");

struct tn_state {
    char *path;
    unsigned char *bytes; /* the mapped file */
    size_t size;
    const entry *entry;
    size_t n;
};

static uint64_t aligned(uint64_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static tn_status put(tn_atomic_file *file, tn_hash *hash, const void *bytes, size_t size) {
    tn_hash_add(hash, bytes, size);
    return tn_atomic_write(file, bytes, size);
}

static tn_status put_table(tn_atomic_file *file, tn_hash *hash, const tn_state_field *field,
                           int n) {
    uint64_t end = sizeof(header) + (uint64_t)n * sizeof(entry), at = end;
    for (int i = 0; i < n; i++) end = aligned(end + field[i].size);
    header head = {.bytes = end + sizeof(uint64_t), .fields = (uint64_t)n};
    memcpy(head.magic, magic, sizeof magic);
    TN_TRY(put(file, hash, &head, sizeof head));
    for (int i = 0; i < n; i++) {
        entry e = {.offset = at, .size = field[i].size};
        size_t length = strlen(field[i].name);
        if (length >= sizeof e.name) return tn_fail("state: name %s is too long", field[i].name);
        memcpy(e.name, field[i].name, length);
        TN_TRY(put(file, hash, &e, sizeof e));
        at = aligned(at + field[i].size);
    }
    return TN_OK;
}

static tn_status put_all(tn_atomic_file *file, const tn_state_field *field, int n) {
    static const char zero[ALIGNMENT];
    tn_hash hash;
    tn_hash_start(&hash);
    TN_TRY(put_table(file, &hash, field, n));
    for (int i = 0; i < n; i++) {
        TN_TRY(put(file, &hash, field[i].bytes, field[i].size));
        TN_TRY(put(file, &hash, zero, (size_t)(aligned(field[i].size) - field[i].size)));
    }
    uint64_t sum = tn_hash_value(&hash);
    return tn_atomic_write(file, &sum, sizeof sum);
}

tn_status tn_state_save(const char *path, const tn_state_field *field, int n) {
    tn_atomic_file file;
    TN_TRY(tn_atomic_open(&file, path));
    tn_status status = put_all(&file, field, n);
    if (status == TN_OK) return tn_atomic_commit(&file);
    tn_atomic_abandon(&file);
    return status;
}

static tn_status map(tn_state *state, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tn_fail("%s: cannot be read: %s", path, strerror(errno));
    struct stat about;
    tn_status status = TN_OK;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        status = tn_fail("%s: not a file", path);
    } else if ((size_t)about.st_size < sizeof(header) + sizeof(uint64_t)) {
        status =
            tn_fail("%s: %lld bytes are too few for a .state file", path, (long long)about.st_size);
    } else {
        state->size = (size_t)about.st_size;
        void *bytes = mmap(NULL, state->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
            status = tn_fail("%s: cannot be mapped: %s", path, strerror(errno));
        else
            state->bytes = bytes;
    }
    close(fd);
    return status;
}

static tn_status check_entries(tn_state *state) {
    const uint64_t end = state->size - sizeof(uint64_t);
    for (size_t i = 0; i < state->n; i++) {
        const entry *e = &state->entry[i];
        if (!memchr(e->name, 0, sizeof e->name) || e->offset % ALIGNMENT || e->offset > end ||
            e->size > end - e->offset)
            return tn_fail("%s: field %zu is not inside the file", state->path, i);
    }
    return TN_OK;
}

static tn_status check(tn_state *state) {
    header head;
    memcpy(&head, state->bytes, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) != 0)
        return tn_fail("%s: no .state file of this program (it does not begin with tnstate1)",
                       state->path);
    if (head.bytes != state->size)
        return tn_fail("%s: %zu bytes, expected %llu: the file is truncated or damaged",
                       state->path, state->size, (unsigned long long)head.bytes);
    tn_hash hash;
    uint64_t stored;
    tn_hash_start(&hash);
    tn_hash_add(&hash, state->bytes, state->size - sizeof stored);
    memcpy(&stored, state->bytes + state->size - sizeof stored, sizeof stored);
    if (tn_hash_value(&hash) != stored)
        return tn_fail("%s: the checksum does not match: the file is damaged", state->path);
    if (head.fields > (state->size - sizeof head - sizeof stored) / sizeof(entry))
        return tn_fail("%s: %llu fields do not fit into the file", state->path,
                       (unsigned long long)head.fields);
    state->entry = (const entry *)(const void *)(state->bytes + sizeof head);
    state->n = (size_t)head.fields;
    return check_entries(state);
}

tn_status tn_state_open(const char *path, tn_state **out) {
    *out = NULL;
    tn_state *state = calloc(1, sizeof *state);
    if (!state || !(state->path = strdup(path))) {
        free(state);
        return tn_fail("%s: out of memory", path);
    }
    tn_status status = map(state, path);
    if (status == TN_OK) status = check(state);
    if (status != TN_OK) {
        tn_state_close(state);
        return status;
    }
    *out = state;
    return TN_OK;
}

void tn_state_close(tn_state *state) {
    if (!state) return;
    if (state->bytes) munmap(state->bytes, state->size);
    free(state->path);
    free(state);
}

const void *tn_state_find(const tn_state *state, const char *name, size_t *size) {
    for (size_t i = 0; i < state->n; i++) {
        if (strcmp(state->entry[i].name, name) != 0) continue;
        *size = (size_t)state->entry[i].size;
        return state->bytes + state->entry[i].offset;
    }
    return NULL;
}

tn_status tn_state_get(const tn_state *state, const char *name, void *to, size_t size) {
    size_t found;
    const void *from = tn_state_find(state, name, &found);
    if (!from) return tn_fail("%s: holds no \"%s\"", state->path, name);
    if (found != size)
        return tn_fail("%s: \"%s\" has %zu bytes, expected %zu", state->path, name, found, size);
    if (size) memcpy(to, from, size);
    return TN_OK;
}

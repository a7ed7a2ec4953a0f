/* A .state file: everything a run needs to go on as if it had never stopped.
 *
 * The file is a list of named fields with a checksum over all of it. What the fields are is the
 * trainer's business; here is only that they come back exactly, or not at all with the reason.
 *
 *   64 bytes       "tnstate1", u64 bytes of the file, u64 fields, zeros
 *   64 bytes each  name (40, zero-padded), u64 offset, u64 size, u64 zero
 *   fields         each from an offset divisible by 64
 *   8 bytes        tn_hash of all before
 * Numbers are little-endian. */
#ifndef TN_NET_STATE_H
#define TN_NET_STATE_H

#include "layers/device/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_STATE_NAME = 40 }; /* longest name, its end included */

typedef struct tn_state_field {
    const char *name;
    const void *bytes;
    size_t size;
} tn_state_field;

/* Written beside the target, synced, renamed: a failure leaves the previous file whole. */
tn_status tn_state_save(const char *path, const tn_state_field *field, int n);

typedef struct tn_state tn_state;

/* Opens and checks the whole file. Fails on one that is missing, no .state file, truncated or
 * damaged. */
tn_status tn_state_open(const char *path, tn_state **out);
void tn_state_close(tn_state *state);

/* The field of this name: a pointer into the file, valid until it is closed. NULL: no such field.
 */
const void *tn_state_find(const tn_state *state, const char *name, size_t *size);

/* Copies a field of exactly `size` bytes; fails, naming file and field, when it is missing or of
 * another size. */
tn_status tn_state_get(const tn_state *state, const char *name, void *to, size_t size);

#ifdef __cplusplus
}
#endif
#endif

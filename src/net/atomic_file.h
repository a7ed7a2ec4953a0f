/* Files that are either written whole or not at all.
 *
 * What is written goes to PATH.part beside the target (a rename must not cross file systems), is
 * flushed to the disk, and takes the target's name in one step. A crash, a kill or a full disk at
 * any moment leaves the previous file as it was. */
#ifndef TN_NET_ATOMIC_FILE_H
#define TN_NET_ATOMIC_FILE_H

#include "layers/device/status.h"

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_atomic_file {
    FILE *to; /* may be printed to; errors are seen by tn_atomic_commit */
    char *path, *part;
} tn_atomic_file;

tn_status tn_atomic_open(tn_atomic_file *file, const char *path);
tn_status tn_atomic_write(tn_atomic_file *file, const void *bytes, size_t size);
/* Flushes, syncs file and folder, renames. On failure the target is untouched and PATH.part gone.
 */
tn_status tn_atomic_commit(tn_atomic_file *file);
/* Gives up: PATH.part is removed. Harmless after a commit. */
void tn_atomic_abandon(tn_atomic_file *file);

#ifdef __cplusplus
}
#endif
#endif

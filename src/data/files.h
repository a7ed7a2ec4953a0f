/* Files written beside their name and then put in place, so that a name holds the old file or the
 * new one and never half of either. */
#ifndef TN_DATA_FILES_H
#define TN_DATA_FILES_H

#include "layers/device/status.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes `size` bytes as `path`: temporary file beside it, fsync, rename. */
tn_status tn_file_write(const char *path, const void *bytes, size_t size);

/* A text file in the making. Write to `to`, then commit: errors of every write show there. */
typedef struct tn_text_file {
    FILE *to;
    char *text, *path; /* private */
    size_t size;
} tn_text_file;
tn_status tn_text_file_open(tn_text_file *file, const char *path_format, ...) TN_PRINTF(2, 3);
tn_status tn_text_file_commit(tn_text_file *file); /* puts it in place and closes */
void tn_text_file_discard(tn_text_file *file);     /* closes and leaves nothing */

/* Creates a folder and those above it; an existing one is fine. */
tn_status tn_make_folders(const char *path);

/* 64-bit FNV-1a: tells files apart for a first look; equal digests are compared byte by byte. */
uint64_t tn_digest(const void *bytes, size_t size);

/* The text as sprintf makes it, allocated to its length; NULL without memory. */
char *tn_text(const char *format, ...) TN_PRINTF(1, 2);

#ifdef __cplusplus
}
#endif
#endif

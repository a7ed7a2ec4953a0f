/* A file for the host to read that lies in memory: nothing to clear away, however the process ends.
 */
#ifndef TN_PLUGIN_MEMORY_FILE_H
#define TN_PLUGIN_MEMORY_FILE_H

#include "layers/device/status.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_memory_file {
    FILE *to;      /* NULL: not open */
    char path[40]; /* by which this process can open it, as often as it likes */
} tn_memory_file;

tn_status tn_memory_file_open(tn_memory_file *file, const char *name);
/* What was written can be read from now on. */
tn_status tn_memory_file_finish(tn_memory_file *file);
void tn_memory_file_close(tn_memory_file *file);

#ifdef __cplusplus
}
#endif
#endif

/* stderr into a file for a while, so that what a stage says does not drown the command's own. */
#ifndef TN_COMMANDS_LOG_FILE_H
#define TN_COMMANDS_LOG_FILE_H

#include "layers/device/status.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From now on stderr is the file, added to or begun anew. *back is where it was before. */
tn_status tn_log_begin(const char *path, bool add, int *back);
/* stderr is what it was. */
void tn_log_end(int back);

#ifdef __cplusplus
}
#endif
#endif

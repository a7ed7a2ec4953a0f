/* Shared libraries that are opened at run time, if they are there. */
#ifndef TN_DEVICE_LIBRARY_H
#define TN_DEVICE_LIBRARY_H

#include "layers/device/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the first of `names` (NULL-terminated sonames) that is found: in the folders of the
 * environment variable TN_CUDA_LIBRARIES (colon-separated), as the system finds libraries, in
 * /usr/local/cuda, and in `wheel`, the folder below nvidia/ of Python's packages ("cudnn"; NULL:
 * not there). It stays open. `title` names it in messages. */
tn_status tn_library_open(const char *title, const char *const *names, const char *wheel,
                          void **library);

/* `function` points to a function pointer. */
tn_status tn_library_symbol(void *library, const char *symbol, void *function);

#ifdef __cplusplus
}
#endif
#endif

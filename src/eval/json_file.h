/* JSON files read strictly: what is wrong is said with file and line. */
#ifndef TN_EVAL_JSON_FILE_H
#define TN_EVAL_JSON_FILE_H

#include "layers/device/status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One object, the whole file. Fails with FILE:LINE where it stops being JSON. Free with
 * cJSON_Delete. */
tn_status tn_json_load(const char *path, cJSON **out);

/* One object in `size` bytes that are line `line` (or begin there) of `path`. */
tn_status tn_json_parse(const char *text, size_t size, const char *path, size_t line, cJSON **out);

/* The number called `name`; NaN where it is null. Fails, naming `where`, when it is missing or of
 * another kind. */
tn_status tn_json_get_real(const cJSON *object, const char *where, const char *name, double *out);

/* The same, NaN also where it is missing. */
tn_status tn_json_get_real_or(const cJSON *object, const char *where, const char *name,
                              double *out);

/* The text or the object called `name`; NULL when there is none of that kind. */
const char *tn_json_get_text(const cJSON *object, const char *name);
const cJSON *tn_json_get_object(const cJSON *object, const char *name);

#ifdef __cplusplus
}
#endif
#endif

/* Numbers, counts and intervals as members of a JSON object, written the same way everywhere: as
 * many digits as bring a double back, null where undefined. false: out of memory. */
#ifndef TN_COMMANDS_JSON_FIGURES_H
#define TN_COMMANDS_JSON_FIGURES_H

#include "src/eval/interval.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cJSON frees what it could not add to; one false in a chain ends in "out of memory". */
bool tn_json_real(cJSON *object, const char *name, double value);
bool tn_json_count(cJSON *object, const char *name, size_t count);
/* [low,high] */
bool tn_json_interval(cJSON *object, const char *name, tn_interval interval);

#ifdef __cplusplus
}
#endif
#endif

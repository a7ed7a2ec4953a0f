#include "src/eval/json_file.h"

#include "src/data/text.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { MOST_BYTES = 1 << 26 };

static size_t lines_before(const char *text, const char *end) {
    size_t lines = 0;
    for (; text < end; text++) lines += *text == '\n';
    return lines;
}

tn_status tn_json_parse(const char *text, size_t size, const char *path, size_t line, cJSON **out) {
    const char *end = text;
    *out = cJSON_ParseWithLengthOpts(text, size, &end, false);
    if (!*out)
        return tn_fail("%s:%zu: no JSON: the file is damaged", path,
                       line + lines_before(text, end));
    const char *rest = end;
    while (rest < text + size && (*rest == ' ' || *rest == '\t' || *rest == '\r' || *rest == '\n'))
        rest++;
    if (rest == text + size && cJSON_IsObject(*out)) return TN_OK;
    const bool object = cJSON_IsObject(*out);
    cJSON_Delete(*out);
    *out = NULL;
    if (!object) return tn_fail("%s:%zu: no JSON object", path, line);
    return tn_fail("%s:%zu: more than one JSON object", path, line + lines_before(text, rest));
}

tn_status tn_json_load(const char *path, cJSON **out) {
    uint8_t *bytes;
    size_t size;
    *out = NULL;
    TN_TRY(tn_read_file(path, MOST_BYTES, &bytes, &size));
    const tn_status status = tn_json_parse((const char *)bytes, size, path, 1, out);
    free(bytes);
    return status;
}

tn_status tn_json_get_real_or(const cJSON *object, const char *where, const char *name,
                              double *out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive((cJSON *)object, name);
    *out = NAN;
    if (!item || cJSON_IsNull(item)) return TN_OK;
    if (!cJSON_IsNumber(item)) return tn_fail("%s: \"%s\" is no number", where, name);
    *out = item->valuedouble;
    return TN_OK;
}

tn_status tn_json_get_real(const cJSON *object, const char *where, const char *name, double *out) {
    if (!cJSON_HasObjectItem((cJSON *)object, name))
        return tn_fail("%s: \"%s\" is missing", where, name);
    return tn_json_get_real_or(object, where, name, out);
}

const char *tn_json_get_text(const cJSON *object, const char *name) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive((cJSON *)object, name));
}

const cJSON *tn_json_get_object(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive((cJSON *)object, name);
    return cJSON_IsObject(item) ? item : NULL;
}

/* metrics.jsonl read back. */
#include "src/data/text.h"
#include "src/eval/history.h"
#include "src/eval/json_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 28, WHERE = 512 };

static tn_status read_summary(const cJSON *record, const char *where, const char *name,
                              tn_summary *out) {
    const cJSON *o = tn_json_get_object(record, name);
    if (!o) return tn_fail("%s: \"%s\" is missing or no object", where, name);
    TN_TRY(tn_json_get_real(o, where, "loss", &out->loss));
    TN_TRY(tn_json_get_real(o, where, "accuracy", &out->accuracy));
    TN_TRY(tn_json_get_real(o, where, "f1", &out->f1));
    TN_TRY(tn_json_get_real(o, where, "auc", &out->auc));
    TN_TRY(tn_json_get_real(o, where, "balanced_accuracy", &out->balanced_accuracy));
    TN_TRY(tn_json_get_real(o, where, "sensitivity", &out->sensitivity));
    return tn_json_get_real(o, where, "specificity", &out->specificity);
}

static tn_status read_count(const cJSON *o, const char *where, const char *name, uint64_t *out) {
    double value;
    TN_TRY(tn_json_get_real(o, where, name, &value));
    if (!(value >= 0 && value < 9e15)) return tn_fail("%s: \"%s\" is %g", where, name, value);
    *out = (uint64_t)value;
    return TN_OK;
}

static tn_status read_record(const cJSON *o, const char *where, tn_epoch_record *r) {
    TN_TRY(tn_json_get_real(o, where, "epoch", &r->epoch));
    if (!(r->epoch >= 0)) return tn_fail("%s: \"epoch\" is %g", where, r->epoch);
    TN_TRY(read_count(o, where, "step", &r->step));
    TN_TRY(read_count(o, where, "images", &r->images));
    TN_TRY(tn_json_get_real(o, where, "rate", &r->rate));
    TN_TRY(tn_json_get_real(o, where, "seconds", &r->seconds));
    TN_TRY(tn_json_get_real(o, where, "images_per_second", &r->images_per_second));
    r->best = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive((cJSON *)o, "best"));
    TN_TRY(read_summary(o, where, "train", &r->train));
    return read_summary(o, where, "valid", &r->valid);
}

static tn_status read_line(const char *text, const char *path, size_t line, tn_history *out) {
    char where[WHERE];
    tn_epoch_record r = {0};
    cJSON *o;
    snprintf(where, sizeof where, "%s:%zu", path, line);
    TN_TRY(tn_json_parse(text, strlen(text), path, line, &o));
    tn_status status = read_record(o, where, &r);
    if (status == TN_OK) status = tn_history_add(out, &r);
    cJSON_Delete(o);
    return status;
}

tn_status tn_history_load(const char *path, tn_history *out) {
    uint8_t *bytes;
    size_t size, line = 0;
    *out = (tn_history){0};
    TN_TRY(tn_read_file(path, MOST_BYTES, &bytes, &size));
    char *cursor = (char *)bytes;
    tn_status status =
        memchr(bytes, 0, size) ? tn_fail("%s: a zero byte: the file is damaged", path) : TN_OK;
    for (char *text; status == TN_OK && (text = tn_next_line(&cursor));)
        status = read_line(text, path, ++line, out);
    free(bytes);
    if (status != TN_OK) tn_history_free(out);
    return status;
}

#include "src/data/sidecar.h"

#include "layers/device/memory.h"
#include "src/data/text.h"
#include "src/net/atomic_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 24, MOST_CLASSES = 1 << 16, MOST_SCALES = 1 << 16 };

static char *sidecar_path(const char *weights) {
    size_t size = strlen(weights) + sizeof ".json";
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s.json", weights);
    return path;
}

/* ---- writing ---- */

/* The preprocessing's own KEY=VALUE lines as members of an object. */
static bool add_preprocess(cJSON *object, char *text) {
    char *cursor = text;
    for (char *line = tn_next_line(&cursor); line; line = tn_next_line(&cursor)) {
        char *equals = strchr(line, '=');
        if (!equals) continue;
        *equals = 0;
        if (!cJSON_AddStringToObject(object, line, equals + 1)) return false;
    }
    return true;
}

static bool add_classes(cJSON *root, const tn_sidecar *s) {
    cJSON *names = cJSON_AddArrayToObject(root, "classes");
    for (int i = 0; names && i < s->classes; i++)
        if (!cJSON_AddItemToArray(names, cJSON_CreateString(s->name[i]))) return false;
    if (!names) return false;
    return !s->positive || cJSON_AddStringToObject(root, "positive", s->positive);
}

/* 64 bits as text: JSON readers keep only 53 of a number. */
static bool add_digest(cJSON *object, const char *name, uint64_t digest) {
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, digest);
    return cJSON_AddStringToObject(object, name, text) != NULL;
}

static bool add_calibration(cJSON *root, const tn_calibration *c) {
    cJSON *object = cJSON_AddObjectToObject(root, "calibration");
    bool ok = object && cJSON_AddNumberToObject(object, "temperature", c->temperature);
    ok = ok && cJSON_AddNumberToObject(object, "loss_before", c->loss_before);
    ok = ok && cJSON_AddNumberToObject(object, "loss_after", c->loss_after);
    ok = ok && cJSON_AddStringToObject(object, "list", c->list);
    ok = ok && add_digest(object, "list_digest", c->list_digest);
    ok = ok && add_digest(object, "weights_digest", c->weights_digest);
    ok = ok && cJSON_AddNumberToObject(object, "images", c->images);
    ok = ok && (!c->precision || cJSON_AddStringToObject(object, "precision", c->precision));
    if (!ok || isnan(c->threshold)) return ok;
    ok = cJSON_AddNumberToObject(object, "threshold", c->threshold);
    ok = ok && cJSON_AddNumberToObject(object, "wanted_sensitivity", c->wanted_sensitivity);
    ok = ok && cJSON_AddNumberToObject(object, "sensitivity", c->sensitivity);
    ok = ok && cJSON_AddNumberToObject(object, "specificity", c->specificity);
    return ok && cJSON_AddNumberToObject(object, "positives", c->positives);
}

static bool add_int8(cJSON *root, const tn_sidecar_int8 *q) {
    if (q->n == 0) return true;
    cJSON *object = cJSON_AddObjectToObject(root, "int8");
    bool ok = object && cJSON_AddStringToObject(object, "list", q->list);
    ok = ok && add_digest(object, "list_digest", q->list_digest);
    ok = ok && add_digest(object, "weights_digest", q->weights_digest);
    ok = ok && cJSON_AddNumberToObject(object, "images", q->images);
    ok = ok && cJSON_AddStringToObject(object, "clip", q->clip);
    if (ok && !isnan(q->mean_change))
        ok = cJSON_AddNumberToObject(object, "mean_change", q->mean_change) &&
             cJSON_AddNumberToObject(object, "largest_change", q->largest_change);
    cJSON *scales = ok ? cJSON_AddArrayToObject(object, "scales") : NULL;
    for (int i = 0; scales && i < q->n; i++) {
        cJSON *one = cJSON_CreateObject();
        ok = one && cJSON_AddItemToArray(scales, one);
        ok = ok && cJSON_AddStringToObject(one, "op", q->op[i]);
        ok = ok && cJSON_AddNumberToObject(one, "step", (double)q->scale[i].step);
        ok = ok && cJSON_AddBoolToObject(one, "signed", q->scale[i].is_signed);
        if (!ok) return false;
    }
    if (!scales || !cJSON_AddBoolToObject(object, "calibrated", q->calibrated)) return false;
    return !q->calibrated || add_calibration(object, &q->calibration);
}

static bool fill(cJSON *root, const tn_sidecar *s, char *preprocess) {
    char seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    bool ok = cJSON_AddStringToObject(root, "notice", s->notice ? s->notice : "") != NULL;
    ok = ok && cJSON_AddStringToObject(root, "cfg", s->cfg ? s->cfg : "");
    ok = ok && add_classes(root, s);
    ok = ok && cJSON_AddBoolToObject(root, "calibrated", s->calibrated);
    ok = ok && (!s->calibrated || add_calibration(root, &s->calibration));
    ok = ok && add_int8(root, &s->int8);
    ok = ok && cJSON_AddNumberToObject(root, "width", s->width);
    ok = ok && cJSON_AddNumberToObject(root, "height", s->height);
    ok = ok && cJSON_AddNumberToObject(root, "channels", s->channels);
    cJSON *object = ok ? cJSON_AddObjectToObject(root, "preprocessing") : NULL;
    ok = object && add_preprocess(object, preprocess);
    /* a text: JSON readers keep only 53 bits of a number */
    ok = ok && cJSON_AddStringToObject(root, "seed", seed);
    ok = ok && cJSON_AddNumberToObject(root, "step", (double)s->step);
    return ok && cJSON_AddNumberToObject(root, "epoch", s->epoch);
}

static tn_status save_text(const char *path, const char *text) {
    tn_atomic_file file;
    TN_TRY(tn_atomic_open(&file, path));
    tn_status status = tn_atomic_write(&file, text, strlen(text));
    if (status == TN_OK) status = tn_atomic_write(&file, "\n", 1);
    if (status == TN_OK) return tn_atomic_commit(&file);
    tn_atomic_abandon(&file);
    return status;
}

tn_status tn_sidecar_write(const char *weights, const tn_sidecar *sidecar) {
    char preprocess[TN_PREPROCESS_TEXT];
    TN_TRY(tn_preprocess_write(&sidecar->preprocess, preprocess, sizeof preprocess));
    char *path = sidecar_path(weights), *text = NULL;
    cJSON *root = cJSON_CreateObject();
    if (path && root && fill(root, sidecar, preprocess)) text = cJSON_Print(root);
    tn_status status = text ? save_text(path, text) : tn_fail("%s.json: out of memory", weights);
    cJSON_free(text);
    cJSON_Delete(root);
    free(path);
    return status;
}

/* ---- reading ---- */

static tn_status lacks(const char *path, const char *name) {
    return tn_fail("%s: \"%s\" is missing or of the wrong kind", path, name);
}

static tn_status get_text(const cJSON *root, const char *path, const char *name, tn_arena *arena,
                          const char **out) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive((cJSON *)root, name));
    if (!text) return lacks(path, name);
    *out = tn_arena_text(arena, text);
    return *out ? TN_OK : TN_FAIL;
}

static tn_status get_number(const cJSON *root, const char *path, const char *name, double max,
                            double *out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive((cJSON *)root, name);
    if (!cJSON_IsNumber(item)) return lacks(path, name);
    if (!(item->valuedouble >= 0 && item->valuedouble <= max))
        return tn_fail("%s: \"%s\" is %g, expected 0 to %g", path, name, item->valuedouble, max);
    *out = item->valuedouble;
    return TN_OK;
}

static tn_status get_size(const cJSON *root, const char *path, const char *name, int *out) {
    double value = 0;
    TN_TRY(get_number(root, path, name, 1 << 15, &value));
    *out = (int)value;
    return TN_OK;
}

static tn_status get_classes(const cJSON *root, const char *path, tn_arena *arena,
                             tn_sidecar *out) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive((cJSON *)root, "classes");
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (n < 1 || n > MOST_CLASSES) return lacks(path, "classes");
    const char **name = tn_arena_alloc(arena, (size_t)n * sizeof *name);
    if (!name) return TN_FAIL;
    int i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsString(item)) return lacks(path, "classes");
        name[i] = tn_arena_text(arena, item->valuestring);
        if (!name[i++]) return TN_FAIL;
    }
    out->name = name;
    out->classes = n;
    if (!cJSON_HasObjectItem(root, "positive")) return TN_OK;
    TN_TRY(get_text(root, path, "positive", arena, &out->positive));
    for (i = 0; i < n; i++)
        if (strcmp(out->positive, name[i]) == 0) return TN_OK;
    return tn_fail("%s: \"positive\" is %s, which is no class", path, out->positive);
}

static tn_status get_preprocess(const cJSON *root, const char *path, tn_preprocess *out) {
    const cJSON *object = cJSON_GetObjectItemCaseSensitive((cJSON *)root, "preprocessing");
    if (!cJSON_IsObject(object)) return lacks(path, "preprocessing");
    char text[TN_PREPROCESS_TEXT];
    size_t used = 0;
    text[0] = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        if (!cJSON_IsString(item)) return lacks(path, "preprocessing");
        int n =
            snprintf(text + used, sizeof text - used, "%s=%s\n", item->string, item->valuestring);
        if (n < 0 || (size_t)n >= sizeof text - used)
            return tn_fail("%s: \"preprocessing\" is too long", path);
        used += (size_t)n;
    }
    return tn_preprocess_read(text, path, out);
}

static tn_status get_digest(const cJSON *root, const char *path, const char *name, uint64_t *out) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive((cJSON *)root, name));
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return lacks(path, name);
    *out = strtoull(text, NULL, 16);
    return TN_OK;
}

static tn_status get_threshold(const cJSON *object, const char *path, tn_calibration *out) {
    out->threshold = out->wanted_sensitivity = out->sensitivity = out->specificity = NAN;
    if (!cJSON_HasObjectItem(object, "threshold")) return TN_OK;
    TN_TRY(get_number(object, path, "threshold", 1, &out->threshold));
    TN_TRY(get_number(object, path, "wanted_sensitivity", 1, &out->wanted_sensitivity));
    TN_TRY(get_number(object, path, "sensitivity", 1, &out->sensitivity));
    TN_TRY(get_number(object, path, "specificity", 1, &out->specificity));
    return get_number(object, path, "positives", 9e15, &out->positives);
}

static tn_status get_bool(const cJSON *root, const char *path, const char *name, bool *out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive((cJSON *)root, name);
    if (!cJSON_IsBool(item)) return lacks(path, name);
    *out = cJSON_IsTrue(item);
    return TN_OK;
}

static tn_status get_calibration(const cJSON *root, const char *path, tn_arena *arena,
                                 const char *positive, bool *calibrated, tn_calibration *c) {
    TN_TRY(get_bool(root, path, "calibrated", calibrated));
    if (!*calibrated) return TN_OK;
    const cJSON *object = cJSON_GetObjectItemCaseSensitive((cJSON *)root, "calibration");
    if (!cJSON_IsObject(object)) return lacks(path, "calibration");
    TN_TRY(get_number(object, path, "temperature", 100, &c->temperature));
    if (!(c->temperature >= 0.01))
        return tn_fail("%s: \"temperature\" is %g, expected 0.01 to 100", path, c->temperature);
    TN_TRY(get_number(object, path, "loss_before", 1e9, &c->loss_before));
    TN_TRY(get_number(object, path, "loss_after", 1e9, &c->loss_after));
    TN_TRY(get_text(object, path, "list", arena, &c->list));
    TN_TRY(get_digest(object, path, "list_digest", &c->list_digest));
    TN_TRY(get_digest(object, path, "weights_digest", &c->weights_digest));
    TN_TRY(get_number(object, path, "images", 9e15, &c->images));
    if (cJSON_HasObjectItem(object, "precision"))
        TN_TRY(get_text(object, path, "precision", arena, &c->precision));
    TN_TRY(get_threshold(object, path, c));
    if (isnan(c->threshold) || positive) return TN_OK;
    return tn_fail("%s: a threshold, but no \"positive\" class that it is of", path);
}

static tn_status get_scales(const cJSON *object, const char *path, tn_arena *arena,
                            tn_sidecar_int8 *out) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive((cJSON *)object, "scales"), *item;
    const int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (n < 1 || n > MOST_SCALES) return lacks(path, "scales");
    const char **op = tn_arena_alloc(arena, (size_t)n * sizeof *op);
    tn_quantisation *scale = tn_arena_alloc(arena, (size_t)n * sizeof *scale);
    if (!op || !scale) return TN_FAIL;
    int i = 0;
    cJSON_ArrayForEach(item, list) {
        double step = 0;
        TN_TRY(get_text(item, path, "op", arena, &op[i]));
        TN_TRY(get_number(item, path, "step", 1e30, &step));
        TN_TRY(get_bool(item, path, "signed", &scale[i].is_signed));
        scale[i].step = (float)step;
        if (!(scale[i].step > FLT_MIN))
            return tn_fail("%s: \"step\" of %s is %g, expected more than 0", path, op[i], step);
        i++;
    }
    *out = (tn_sidecar_int8){.n = n, .op = op, .scale = scale};
    return TN_OK;
}

static tn_status get_int8(const cJSON *root, const char *path, tn_arena *arena, tn_sidecar *side) {
    tn_sidecar_int8 *out = &side->int8;
    const cJSON *object = cJSON_GetObjectItemCaseSensitive((cJSON *)root, "int8");
    if (!object) return TN_OK;
    if (!cJSON_IsObject(object)) return lacks(path, "int8");
    TN_TRY(get_scales(object, path, arena, out));
    TN_TRY(get_text(object, path, "list", arena, &out->list));
    TN_TRY(get_digest(object, path, "list_digest", &out->list_digest));
    TN_TRY(get_digest(object, path, "weights_digest", &out->weights_digest));
    TN_TRY(get_number(object, path, "images", 9e15, &out->images));
    TN_TRY(get_text(object, path, "clip", arena, &out->clip));
    out->mean_change = out->largest_change = NAN;
    if (cJSON_HasObjectItem(object, "mean_change")) {
        TN_TRY(get_number(object, path, "mean_change", 1, &out->mean_change));
        TN_TRY(get_number(object, path, "largest_change", 1, &out->largest_change));
    }
    return get_calibration(object, path, arena, side->positive, &out->calibrated,
                           &out->calibration);
}

static tn_status get_all(const cJSON *root, const char *path, tn_arena *arena, tn_sidecar *out) {
    const char *seed = "";
    double step = 0;
    TN_TRY(get_text(root, path, "notice", arena, &out->notice));
    TN_TRY(get_text(root, path, "cfg", arena, &out->cfg));
    TN_TRY(get_classes(root, path, arena, out));
    TN_TRY(get_calibration(root, path, arena, out->positive, &out->calibrated, &out->calibration));
    TN_TRY(get_int8(root, path, arena, out));
    TN_TRY(get_size(root, path, "width", &out->width));
    TN_TRY(get_size(root, path, "height", &out->height));
    TN_TRY(get_size(root, path, "channels", &out->channels));
    TN_TRY(get_preprocess(root, path, &out->preprocess));
    TN_TRY(get_text(root, path, "seed", arena, &seed));
    char *end;
    errno = 0;
    out->seed = strtoull(seed, &end, 10);
    if (*end || end == seed || errno) return lacks(path, "seed");
    TN_TRY(get_number(root, path, "step", 9e15, &step));
    out->step = (uint64_t)step;
    return get_number(root, path, "epoch", 1e15, &out->epoch);
}

static tn_status read_from(const char *path, tn_sidecar *out) {
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(path, MOST_BYTES, &bytes, &size));
    cJSON *root = cJSON_ParseWithLength((const char *)bytes, size);
    free(bytes);
    tn_arena *arena = calloc(1, sizeof *arena);
    out->memory = arena;
    tn_status status = TN_OK;
    if (!arena)
        status = tn_fail("%s: out of memory", path);
    else if (!cJSON_IsObject(root))
        status = tn_fail("%s: no JSON object: the file is damaged", path);
    else
        status = get_all(root, path, arena, out);
    cJSON_Delete(root);
    return status;
}

tn_status tn_sidecar_read(const char *weights, tn_sidecar *out, bool *found) {
    *out = (tn_sidecar){0};
    *found = false;
    char *path = sidecar_path(weights);
    if (!path) return tn_fail("%s.json: out of memory", weights);
    tn_status status = TN_OK;
    if (access(path, F_OK) == 0) {
        *found = true;
        status = read_from(path, out);
    }
    if (status != TN_OK) tn_sidecar_free(out);
    free(path);
    return status;
}

void tn_sidecar_free(tn_sidecar *sidecar) {
    tn_arena *arena = sidecar->memory;
    if (arena) {
        tn_arena_free(arena);
        free(arena);
    }
    *sidecar = (tn_sidecar){0};
}

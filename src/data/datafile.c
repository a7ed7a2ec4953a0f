#include "src/data/datafile.h"

#include "layers/keys.h"
#include "src/data/text.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 1 << 20 };

typedef enum key_kind {
    KIND_CLASSES,
    KIND_TOP,
    KIND_FILE, /* read by us: looked for beside the .data file too */
    KIND_TEXT, /* kept as it is */
    KIND_CROP,
    KIND_MARGIN,
    KIND_DENOISE,
    KIND_CHANNELS,
    KIND_MEAN,
    KIND_STD,
    KIND_IGNORED /* Darknet's, without effect here: one warning */
} key_kind;

static const struct key {
    const char *name;
    key_kind kind;
    size_t offset; /* of a FILE or TEXT in tn_data_config */
} keys[] = {
    {"classes", KIND_CLASSES, 0},
    {"train", KIND_FILE, offsetof(tn_data_config, train)},
    {"valid", KIND_FILE, offsetof(tn_data_config, valid)},
    {"test", KIND_FILE, offsetof(tn_data_config, test)},
    {"labels", KIND_FILE, offsetof(tn_data_config, labels)},
    {"names", KIND_FILE, offsetof(tn_data_config, names)},
    {"backup", KIND_TEXT, offsetof(tn_data_config, backup)},
    {"top", KIND_TOP, 0},
    {"positive", KIND_TEXT, offsetof(tn_data_config, positive)},
    {"crop", KIND_CROP, 0},
    {"crop_margin", KIND_MARGIN, 0},
    {"denoise", KIND_DENOISE, 0},
    {"channels", KIND_CHANNELS, 0},
    {"input_mean", KIND_MEAN, 0},
    {"input_std", KIND_STD, 0},
    {"leaves", KIND_IGNORED, 0},
    {"tree", KIND_IGNORED, 0},
    {"hierarchy", KIND_IGNORED, 0},
    {"eval", KIND_IGNORED, 0},
    {"map", KIND_IGNORED, 0},
    {"tag", KIND_IGNORED, 0},
};

enum { N_KEYS = sizeof keys / sizeof *keys };

static const char *const crop_names[] = {"none", "frame", "nodule"};

const char *tn_crop_name(tn_crop crop) {
    return crop_names[crop];
}

tn_preprocess tn_preprocess_default(void) {
    return (tn_preprocess){.input_std = {1, 1, 1}};
}

/* --- values ---------------------------------------------------------------------------------- */

static tn_status read_integer(const char *key, const char *text, long lo, long hi, int *out) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < lo || value > hi)
        return tn_fail("%s=%s: a whole number from %ld to %ld expected", key, text, lo, hi);
    *out = (int)value;
    return TN_OK;
}

static tn_status read_real(const char *key, const char *text, double lo, double hi, double *out) {
    char *end;
    double value = strtod(text, &end);
    while (*end == ' ' || *end == '\t') end++;
    if (end == text || *end || !isfinite(value) || value < lo || value > hi)
        return tn_fail("%s=%s: a number from %g to %g expected", key, text, lo, hi);
    *out = value;
    return TN_OK;
}

/* One value for every channel, or three with commas between. */
static tn_status read_channel_values(const char *key, const char *text, double lo, float out[3]) {
    char copy[256];
    if (strlen(text) >= sizeof copy) return tn_fail("%s: value of %zu letters", key, strlen(text));
    strcpy(copy, text);
    int n = 0;
    for (char *at = copy; at; n++) {
        char *comma = strchr(at, ',');
        if (comma) *comma++ = 0;
        double value = 0;
        if (n == 3) return tn_fail("%s=%s: one value or three expected", key, text);
        TN_TRY(read_real(key, tn_trim(at), lo, 1000, &value));
        out[n] = (float)value;
        at = comma;
    }
    if (n == 2) return tn_fail("%s=%s: one value or three expected", key, text);
    if (n == 1) out[1] = out[2] = out[0];
    return TN_OK;
}

static tn_status read_crop(const char *text, tn_crop *out) {
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, crop_names[i])) {
            *out = (tn_crop)i;
            return TN_OK;
        }
    return tn_fail("crop=%s: nodule, frame or none expected", text);
}

/* Reads a preprocessing key; TN_REFUSED when it is none. */
static tn_status read_preprocess_key(const struct key *key, const char *value, tn_preprocess *out) {
    const float smallest_std = 1e-6f;
    switch (key->kind) {
    case KIND_CROP:
        return read_crop(value, &out->crop);
    case KIND_MARGIN:
        return read_real(key->name, value, 0, 10, &out->crop_margin);
    case KIND_DENOISE:
        return tn_denoise_parse(value, &out->denoise);
    case KIND_MEAN:
        return read_channel_values(key->name, value, -1000, out->input_mean);
    case KIND_STD:
        return read_channel_values(key->name, value, smallest_std, out->input_std);
    case KIND_CHANNELS:
        TN_TRY(read_integer(key->name, value, 1, 3, &out->channels));
        return out->channels != 2 ? TN_OK : tn_fail("channels=2: 1 (grey) or 3 (RGB) expected");
    default:
        return TN_REFUSED;
    }
}

/* --- lines ----------------------------------------------------------------------------------- */

static const struct key *find_key(const char *name) {
    for (int i = 0; i < N_KEYS; i++)
        if (!strcmp(name, keys[i].name)) return &keys[i];
    return NULL;
}

static tn_status fail_unknown(const char *name) {
    const char *words[N_KEYS];
    for (int i = 0; i < N_KEYS; i++) words[i] = keys[i].name;
    const char *near = tn_nearest(name, words, N_KEYS);
    if (near) return tn_fail("unknown key '%s': did you mean '%s'?", name, near);
    return tn_fail("unknown key '%s'", name);
}

typedef tn_status key_reader(void *context, const struct key *key, const char *value, int line);

/* Splits a line and hands its key and value to `reader`; seen[i] is the line of key i, or 0. */
static tn_status read_line(char *text, int line, int seen[N_KEYS], key_reader *reader,
                           void *context) {
    char *name = tn_trim(text);
    if (!*name || *name == '#' || *name == ';') return TN_OK;
    char *equals = strchr(name, '=');
    if (!equals) return tn_fail("'%s': KEY=VALUE expected", name);
    *equals = 0;
    name = tn_trim(name);
    const char *value = tn_trim(equals + 1);
    const struct key *key = find_key(name);
    if (!key) return fail_unknown(name);
    if (!*value) return tn_fail("%s has no value", name);
    if (seen[key - keys])
        return tn_fail("%s stands here and in line %d: once expected", name, seen[key - keys]);
    seen[key - keys] = line;
    return reader(context, key, value, line);
}

static tn_status read_lines(const char *text, size_t size, const char *name, key_reader *reader,
                            void *context, int seen[N_KEYS]) {
    char *copy;
    TN_TRY(tn_text_from(text, size, name, &copy));
    char *cursor = copy;
    tn_status status = TN_OK;
    char *line;
    for (int n = 1; status == TN_OK && (line = tn_next_line(&cursor)); n++)
        if (read_line(line, n, seen, reader, context) != TN_OK)
            status = tn_fail_in("%s:%d", name, n);
    free(copy);
    return status;
}

/* --- preprocessing as text ---------------------------------------------------------------------
 */

static tn_status preprocess_reader(void *context, const struct key *key, const char *value,
                                   int line) {
    (void)line;
    tn_status status = read_preprocess_key(key, value, context);
    if (status == TN_REFUSED) return tn_fail("%s is not a preprocessing key", key->name);
    return status;
}

tn_status tn_preprocess_read(const char *text, const char *name, tn_preprocess *out) {
    *out = tn_preprocess_default();
    int seen[N_KEYS] = {0};
    return read_lines(text, strlen(text), name, preprocess_reader, out, seen);
}

tn_status tn_preprocess_write(const tn_preprocess *p, char *text, size_t size) {
    const float *m = p->input_mean, *s = p->input_std;
    char channels[32] = "";
    if (p->channels) snprintf(channels, sizeof channels, "channels=%d\n", p->channels);
    int n = snprintf(text, size,
                     "crop=%s\ncrop_margin=%.17g\ndenoise=%s\n%s"
                     "input_mean=%.9g,%.9g,%.9g\ninput_std=%.9g,%.9g,%.9g\n",
                     tn_crop_name(p->crop), p->crop_margin, tn_denoise_name(p->denoise), channels,
                     m[0], m[1], m[2], s[0], s[1], s[2]);
    if (n < 0 || (size_t)n >= size)
        return tn_fail("preprocessing keys need %d bytes, %zu given", n + 1, size);
    return TN_OK;
}

tn_status tn_preprocess_compare(const tn_preprocess *a, const tn_preprocess *b) {
    if (a->crop != b->crop)
        return tn_fail("crop=%s against crop=%s", tn_crop_name(a->crop), tn_crop_name(b->crop));
    if (a->crop_margin != b->crop_margin)
        return tn_fail("crop_margin=%g against crop_margin=%g", a->crop_margin, b->crop_margin);
    if (a->denoise != b->denoise)
        return tn_fail("denoise=%s against denoise=%s", tn_denoise_name(a->denoise),
                       tn_denoise_name(b->denoise));
    if (a->channels && b->channels && a->channels != b->channels)
        return tn_fail("channels=%d against channels=%d", a->channels, b->channels);
    for (int i = 0; i < 3; i++) {
        if (a->input_mean[i] != b->input_mean[i])
            return tn_fail("input_mean=%g against input_mean=%g, channel %d", a->input_mean[i],
                           b->input_mean[i], i);
        if (a->input_std[i] != b->input_std[i])
            return tn_fail("input_std=%g against input_std=%g, channel %d", a->input_std[i],
                           b->input_std[i], i);
    }
    return TN_OK;
}

/* --- the whole file ------------------------------------------------------------------------------
 */

static tn_status warn(tn_data_config *config, const char *key, int line, const char *text) {
    char **grown = realloc(config->warning, sizeof *grown * ((size_t)config->n_warnings + 1));
    if (!grown) return tn_fail("no memory for a warning");
    config->warning = grown;
    size_t size = strlen(config->path) + strlen(key) + strlen(text) + 32;
    char *warning = malloc(size);
    if (!warning) return tn_fail("no memory for a warning");
    if (line)
        snprintf(warning, size, "%s:%d: %s %s", config->path, line, key, text);
    else
        snprintf(warning, size, "%s: %s %s", config->path, key, text);
    config->warning[config->n_warnings++] = warning;
    return TN_OK;
}

static tn_status data_reader(void *context, const struct key *key, const char *value, int line) {
    tn_data_config *config = context;
    tn_status status = read_preprocess_key(key, value, &config->preprocess);
    if (status != TN_REFUSED) return status;
    switch (key->kind) {
    case KIND_CLASSES:
        return read_integer(key->name, value, 1, 1 << 20, &config->classes);
    case KIND_TOP:
        return read_integer(key->name, value, 1, 1 << 20, &config->top);
    case KIND_IGNORED:
        return warn(config, key->name, line, "has no effect here");
    default:
        break;
    }
    char **field = (char **)((char *)config + key->offset);
    if (key->kind == KIND_FILE) return tn_find_beside(value, config->path, field);
    *field = strdup(value);
    return *field ? TN_OK : tn_fail("no memory for %s", key->name);
}

tn_status tn_data_config_parse(const char *text, size_t size, const char *path,
                               tn_data_config *out) {
    *out = (tn_data_config){.preprocess = tn_preprocess_default()};
    out->path = strdup(path);
    if (!out->path) return tn_fail("%s: no memory", path);
    int seen[N_KEYS] = {0};
    tn_status status = read_lines(text, size, path, data_reader, out, seen);
    if (status == TN_OK && out->classes == 0) {
        out->classes = 2;
        status = warn(out, "classes", 0, "is not given: 2 assumed");
    }
    if (status == TN_OK && out->top > out->classes)
        status = tn_fail("%s: top=%d is more than classes=%d", path, out->top, out->classes);
    if (status != TN_OK) tn_data_config_free(out);
    return status;
}

tn_status tn_data_config_load(const char *path, tn_data_config *out) {
    *out = (tn_data_config){0};
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(path, MAX_FILE_BYTES, &bytes, &size));
    tn_status status = tn_data_config_parse((const char *)bytes, size, path, out);
    free(bytes);
    return status;
}

void tn_data_config_free(tn_data_config *config) {
    if (!config) return;
    for (int i = 0; i < N_KEYS; i++)
        if (keys[i].kind == KIND_FILE || keys[i].kind == KIND_TEXT)
            free(*(char **)((char *)config + keys[i].offset));
    for (int i = 0; i < config->n_warnings; i++) free(config->warning[i]);
    free(config->warning);
    free(config->path);
    *config = (tn_data_config){0};
}

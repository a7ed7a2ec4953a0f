/* What decides about a cross-validation's result, so that runs of different ones are never mixed;
 * and the marks of folds that are done. */
#include "src/commands/crossval.h"
#include "src/commands/device.h"
#include "src/commands/json_figures.h"
#include "src/data/files.h"
#include "src/data/text.h"
#include "src/net/hash.h"
#include "src/version.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SETTINGS = 10, MOST_BYTES = 1 << 20 };

typedef struct setting {
    const char *key, *what; /* in settings.json; for people */
    char text[96];
} setting;

static uint64_t hash_images(const tn_crossval *c) {
    char preprocess[TN_PREPROCESS_TEXT] = "";
    tn_hash hash;
    tn_hash_start(&hash);
    if (tn_preprocess_write(&c->base.data.preprocess, preprocess, sizeof preprocess) == TN_OK)
        tn_hash_text(&hash, preprocess);
    tn_hash_text(&hash, c->base.data.positive ? c->base.data.positive : "");
    for (int k = 0; k < c->base.classes; k++) {
        tn_hash_text(&hash, c->base.labels.name[k]);
        tn_hash_text(&hash, c->base.names.name[k]);
    }
    for (int i = 0; i < c->list.n; i++) {
        tn_hash_text(&hash, c->list.path[i]);
        tn_hash_add(&hash, &c->list.label[i], sizeof c->list.label[i]);
    }
    return tn_hash_value(&hash);
}

static uint64_t hash_cases(const tn_crossval *c) {
    tn_hash hash;
    tn_hash_start(&hash);
    for (int i = 0; i < c->list.n; i++) {
        const int of = c->cases.known ? c->cases.of[i] : i;
        tn_hash_add(&hash, &c->cluster[i], sizeof c->cluster[i]);
        tn_hash_add(&hash, &of, sizeof of);
    }
    return tn_hash_value(&hash);
}

static tn_status start_of(const tn_crossval *c, char *text, size_t size) {
    const tn_train_options *o = &c->options->train;
    uint64_t digest;
    snprintf(text, size, "none");
    if (!o->model.weights) return TN_OK;
    TN_TRY(tn_file_digest(o->model.weights, &digest));
    snprintf(text, size, "%016" PRIx64 "%s%s", digest, o->clear ? " -clear" : "",
             o->partial ? " -partial" : "");
    return TN_OK;
}

static TN_PRINTF(5, 6) void put(setting *s, int *n, const char *key, const char *what,
                                const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s[*n].text, sizeof s->text, format, arguments);
    va_end(arguments);
    s[*n].key = key;
    s[*n].what = what;
    ++*n;
}

static tn_status collect(const tn_crossval *c, const tn_net *net, setting s[SETTINGS]) {
    const tn_crossval_options *o = c->options;
    const tn_net_keys *k = &net->keys;
    char start[96];
    TN_TRY(start_of(c, start, sizeof start));
    int n = 0;
    put(s, &n, "folds", "-folds", "%d", o->folds);
    put(s, &n, "seed", "-seed", "%llu", o->train.seed);
    put(s, &n, "inner", "-inner", "%.17g", o->inner);
    put(s, &n, "views", "-views", "%s", tn_views_name((tn_views)o->views));
    put(s, &n, "net", "the cfg or a [net] key", "%016" PRIx64, tn_train_net_hash(&net->cfg));
    put(s, &n, "length", "the length of training",
        "epochs=%.17g max_batches=%d patience=%d valid-every=%d", k->epochs, k->max_batches,
        k->patience, o->train.valid_every);
    put(s, &n, "images", "the list, its labels or the preprocessing", "%016" PRIx64,
        hash_images(c));
    put(s, &n, "cases", "which images are one case", "%016" PRIx64, hash_cases(c));
    put(s, &n, "start", "WEIGHTS to start from", "%s", start);
    put(s, &n, "precision", "-precision", "%s", tn_precision_name(tn_device_precision()));
    return TN_OK;
}

/* ---- settings.json ---- */

static tn_status read_object(const char *path, cJSON **out) {
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(path, MOST_BYTES, &bytes, &size));
    *out = cJSON_ParseWithLength((const char *)bytes, size);
    free(bytes);
    if (cJSON_IsObject(*out)) return TN_OK;
    cJSON_Delete(*out);
    return tn_fail("%s: no JSON object: the file is damaged", path);
}

static tn_status write_object(const char *path, cJSON *root, bool ok) {
    char *text = ok ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!text) return tn_fail("%s: out of memory", path);
    const tn_status status = tn_file_write(path, text, strlen(text));
    cJSON_free(text);
    return status;
}

/* What only the bits depend on does not stop a run from going on. */
static void warn_of_bits(const tn_crossval *c, const char *path, const cJSON *root) {
    const char *version = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "version"));
    const cJSON *threads = cJSON_GetObjectItemCaseSensitive(root, "threads");
    if (!version || strcmp(version, TN_VERSION) != 0)
        fprintf(stderr,
                "warning: %s: begun with version %s, this is %s: the bytes may differ from those "
                "of one run\n",
                path, version ? version : "(none)", TN_VERSION);
    if (!cJSON_IsNumber(threads) || threads->valuedouble != c->threads)
        fprintf(stderr,
                "warning: %s: begun with another number of threads than %d: the bytes may differ "
                "from those of one run\n",
                path, c->threads);
}

static tn_status compare(const tn_crossval *c, const char *path, const cJSON *root,
                         const setting *s) {
    for (int i = 0; i < SETTINGS; i++) {
        const char *there = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, s[i].key));
        if (!there) return tn_fail("%s: \"%s\" is missing: the file is damaged", path, s[i].key);
        if (strcmp(there, s[i].text) == 0) continue;
        return tn_fail("%s: %s differs (%s there, %s here): folds of different cross-validations "
                       "are not mixed. Name another -out, or go back to what it was",
                       path, s[i].what, there, s[i].text);
    }
    warn_of_bits(c, path, root);
    return TN_OK;
}

static tn_status write_settings(const tn_crossval *c, const char *path, const setting *s) {
    cJSON *root = cJSON_CreateObject();
    bool ok = root && cJSON_AddStringToObject(root, "version", TN_VERSION);
    ok = ok && cJSON_AddNumberToObject(root, "threads", c->threads);
    for (int i = 0; i < SETTINGS; i++)
        ok = ok && cJSON_AddStringToObject(root, s[i].key, s[i].text);
    return write_object(path, root, ok);
}

/* What lies in a fold's folder without the settings that it was made with could be anything. */
static tn_status check_folders(const tn_crossval *c) {
    struct stat info;
    for (int i = 0; i < c->options->repeats * c->options->folds; i++)
        if (stat(c->fold[i].folder, &info) == 0)
            return tn_fail("%s is there already, but no %s/settings.json: expected an -out folder "
                           "without folds",
                           c->fold[i].folder, c->options->out);
    return TN_OK;
}

static tn_status settle(const tn_crossval *c, const char *path, const setting *s) {
    const bool there = access(path, F_OK) == 0;
    if (!c->options->resume && there)
        return tn_fail("%s: a cross-validation is there already: -resume goes on with it, another "
                       "-out leaves it alone",
                       path);
    if (!there) {
        TN_TRY(check_folders(c));
        return write_settings(c, path, s);
    }
    cJSON *root;
    TN_TRY(read_object(path, &root));
    const tn_status status = compare(c, path, root, s);
    cJSON_Delete(root);
    return status;
}

tn_status tn_crossval_settings(tn_crossval *c, const tn_net *net) {
    setting s[SETTINGS];
    TN_TRY(collect(c, net, s));
    tn_hash hash;
    tn_hash_start(&hash);
    for (int i = 0; i < SETTINGS; i++) tn_hash_text(&hash, s[i].text);
    c->settings = tn_hash_value(&hash);
    char *path = tn_text("%s/settings.json", c->options->out);
    if (!path) return tn_fail("out of memory");
    const tn_status status = settle(c, path, s);
    free(path);
    return status;
}

/* ---- done.json ---- */

tn_status tn_crossval_mark(const tn_crossval *c, const tn_crossval_fold *x) {
    char settings[24], *path = tn_text("%s/done.json", x->folder);
    if (!path) return tn_fail("out of memory");
    snprintf(settings, sizeof settings, "%016" PRIx64, c->settings);
    cJSON *root = cJSON_CreateObject();
    const bool ok = root && cJSON_AddStringToObject(root, "settings", settings) &&
                    cJSON_AddStringToObject(root, "weights", x->weights) &&
                    tn_json_real(root, "updates", (double)x->updates) &&
                    tn_json_real(root, "loss", x->loss);
    const tn_status status = write_object(path, root, ok);
    free(path);
    return status;
}

static tn_status read_mark(const tn_crossval *c, const char *path, const cJSON *root,
                           tn_crossval_fold *x) {
    char settings[24];
    const char *there = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "settings"));
    const cJSON *updates = cJSON_GetObjectItemCaseSensitive(root, "updates");
    const cJSON *loss = cJSON_GetObjectItemCaseSensitive(root, "loss");
    if (!there || !cJSON_IsNumber(updates) || !cJSON_IsNumber(loss))
        return tn_fail("%s: \"settings\", \"updates\" or \"loss\" is missing: the file is damaged",
                       path);
    snprintf(settings, sizeof settings, "%016" PRIx64, c->settings);
    if (strcmp(there, settings) != 0)
        return tn_fail("%s: made for another cross-validation (settings %s, expected %s)", path,
                       there, settings);
    x->updates = (uint64_t)updates->valuedouble;
    x->loss = loss->valuedouble;
    return TN_OK;
}

tn_status tn_crossval_marked(const tn_crossval *c, tn_crossval_fold *x, bool *done) {
    char *path = tn_text("%s/done.json", x->folder);
    cJSON *root = NULL;
    if (!path) return tn_fail("out of memory");
    *done = access(path, F_OK) == 0;
    tn_status status = *done ? read_object(path, &root) : TN_OK;
    if (status == TN_OK && *done) {
        status = read_mark(c, path, root, x);
        cJSON_Delete(root);
    }
    free(path);
    return status;
}

/* One run folder read. */
#include "src/data/files.h"
#include "src/data/sidecar.h"
#include "src/data/text.h"
#include "src/eval/json_file.h"
#include "src/eval/report_parts.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_TEXT = 1 << 20 };

char *tn_report_path(tn_report *report, const char *folder, const char *name) {
    char *text = tn_text("%s/%s", folder, name);
    char *kept = text ? tn_arena_text(&report->memory, text) : NULL;
    if (!text) tn_fail("%s: out of memory", folder);
    free(text);
    return kept;
}

static bool ends_in(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

char *tn_report_find(tn_report *report, const char *folder, const char *end) {
    struct dirent **entry;
    char *found = NULL;
    const int n = scandir(folder, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (!found && entry[i]->d_name[0] != '.' && ends_in(entry[i]->d_name, end))
            found = tn_report_path(report, folder, entry[i]->d_name);
        free(entry[i]);
    }
    if (n >= 0) free(entry);
    return found;
}

static bool is_there(const char *path) {
    return path && access(path, F_OK) == 0;
}

/* The text of folder/name, NULL where there is no such file. */
static tn_status read_text(tn_report *report, const char *folder, const char *name,
                           const char **out) {
    const char *path = tn_report_path(report, folder, name);
    uint8_t *bytes;
    size_t size;
    *out = NULL;
    if (!path) return TN_FAIL;
    if (!is_there(path)) return TN_OK;
    TN_TRY(tn_read_file(path, MOST_TEXT, &bytes, &size));
    char *text;
    tn_status status = tn_text_from((const char *)bytes, size, path, &text);
    free(bytes);
    TN_TRY(status);
    *out = tn_arena_text(&report->memory, text);
    free(text);
    return *out ? TN_OK : TN_FAIL;
}

/* ---- WEIGHTS.json ---- */

/* The sidecar of the weights that were scored, else of the final, the best or any others; of a
 * cross-validation, those of its first fold. */
static const char *find_sidecar(tn_report *report, const tn_report_run *run) {
    const char *folder = run->crossval ? tn_report_path(report, run->path, "r1-f1") : run->path;
    static const char *const end[] = {"_final.weights.json", "_best.weights.json", ".weights.json"};
    if (run->weights) {
        const char *slash = strrchr(run->weights, '/');
        char *name = tn_text("%s.json", slash ? slash + 1 : run->weights);
        const char *path = name ? tn_report_path(report, folder, name) : NULL;
        free(name);
        if (is_there(path)) return path;
    }
    const char *found = NULL;
    for (size_t i = 0; folder && i < sizeof end / sizeof *end && !found; i++)
        found = tn_report_find(report, folder, end[i]);
    return found;
}

static const char *stem(tn_report *report, const char *path) {
    const char *slash = strrchr(path, '/');
    char *text = tn_arena_text(&report->memory, slash ? slash + 1 : path);
    if (text && ends_in(text, ".cfg")) text[strlen(text) - 4] = 0;
    return text;
}

static tn_status take_sidecar(tn_report *report, tn_report_run *run, const tn_sidecar *s) {
    char text[TN_PREPROCESS_TEXT];
    TN_TRY(tn_preprocess_write(&s->preprocess, text, sizeof text));
    run->preprocess = tn_arena_text(&report->memory, text);
    run->net = stem(report, s->cfg);
    run->has_seed = true;
    run->seed = s->seed;
    run->width = s->width;
    run->height = s->height;
    run->channels = s->channels;
    run->epochs = s->epoch;
    run->calibrated = s->calibrated;
    return run->preprocess && run->net ? TN_OK : TN_FAIL;
}

static tn_status read_sidecar(tn_report *report, tn_report_run *run, const char *path) {
    cJSON *json;
    tn_sidecar s;
    bool found;
    TN_TRY(tn_json_load(path, &json)); /* says in which line it is damaged */
    cJSON_Delete(json);
    char *weights = strndup(path, strlen(path) - strlen(".json"));
    if (!weights) return tn_fail("%s: out of memory", path);
    tn_status status = tn_sidecar_read(weights, &s, &found);
    free(weights);
    TN_TRY(status);
    status = found ? take_sidecar(report, run, &s) : tn_fail("%s: is gone", path);
    tn_sidecar_free(&s);
    return status;
}

/* ---- valid.json ---- */

tn_status tn_report_keep(tn_report *report, const cJSON *object, const char *name,
                         const char **out) {
    const char *text = object ? tn_json_get_text(object, name) : NULL;
    if (!text) return TN_OK;
    *out = tn_arena_text(&report->memory, text);
    return *out ? TN_OK : TN_FAIL;
}

static tn_status take_valid(tn_report *report, const cJSON *o, const char *path,
                            tn_report_run *run) {
    const cJSON *cases = tn_json_get_object(o, "cases"),
                *external = tn_json_get_object(o, "external");
    TN_TRY(tn_report_read_figures(report, o, path, &run->images));
    if (cases) TN_TRY(tn_report_read_figures(report, cases, path, &run->cases));
    if (external) TN_TRY(tn_report_read_figures(report, external, path, &run->external));
    const cJSON *external_cases = external ? tn_json_get_object(external, "cases") : NULL;
    if (external_cases)
        TN_TRY(tn_report_read_figures(report, external_cases, path, &run->external_cases));
    TN_TRY(tn_report_keep(report, external, "list", &run->external_list));
    TN_TRY(tn_report_keep(report, cases, "manifest", &run->manifest));
    TN_TRY(tn_report_keep(report, o, "list", &run->list));
    TN_TRY(tn_report_keep(report, o, "views", &run->views));
    TN_TRY(tn_report_keep(report, o, "weights", &run->weights));
    const char *positive = tn_json_get_text(o, "positive");
    if (!positive || !run->predictions.n) return TN_OK;
    run->positive = tn_predictions_class(&run->predictions, positive);
    return run->positive >= 0
               ? TN_OK
               : tn_fail("%s: the positive class %s is none of probs.csv's", path, positive);
}

static tn_status read_valid(tn_report *report, tn_report_run *run) {
    const char *path = tn_report_path(report, run->path, "valid.json");
    cJSON *o;
    if (!path) return TN_FAIL;
    if (!is_there(path)) return TN_OK;
    TN_TRY(tn_json_load(path, &o));
    const tn_status status = take_valid(report, o, path, run);
    cJSON_Delete(o);
    return status;
}

/* ---- all ---- */

static tn_status read_history(tn_report *report, tn_report_run *run) {
    const char *path = tn_report_path(report, run->path, "metrics.jsonl");
    if (!path) return TN_FAIL;
    if (!is_there(path)) return TN_OK;
    run->history = calloc(1, sizeof *run->history);
    if (!run->history) return tn_fail("%s: out of memory", path);
    run->histories = 1;
    return tn_history_load(path, run->history);
}

static tn_status read_texts(tn_report *report, tn_report_run *run) {
    const char *group;
    TN_TRY(read_text(report, run->path, "command.txt", &run->commands));
    TN_TRY(read_text(report, run->path, "machine.txt", &run->machine));
    TN_TRY(read_text(report, run->path, "group.txt", &group));
    run->cfg = tn_report_find(report, run->path, ".cfg");
    const char *gradcam = tn_report_path(report, run->path, "gradcam");
    if (!gradcam) return TN_FAIL;
    if (is_there(gradcam)) run->gradcam = gradcam;
    char *line = tn_arena_text(&report->memory, group ? group : "");
    if (!line) return TN_FAIL;
    line[strcspn(line, "\n")] = 0;
    run->group = tn_trim(line);
    return TN_OK;
}

/* external.csv: answers to another collection, where valid.json tells nothing of one. */
static tn_status read_external(tn_report *report, tn_report_run *run) {
    const char *path = tn_report_path(report, run->path, "external.csv");
    tn_predictions p;
    if (!path) return TN_FAIL;
    if (!is_there(path) || run->external.there) return TN_OK;
    TN_TRY(tn_predictions_read(path, &p));
    const tn_status status = tn_report_assess_external(report, run, &p);
    run->external_list = path;
    tn_predictions_free(&p);
    return status;
}

/* Without a sidecar the net is called after its cfg, else after the folder. */
static tn_status name_net(tn_report *report, tn_report_run *run) {
    const char *sidecar = find_sidecar(report, run);
    if (sidecar) TN_TRY(read_sidecar(report, run, sidecar));
    if (!run->net) run->net = stem(report, run->cfg ? run->cfg : run->path);
    return run->net ? TN_OK : TN_FAIL;
}

tn_status tn_report_read_run(tn_report *report, const char *folder, tn_report_run *run) {
    *run = (tn_report_run){.positive = -1, .epochs = NAN, .folds = NAN, .repeats = NAN};
    struct stat info;
    if (stat(folder, &info) != 0) return tn_fail("%s: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode)) return tn_fail("%s: no folder of a run", folder);
    char *path = tn_arena_text(&report->memory, folder);
    if (!path) return TN_FAIL;
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--) path[n - 1] = 0;
    run->path = path;
    const char *probabilities = tn_report_path(report, path, "probs.csv");
    const char *crossval = tn_report_path(report, path, "crossval.json");
    if (!probabilities || !crossval) return TN_FAIL;
    run->crossval = is_there(crossval);
    TN_TRY(read_texts(report, run));
    if (is_there(probabilities)) TN_TRY(tn_predictions_read(probabilities, &run->predictions));
    TN_TRY(read_valid(report, run));
    if (run->crossval)
        TN_TRY(tn_report_read_crossval(report, run));
    else
        TN_TRY(read_history(report, run));
    TN_TRY(name_net(report, run));
    if (!run->histories && !run->predictions.n && !run->images.there)
        return tn_fail("%s: no run: neither metrics.jsonl nor probs.csv, valid.json or "
                       "crossval.json is in it",
                       path);
    if (run->predictions.n && !run->images.there) TN_TRY(tn_report_assess(report, run));
    return read_external(report, run);
}

/* crossval.json: one object. Keys stay as they are; new ones are added. */
#include "src/commands/crossval.h"
#include "src/commands/device.h"
#include "src/commands/json_figures.h"
#include "src/commands/notice.h"
#include "src/data/files.h"
#include "src/eval/members.h"
#include "src/version.h"

#include "layers/device/cpu.h"

#include <stdlib.h>

static bool is_kept(int f) {
    return f != TN_FIGURE_PPV_AT && f != TN_FIGURE_NPV_AT;
}

static bool add_text_of(cJSON *o, const char *key, char *text) {
    const bool ok = text && cJSON_AddStringToObject(o, key, text);
    free(text);
    return ok;
}

/* Text, or null where there is none. */
static bool add_text(cJSON *o, const char *key, const char *text) {
    return text ? cJSON_AddStringToObject(o, key, text) != NULL
                : cJSON_AddNullToObject(o, key) != NULL;
}

/* ---- figures ---- */

static bool add_values(cJSON *o, const char *key, const double *figure) {
    cJSON *values = cJSON_AddObjectToObject(o, key);
    bool ok = values != NULL;
    for (int f = 0; f < TN_FIGURES; f++)
        if (is_kept(f)) ok = ok && tn_json_real(values, tn_figure_key((tn_figure)f), figure[f]);
    return ok;
}

static bool add_set(cJSON *o, const tn_valid_set *s) {
    if (!add_values(o, "images", s->images.figure)) return false;
    return s->has_cases ? add_values(o, "cases", s->by_case.figure) : add_text(o, "cases", NULL);
}

static bool add_spread(cJSON *o, const tn_crossval *c, bool by_case, tn_figure f, double *value) {
    const tn_assessment *a = by_case ? &c->mean.by_case : &c->mean.images;
    cJSON *x = cJSON_AddObjectToObject(o, tn_figure_key(f));
    tn_crossval_of_folds(c, by_case, f, value);
    const tn_spread fold = tn_spread_of(value, c->options->folds * c->options->repeats);
    tn_crossval_of_repeats(c, by_case, f, value);
    const tn_spread repeat = tn_spread_of(value, c->options->repeats);
    return x && tn_json_real(x, "mean_of_folds", fold.mean) &&
           tn_json_real(x, "sd_over_folds", fold.deviation) &&
           tn_json_count(x, "folds_counted", (size_t)fold.counted) &&
           tn_json_real(x, "pooled", repeat.mean) &&
           tn_json_real(x, "sd_over_repeats", repeat.deviation) &&
           tn_json_real(x, "averaged", a->figure[f]) &&
           tn_json_interval(x, "interval", a->interval[f]);
}

static bool add_spreads(cJSON *root, const tn_crossval *c, bool by_case, double *value) {
    const tn_assessment *a = by_case ? &c->mean.by_case : &c->mean.images;
    const tn_baseline *b = by_case ? &c->mean.case_baseline : &c->mean.baseline;
    cJSON *o = cJSON_AddObjectToObject(root, by_case ? "cases" : "images");
    cJSON *figures = o ? cJSON_AddObjectToObject(o, "figures") : NULL;
    bool ok = figures && tn_json_count(o, "n", a->n);
    for (int f = 0; f < TN_FIGURES && ok; f++)
        if (is_kept(f)) ok = add_spread(figures, c, by_case, (tn_figure)f, value);
    ok = ok && tn_json_count(o, "independent", (size_t)a->clusters);
    ok = ok && tn_json_count(o, "independent_in_smallest_class", (size_t)a->fewest);
    ok = ok && tn_json_count(o, "resamples", (size_t)a->resamples);
    if (by_case) ok = ok && tn_json_count(o, "left_out", c->mean.mixed);
    ok = ok && cJSON_AddStringToObject(o, "baseline_class", c->base.names.name[b->answer]);
    return ok && add_values(o, "baseline", b->figure);
}

/* ---- what was done ---- */

static bool add_count(cJSON *o, const char *key, tn_crossval_count n) {
    cJSON *x = cJSON_AddObjectToObject(o, key);
    return x && tn_json_count(x, "images", (size_t)n.images) &&
           tn_json_count(x, "cases", (size_t)n.cases);
}

static bool add_counts(cJSON *root, const tn_crossval *c) {
    cJSON *o = cJSON_AddObjectToObject(root, "counts");
    bool ok = o && cJSON_AddBoolToObject(o, "cases_known", c->cases.known);
    ok = ok && add_count(o, "all", c->all);
    cJSON *classes = ok ? cJSON_AddArrayToObject(o, "by_class") : NULL;
    for (int k = 0; classes && k < c->base.classes; k++) {
        cJSON *x = cJSON_CreateObject();
        if (!x || !cJSON_AddItemToArray(classes, x)) return false;
        ok = cJSON_AddStringToObject(x, "name", c->base.names.name[k]) &&
             tn_json_count(x, "images", (size_t)c->of_class[k].images) &&
             tn_json_count(x, "cases", (size_t)c->of_class[k].cases);
        if (!ok) return false;
    }
    return classes != NULL;
}

static bool add_command(cJSON *root, const tn_crossval *c) {
    cJSON *words = cJSON_CreateStringArray((const char *const *)c->options->argv, c->options->argc);
    return words && cJSON_AddItemToObject(root, "command", words);
}

static bool add_settings(cJSON *root, const tn_crossval *c) {
    const tn_crossval_options *o = c->options;
    bool ok = add_command(root, c) && cJSON_AddStringToObject(root, "version", TN_VERSION);
    ok = ok && cJSON_AddStringToObject(root, "processor", tn_cpu_describe());
    ok = ok && cJSON_AddStringToObject(root, "precision", tn_precision_name(tn_device_precision()));
    ok = ok && add_text(root, "data", c->base.data_path) &&
         add_text(root, "cfg", o->train.model.cfg);
    ok = ok && add_text(root, "list", c->list.path_of_list);
    ok = ok && add_text(root, "manifest", c->manifest);
    ok = ok && add_text(root, "start", o->train.model.weights);
    ok = ok && tn_json_real(root, "seed", (double)o->train.seed);
    ok = ok && tn_json_count(root, "folds", (size_t)o->folds);
    ok = ok && tn_json_count(root, "repeats", (size_t)o->repeats);
    ok = ok && cJSON_AddStringToObject(root, "choice", c->inner ? "inner" : "last");
    ok = ok && tn_json_real(root, "inner", o->inner);
    ok = ok && tn_json_real(root, "ema_alpha", c->ema_alpha);
    ok = ok && cJSON_AddStringToObject(root, "views", tn_views_name((tn_views)o->views));
    ok = ok && cJSON_AddBoolToObject(root, "calibrated", false);
    const int positive = c->base.positive;
    return ok && add_text(root, "positive", positive < 0 ? NULL : c->base.names.name[positive]) &&
           add_counts(root, c);
}

/* ---- each repeat, each fold ---- */

static bool add_repeats(cJSON *root, const tn_crossval *c) {
    cJSON *list = cJSON_AddArrayToObject(root, "by_repeat");
    for (int r = 0; list && r < c->options->repeats; r++) {
        cJSON *x = cJSON_CreateObject();
        if (!x || !cJSON_AddItemToArray(list, x)) return false;
        const bool ok =
            tn_json_count(x, "repeat", (size_t)r + 1) &&
            tn_json_real(x, "seed", (double)(c->options->train.seed + (unsigned long long)r)) &&
            add_text_of(x, "probs", tn_text("%s/r%d/probs.csv", c->options->out, r + 1)) &&
            add_set(x, &c->repeat[r]);
        if (!ok) return false;
    }
    return list != NULL;
}

static bool add_folds(cJSON *root, const tn_crossval *c) {
    cJSON *list = cJSON_AddArrayToObject(root, "by_fold");
    for (int i = 0; list && i < c->options->folds * c->options->repeats; i++) {
        const tn_crossval_fold *f = &c->fold[i];
        cJSON *x = cJSON_CreateObject();
        if (!x || !cJSON_AddItemToArray(list, x)) return false;
        const bool ok =
            tn_json_count(x, "repeat", (size_t)f->repeat) &&
            tn_json_count(x, "fold", (size_t)f->fold) && tn_json_real(x, "seed", (double)f->seed) &&
            add_text(x, "folder", f->folder) && add_text(x, "weights", f->weights) &&
            add_count(x, "train", f->train) && add_count(x, "inner", f->inner) &&
            add_count(x, "scored", f->scored) && tn_json_count(x, "updates", (size_t)f->updates) &&
            tn_json_real(x, "train_loss", f->loss) && add_set(x, &f->set);
        if (!ok) return false;
    }
    return list != NULL;
}

static bool fill(cJSON *root, const tn_crossval *c, double *value) {
    bool ok = cJSON_AddStringToObject(root, "notice", TN_NOTICE) && add_settings(root, c);
    ok = ok && add_spreads(root, c, false, value);
    ok = ok &&
         (c->mean.has_cases ? add_spreads(root, c, true, value) : add_text(root, "cases", NULL));
    return ok && add_repeats(root, c) && add_folds(root, c);
}

tn_status tn_crossval_json(const tn_crossval *c, char **text) {
    const int most = c->options->folds * c->options->repeats;
    cJSON *root = cJSON_CreateObject();
    double *value = calloc((size_t)most, sizeof *value);
    char *line = root && value && fill(root, c, value) ? cJSON_PrintUnformatted(root) : NULL;
    *text = line ? tn_text("%s\n", line) : NULL;
    cJSON_free(line);
    cJSON_Delete(root);
    free(value);
    return *text ? TN_OK : tn_fail("out of memory");
}

/* A cross-validation's folder: figures of its out-of-fold predictions, averaged over the repeats,
 * their spread over these, and the folds' learning curves. */
#include "src/eval/json_file.h"
#include "src/eval/report_parts.h"

#include <stdlib.h>
#include <unistd.h>

enum { MOST_REPEATS = 1000, MOST_FOLDS = 1000 };

/* folder/r<R>-f<F>/metrics.jsonl when that is there; NULL when not. */
static const char *history_of(tn_report *report, const tn_report_run *run, int repeat, int fold) {
    char part[96];
    snprintf(part, sizeof part, "r%d-f%d/metrics.jsonl", repeat, fold);
    const char *path = tn_report_path(report, run->path, part);
    return path && access(path, F_OK) == 0 ? path : NULL;
}

/* ---- learning curves ---- */

static tn_status add_history(tn_report_run *run, const char *path) {
    tn_history *grown = realloc(run->history, ((size_t)run->histories + 1) * sizeof *grown);
    if (!grown) return tn_fail("%s: out of memory", path);
    run->history = grown;
    run->history[run->histories] = (tn_history){0};
    return tn_history_load(path, &run->history[run->histories++]);
}

static tn_status read_histories(tn_report *report, tn_report_run *run) {
    for (int r = 1; r <= MOST_REPEATS; r++) {
        bool any = false;
        for (int f = 1; f <= MOST_FOLDS; f++) {
            const char *path = history_of(report, run, r, f);
            if (!path) break;
            TN_TRY(add_history(run, path));
            any = true;
        }
        if (!any) break;
    }
    return TN_OK;
}

/* ---- crossval.json ---- */

/* A figure of the predictions averaged over the repeats, its interval, and its spread over them. */
static tn_status read_figure(const cJSON *figures, const char *path, tn_figure f,
                             tn_report_figures *out) {
    const char *key = tn_figure_key(f);
    const cJSON *x = tn_json_get_object(figures, key);
    if (f == TN_FIGURE_PPV_AT || f == TN_FIGURE_NPV_AT) return TN_OK;
    if (!x) return tn_fail("%s: \"%s\" is missing or no object", path, key);
    TN_TRY(tn_json_get_real(x, path, "averaged", &out->figure[f]));
    TN_TRY(tn_json_get_real(x, path, "sd_over_repeats", &out->sd[f]));
    return tn_report_read_interval(x, path, "interval", &out->interval[f]);
}

static tn_status read_set(tn_report *report, const cJSON *root, const char *path, const char *name,
                          tn_report_figures *out) {
    const cJSON *set = tn_json_get_object(root, name);
    if (!set) return TN_OK;
    const cJSON *figures = tn_json_get_object(set, "figures");
    const cJSON *baseline = tn_json_get_object(set, "baseline");
    if (!figures || !baseline)
        return tn_fail("%s: \"%s\" has no figures or no baseline", path, name);
    tn_report_no_figures(out);
    TN_TRY(tn_json_get_real(set, path, "n", &out->n));
    TN_TRY(tn_json_get_real_or(set, path, "independent", &out->independent));
    for (int f = 0; f < TN_FIGURES; f++) {
        TN_TRY(read_figure(figures, path, f, out));
        TN_TRY(tn_json_get_real_or(baseline, path, tn_figure_key(f), &out->baseline[f]));
    }
    return tn_report_keep(report, set, "baseline_class", &out->baseline_class);
}

static tn_status read_names(tn_report *report, const cJSON *o, tn_report_run *run) {
    TN_TRY(tn_report_keep(report, o, "manifest", &run->manifest));
    TN_TRY(tn_report_keep(report, o, "list", &run->list));
    TN_TRY(tn_report_keep(report, o, "views", &run->views));
    return tn_report_keep(report, o, "choice", &run->choice);
}

static tn_status read_all(tn_report *report, const cJSON *o, const char *path, tn_report_run *run) {
    const char *positive = tn_json_get_text(o, "positive");
    TN_TRY(tn_json_get_real(o, path, "folds", &run->folds));
    TN_TRY(tn_json_get_real(o, path, "repeats", &run->repeats));
    TN_TRY(read_names(report, o, run));
    TN_TRY(read_set(report, o, path, "images", &run->images));
    TN_TRY(read_set(report, o, path, "cases", &run->cases));
    if (!positive || !run->predictions.n) return TN_OK;
    run->positive = tn_predictions_class(&run->predictions, positive);
    return run->positive >= 0
               ? TN_OK
               : tn_fail("%s: the positive class %s is none of probs.csv's", path, positive);
}

tn_status tn_report_read_crossval(tn_report *report, tn_report_run *run) {
    const char *path = tn_report_path(report, run->path, "crossval.json");
    cJSON *o;
    if (!path) return TN_FAIL;
    TN_TRY(tn_json_load(path, &o));
    const tn_status status = read_all(report, o, path, run);
    cJSON_Delete(o);
    TN_TRY(status);
    return read_histories(report, run);
}

/* A cross-validation's folder: figures from its out-of-fold predictions, their spread over the
 * repeats, and the folds' learning curves. */
#include "src/eval/json_file.h"
#include "src/eval/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_REPEATS = 1000, MOST_FOLDS = 1000 };

/* folder/r<R>[-f<F>]/name when that is there; NULL when not. */
static const char *file_of(tn_report *report, const tn_report_run *run, int repeat, int fold,
                           const char *name) {
    char part[96];
    if (fold)
        snprintf(part, sizeof part, "r%d-f%d/%s", repeat, fold, name);
    else
        snprintf(part, sizeof part, "r%d/%s", repeat, name);
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
            const char *path = file_of(report, run, r, f, "metrics.jsonl");
            if (!path) break;
            TN_TRY(add_history(run, path));
            any = true;
        }
        if (!any) break;
    }
    return TN_OK;
}

/* ---- figures ---- */

typedef struct sums {
    double sum[TN_FIGURES], squares[TN_FIGURES];
    int n;
} sums;

/* Deviations are summed from the figures of all repeats together, which lie close to their mean. */
static tn_status add_repeat(tn_report_run *run, const char *path, sums *s) {
    const tn_decision decision = tn_decision_default(run->positive);
    double figure[TN_FIGURES];
    tn_predictions p;
    tn_evaluator *e;
    TN_TRY(tn_predictions_read(path, &p));
    tn_status status =
        p.classes == run->predictions.classes
            ? tn_evaluator_create(&p, &decision, &e)
            : tn_fail("%s: %d classes, expected %d", path, p.classes, run->predictions.classes);
    if (status == TN_OK) {
        status = tn_evaluate(e, NULL, figure);
        tn_evaluator_free(e);
    }
    tn_predictions_free(&p);
    TN_TRY(status);
    for (int f = 0; f < TN_FIGURES; f++) {
        const double off = figure[f] - run->images.figure[f];
        s->sum[f] += off;
        s->squares[f] += off * off;
    }
    s->n++;
    return TN_OK;
}

static tn_status read_spread(tn_report *report, tn_report_run *run) {
    sums s = {.n = 0};
    for (int r = 1; r <= MOST_REPEATS; r++) {
        const char *path = file_of(report, run, r, 0, "probs.csv");
        if (!path) break;
        TN_TRY(add_repeat(run, path, &s));
    }
    for (int f = 0; f < TN_FIGURES && s.n > 1; f++)
        run->images.sd[f] = sqrt(fmax(s.squares[f] - s.sum[f] * s.sum[f] / s.n, 0) / (s.n - 1));
    return TN_OK;
}

static tn_status take_text(tn_report *report, const cJSON *o, const char *name, const char **out) {
    const char *text = tn_json_text(o, name);
    if (!text) return TN_OK;
    *out = tn_arena_text(&report->memory, text);
    return *out ? TN_OK : TN_FAIL;
}

static tn_status take_settings(tn_report *report, const cJSON *o, const char *path,
                               tn_report_run *run) {
    const cJSON *settings = tn_json_object(o, "settings");
    const char *positive = tn_json_text(o, "positive");
    TN_TRY(tn_json_real_or(settings ? settings : o, path, "folds", &run->folds));
    TN_TRY(tn_json_real_or(settings ? settings : o, path, "repeats", &run->repeats));
    TN_TRY(take_text(report, o, "manifest", &run->manifest));
    TN_TRY(take_text(report, o, "list", &run->list));
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
    const tn_status status = take_settings(report, o, path, run);
    cJSON_Delete(o);
    TN_TRY(status);
    TN_TRY(read_histories(report, run));
    if (!run->predictions.n) return TN_OK;
    TN_TRY(tn_report_assess(report, run, run->manifest));
    return read_spread(report, run);
}

/* The figures of a run: from valid.json, or from probs.csv where nothing else tells. */
#include "src/eval/assessment.h"
#include "src/eval/json_file.h"
#include "src/eval/report_parts.h"

#include <math.h>
#include <string.h>

void tn_report_no_figures(tn_report_figures *f) {
    *f = (tn_report_figures){.there = true, .n = NAN, .independent = NAN};
    for (int i = 0; i < TN_FIGURES; i++) {
        f->figure[i] = f->sd[i] = f->baseline[i] = NAN;
        f->interval[i] = tn_interval_none;
    }
}

tn_status tn_report_read_interval(const cJSON *intervals, const char *where, const char *name,
                                  tn_interval *out) {
    const cJSON *pair = cJSON_GetObjectItemCaseSensitive((cJSON *)intervals, name);
    if (!pair || cJSON_IsNull(pair)) return TN_OK;
    const cJSON *low = cJSON_GetArrayItem((cJSON *)pair, 0);
    const cJSON *high = cJSON_GetArrayItem((cJSON *)pair, 1);
    if (!cJSON_IsNumber(low) || !cJSON_IsNumber(high) || cJSON_GetArraySize((cJSON *)pair) != 2)
        return tn_fail("%s: the interval of \"%s\" is no pair of numbers", where, name);
    *out = (tn_interval){low->valuedouble, high->valuedouble};
    return TN_OK;
}

/* Predictive values at a prevalence are there only when somebody asked for them. */
static tn_status read_figure(const cJSON *object, const char *where, tn_figure figure,
                             double *out) {
    const char *key = tn_figure_key(figure);
    if (figure == TN_FIGURE_PPV_AT || figure == TN_FIGURE_NPV_AT)
        return tn_json_get_real_or(object, where, key, out);
    return tn_json_get_real(object, where, key, out);
}

tn_status tn_report_read_figures(tn_report *report, const cJSON *object, const char *where,
                                 tn_report_figures *out) {
    tn_report_no_figures(out);
    const cJSON *intervals = tn_json_get_object(object, "intervals");
    const cJSON *baseline = tn_json_get_object(object, "baseline");
    TN_TRY(tn_json_get_real(object, where, "n", &out->n));
    TN_TRY(tn_json_get_real_or(object, where, "independent", &out->independent));
    for (int f = 0; f < TN_FIGURES; f++) {
        TN_TRY(read_figure(object, where, f, &out->figure[f]));
        if (baseline) TN_TRY(read_figure(baseline, where, f, &out->baseline[f]));
        TN_TRY(tn_report_read_interval(intervals, where, tn_figure_key(f), &out->interval[f]));
    }
    const char *class = baseline ? tn_json_get_text(baseline, "class") : NULL;
    if (!class) return TN_OK;
    out->baseline_class = tn_arena_text(&report->memory, class);
    return out->baseline_class ? TN_OK : TN_FAIL;
}

static tn_status assess(tn_report *report, int positive, const tn_predictions *p,
                        tn_report_figures *out) {
    const tn_assess_options o = {.decision = tn_decision_default(positive),
                                 .resamples = report->resamples};
    tn_assessment a;
    TN_TRY(tn_assess(p, &o, &a));
    const tn_baseline b = tn_baseline_of(&a, NAN);
    tn_report_no_figures(out);
    out->n = (double)a.n;
    out->independent = a.clusters;
    out->baseline_class = tn_arena_text(&report->memory, p->name[b.answer]);
    memcpy(out->figure, a.figure, sizeof out->figure);
    memcpy(out->interval, a.interval, sizeof out->interval);
    memcpy(out->baseline, b.figure, sizeof out->baseline);
    tn_assessment_free(&a);
    return out->baseline_class ? TN_OK : TN_FAIL;
}

tn_status tn_report_assess(tn_report *report, tn_report_run *run) {
    return assess(report, run->positive, &run->predictions, &run->images);
}

tn_status tn_report_assess_external(tn_report *report, tn_report_run *run,
                                    const tn_predictions *p) {
    int positive = -1;
    if (run->positive >= 0) {
        const char *name = run->predictions.name[run->positive];
        positive = tn_predictions_class(p, name);
        if (positive < 0) return tn_fail("%s/external.csv: no class %s", run->path, name);
    }
    return assess(report, positive, p, &run->external);
}

/* ---- over runs ---- */

const tn_report_figures *tn_report_set_of(const tn_report_run *run, tn_report_set set) {
    switch (set) {
    case TN_REPORT_IMAGES:
        return &run->images;
    case TN_REPORT_CASES:
        return &run->cases;
    case TN_REPORT_EXTERNAL:
        return &run->external;
    case TN_REPORT_EXTERNAL_CASES:
        return &run->external_cases;
    }
    return &run->images;
}

tn_report_spread tn_report_spread_of(const tn_report *report, const tn_report_row *row,
                                     tn_report_set set, tn_figure figure) {
    tn_report_spread s = {.mean = NAN, .sd = NAN, .baseline = NAN, .interval = tn_interval_none};
    double sum = 0, squares = 0;
    for (int i = 0; i < row->runs; i++) {
        const tn_report_figures *f = tn_report_set_of(&report->run[row->run[i]], set);
        if (!f->there || isnan(f->figure[figure])) continue;
        sum += f->figure[figure];
        s.n++;
        s.sd = f->sd[figure];
        s.interval = f->interval[figure];
        if (isnan(s.baseline)) s.baseline = f->baseline[figure];
    }
    if (s.n) s.mean = sum / s.n;
    if (s.n < 2) return s;
    for (int i = 0; i < row->runs; i++) {
        const tn_report_figures *f = tn_report_set_of(&report->run[row->run[i]], set);
        if (!f->there || isnan(f->figure[figure])) continue;
        squares += (f->figure[figure] - s.mean) * (f->figure[figure] - s.mean);
    }
    s.sd = sqrt(squares / (s.n - 1));
    s.interval = tn_interval_none;
    return s;
}

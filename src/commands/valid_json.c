/* valid -json: one object on one line. Keys stay as they are; new ones are added. */
#include "src/commands/json_figures.h"
#include "src/commands/notice.h"
#include "src/commands/valid_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool wants(const tn_valid_report *r, int f) {
    return (f != TN_FIGURE_PPV_AT && f != TN_FIGURE_NPV_AT) || !isnan(r->options->prevalence);
}

static bool add_figures(cJSON *object, const tn_valid_report *r, const double *figure) {
    bool ok = true;
    for (int f = 0; f < TN_FIGURES; f++)
        if (wants(r, f)) ok = ok && tn_json_real(object, tn_figure_key(f), figure[f]);
    return ok;
}

static bool add_confusion(cJSON *object, const tn_assessment *a) {
    const size_t k = (size_t)a->classes;
    cJSON *table = cJSON_AddArrayToObject(object, "confusion");
    for (size_t t = 0; table && t < k; t++) {
        cJSON *row = cJSON_CreateArray();
        if (!row || !cJSON_AddItemToArray(table, row)) return false;
        for (size_t c = 0; c < k; c++) {
            cJSON *count = cJSON_CreateNumber((double)a->confusion[t * k + c]);
            if (!count || !cJSON_AddItemToArray(row, count)) return false;
        }
    }
    return table != NULL;
}

/* n, the figures, confusion, intervals, and what they rest on. */
static bool add_assessment(cJSON *object, const tn_valid_report *r, const tn_assessment *a) {
    bool ok = tn_json_count(object, "n", a->n) && add_figures(object, r, a->figure);
    ok = ok && add_confusion(object, a);
    cJSON *intervals = ok ? cJSON_AddObjectToObject(object, "intervals") : NULL;
    ok = intervals != NULL;
    for (int f = 0; f < TN_FIGURES; f++)
        if (wants(r, f)) ok = ok && tn_json_interval(intervals, tn_figure_key(f), a->interval[f]);
    ok = ok && tn_json_count(object, "independent", (size_t)a->clusters);
    ok = ok && tn_json_count(object, "independent_in_smallest_class", (size_t)a->fewest);
    return ok && tn_json_count(object, "resamples", (size_t)a->resamples);
}

static bool add_baseline(cJSON *object, const tn_valid_report *r, const tn_baseline *b) {
    cJSON *o = cJSON_AddObjectToObject(object, "baseline");
    return o && cJSON_AddStringToObject(o, "class", r->model->names[b->answer]) &&
           add_figures(o, r, b->figure);
}

static bool add_classes(cJSON *root, const tn_valid_report *r, const tn_assessment *a) {
    cJSON *list = cJSON_AddArrayToObject(root, "by_class");
    for (int c = 0; list && c < a->classes; c++) {
        const tn_class_figures *k = &a->by_class[c];
        cJSON *o = cJSON_CreateObject();
        if (!o || !cJSON_AddItemToArray(list, o)) return false;
        const bool ok =
            cJSON_AddStringToObject(o, "name", r->model->names[c]) &&
            tn_json_count(o, "images", k->truths) && tn_json_count(o, "answers", k->answers) &&
            tn_json_real(o, "precision", k->precision) && tn_json_real(o, "recall", k->recall) &&
            tn_json_real(o, "f1", k->f1) && tn_json_real(o, "auc", k->auc) &&
            tn_json_interval(o, "auc_interval", k->auc_interval) &&
            tn_json_real(o, "average_precision", k->average_precision);
        if (!ok) return false;
    }
    return list != NULL;
}

static bool add_macro(cJSON *root, const tn_assessment *a) {
    double mean[5] = {0}, occurring = 0;
    static const char *const name[5] = {"precision", "recall", "f1", "auc", "average_precision"};
    for (int c = 0; c < a->classes; c++) {
        const tn_class_figures *k = &a->by_class[c];
        const double value[5] = {k->precision, k->recall, k->f1, k->auc, k->average_precision};
        for (int i = 0; i < 5 && k->truths; i++) mean[i] += value[i];
        occurring += k->truths > 0;
    }
    cJSON *o = cJSON_AddObjectToObject(root, "macro");
    bool ok = o != NULL;
    for (int i = 0; i < 5; i++) ok = ok && tn_json_real(o, name[i], mean[i] / occurring);
    return ok;
}

static bool add_cases(cJSON *object, const tn_valid_report *r, const tn_valid_set *s) {
    if (!s->has_cases) return cJSON_AddNullToObject(object, "cases") != NULL;
    cJSON *o = cJSON_AddObjectToObject(object, "cases");
    return o && add_assessment(o, r, &s->by_case) && add_baseline(o, r, &s->case_baseline) &&
           tn_json_count(o, "left_out", s->mixed) &&
           cJSON_AddStringToObject(o, "manifest", s->cases.manifest.path);
}

static bool add_operating(cJSON *object, const tn_valid_report *r, const tn_assessment *a) {
    const tn_calibration *c = r->model->calibration;
    cJSON *o = cJSON_AddObjectToObject(object, "operating_point");
    return o && tn_json_real(o, "threshold", c->threshold) &&
           tn_json_real(o, "wanted_sensitivity", c->wanted_sensitivity) &&
           cJSON_AddStringToObject(o, "chosen_on", c->list) && add_assessment(o, r, a);
}

static bool add_calibration(cJSON *root, const tn_valid_report *r) {
    const tn_calibration *c = r->model->calibration;
    if (!cJSON_AddBoolToObject(root, "calibrated", tn_ensemble_calibrated(r->ensemble)))
        return false;
    if (!r->model->calibrated || r->ensemble->n > 1) return true;
    cJSON *o = cJSON_AddObjectToObject(root, "calibration");
    return o && tn_json_real(o, "temperature", c->temperature) &&
           cJSON_AddStringToObject(o, "list", c->list) && tn_json_real(o, "images", c->images) &&
           cJSON_AddBoolToObject(o, "on_this_list", r->calibrated_here);
}

/* The nets of an ensemble, each with what is put on its probabilities. */
static bool add_nets(cJSON *root, const tn_valid_report *r) {
    const tn_ensemble *e = r->ensemble;
    if (e->n == 1) return cJSON_AddStringToObject(root, "weights", r->model->args.weights) != NULL;
    cJSON *list = cJSON_AddArrayToObject(root, "members");
    for (int m = 0; list && m < e->n; m++) {
        cJSON *o = cJSON_CreateObject();
        if (!o || !cJSON_AddItemToArray(list, o)) return false;
        if (!cJSON_AddStringToObject(o, "weights", e->member[m].args.weights) ||
            !cJSON_AddBoolToObject(o, "calibrated", e->member[m].calibrated) ||
            !tn_json_real(o, "temperature", e->member[m].temperature))
            return false;
    }
    return list && cJSON_AddBoolToObject(root, "calibrated_on_this_list", r->calibrated_here);
}

static bool add_disagreement(cJSON *object, const tn_valid_report *r, const tn_valid_set *s) {
    if (r->ensemble->n == 1) return true;
    cJSON *o = cJSON_AddObjectToObject(object, "disagreement");
    return o && tn_json_real(o, "mean_sd", s->members.deviation) &&
           tn_json_real(o, "largest_range", s->members.most) &&
           tn_json_count(o, "divided_images", s->members.divided);
}

static bool add_groups(cJSON *root, const tn_valid_report *r) {
    if (!r->groups) return true;
    cJSON *by = cJSON_AddObjectToObject(root, "by");
    cJSON *list = by && cJSON_AddStringToObject(by, "column", r->options->by)
                      ? cJSON_AddArrayToObject(by, "groups")
                      : NULL;
    for (int i = 0; list && i < r->groups; i++) {
        cJSON *o = cJSON_CreateObject();
        if (!o || !cJSON_AddItemToArray(list, o)) return false;
        if (!cJSON_AddStringToObject(o, "value", r->group[i].value)) return false;
        if (!add_assessment(o, r, &r->group[i].images)) return false;
    }
    return list != NULL;
}

static bool add_external(cJSON *root, const tn_valid_report *r) {
    if (!r->has_external) return true;
    cJSON *o = cJSON_AddObjectToObject(root, "external");
    bool ok = o && cJSON_AddStringToObject(o, "list", r->external.list) &&
              cJSON_AddBoolToObject(o, "verified", false) &&
              add_assessment(o, r, &r->external.images) &&
              add_baseline(o, r, &r->external.baseline) && add_cases(o, r, &r->external) &&
              add_disagreement(o, r, &r->external);
    if (ok && r->external_has_threshold) ok = add_operating(o, r, &r->external_operating);
    cJSON *drop = ok ? cJSON_AddObjectToObject(o, "drop") : NULL;
    cJSON *intervals = drop ? cJSON_AddObjectToObject(o, "drop_intervals") : NULL;
    ok = intervals != NULL;
    for (int f = 0; f < TN_FIGURES; f++) {
        if (!wants(r, f)) continue;
        ok = ok && tn_json_real(drop, tn_figure_key(f), r->drop[f].drop);
        ok = ok && tn_json_interval(intervals, tn_figure_key(f), r->drop[f].interval);
    }
    return ok;
}

static bool add_names(cJSON *root, const tn_valid_report *r) {
    const tn_model *m = r->model;
    cJSON *list = cJSON_CreateStringArray(m->names, m->classes);
    if (!list || !cJSON_AddItemToObject(root, "classes", list)) return false;
    return m->positive < 0 || cJSON_AddStringToObject(root, "positive", m->names[m->positive]);
}

static bool fill(cJSON *root, const tn_valid_report *r) {
    const tn_valid_set *s = &r->internal;
    bool ok = add_assessment(root, r, &s->images);
    ok = ok && tn_json_count(root, "top", (size_t)r->options->top);
    ok = ok && tn_json_real(root, "top_accuracy", r->top_accuracy) && add_names(root, r);
    ok = ok && add_baseline(root, r, &s->baseline) && add_classes(root, r, &s->images);
    ok = ok && add_macro(root, &s->images) && add_cases(root, r, s) && add_calibration(root, r);
    if (ok && r->has_threshold) ok = add_operating(root, r, &r->operating);
    if (ok && !isnan(r->options->prevalence))
        ok = tn_json_real(root, "prevalence", r->options->prevalence);
    ok = ok && add_groups(root, r) && add_external(root, r);
    ok = ok && cJSON_AddStringToObject(root, "list", s->list);
    ok = ok && add_nets(root, r) && add_disagreement(root, r, s);
    ok = ok && cJSON_AddStringToObject(root, "views", tn_views_name(r->views));
    /* "precision" is a figure here */
    ok = ok && cJSON_AddStringToObject(root, "computed_in", tn_model_precision(r->model));
    ok = ok && tn_json_real(root, "seed", (double)r->options->seed);
    ok = ok && tn_json_real(root, "seconds", r->seconds);
    return ok && cJSON_AddStringToObject(root, "notice", TN_NOTICE);
}

tn_status tn_valid_report_json(const tn_valid_report *r, FILE *to) {
    cJSON *root = cJSON_CreateObject();
    char *text = root && fill(root, r) ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (!text) return tn_fail("out of memory");
    fprintf(to, "%s\n", text);
    cJSON_free(text);
    return fflush(to) || ferror(to) ? tn_fail("the report cannot be written") : TN_OK;
}

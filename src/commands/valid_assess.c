#include "src/commands/valid_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_GROUPS = 50 };

static tn_assess_options options_for(int positive, const tn_valid_options *o, const int *cluster,
                                     double threshold) {
    return (tn_assess_options){
        .decision = {.positive = positive, .threshold = threshold, .prevalence = o->prevalence},
        .cluster = cluster,
        .resamples = o->resamples,
        .seed = o->seed};
}

static tn_assess_options options_of(const tn_valid_report *r, const int *cluster,
                                    double threshold) {
    return options_for(r->model->positive, r->options, cluster, threshold);
}

/* ---- cases ---- */

/* A manifest that was named must fit; one that merely lies there is left out when it does not. */
static tn_status open_cases(const tn_valid_options *o, tn_valid_set *s, const char *given) {
    char *found = NULL;
    if (!given) TN_TRY(tn_cases_find(s->list, &found));
    const char *path = given ? given : found;
    if (!path) return TN_OK;
    tn_status status = tn_cases_load(path, s->predictions.image, s->predictions.n, &s->cases);
    s->has_manifest = status == TN_OK;
    if (status != TN_OK && !given && !o->by) {
        fprintf(stderr, "warning: images are counted as independent: %s\n", tn_error());
        status = TN_OK;
    }
    free(found);
    return status;
}

static tn_status assess_cases(int positive, const tn_valid_options *options, tn_valid_set *s) {
    tn_predictions mean;
    int *cluster = NULL;
    if (!s->cases.known) return TN_OK;
    TN_TRY(tn_cases_average(&s->cases, &s->predictions, &mean, &cluster, &s->mixed));
    const tn_assess_options o = options_for(positive, options, cluster, NAN);
    const tn_status status = mean.n ? tn_assess(&mean, &o, &s->by_case) : TN_OK;
    s->has_cases = status == TN_OK && mean.n;
    if (s->has_cases) s->case_baseline = tn_baseline_of(&s->by_case, options->prevalence);
    tn_predictions_free(&mean);
    free(cluster);
    return status;
}

tn_status tn_valid_assess_set(int positive, const tn_valid_options *options, tn_valid_set *s,
                              const char *manifest) {
    TN_TRY(open_cases(options, s, manifest));
    const tn_assess_options o = options_for(positive, options, s->cases.cluster, NAN);
    TN_TRY(tn_assess(&s->predictions, &o, &s->images));
    s->baseline = tn_baseline_of(&s->images, options->prevalence);
    return assess_cases(positive, options, s);
}

void tn_valid_set_free(tn_valid_set *s) {
    tn_predictions_free(&s->predictions);
    tn_cases_free(&s->cases);
    tn_assessment_free(&s->images);
    tn_assessment_free(&s->by_case);
}

/* ---- subgroups ---- */

typedef struct row {
    const char *value;
    size_t image;
} row;

static int by_value(const void *a, const void *b) {
    const row *x = a, *y = b;
    const int order = strcmp(x->value, y->value);
    return order ? order : (x->image > y->image) - (x->image < y->image);
}

static tn_status assess_group(tn_valid_report *r, const row *rows, size_t n, tn_valid_group *g) {
    const tn_valid_set *s = &r->internal;
    size_t *image = calloc(n, sizeof *image);
    int *cluster = calloc(n, sizeof *cluster);
    tn_predictions part = {0};
    tn_status status = image && cluster ? TN_OK : tn_fail("out of memory for %zu images", n);
    for (size_t i = 0; status == TN_OK && i < n; i++) {
        image[i] = rows[i].image;
        cluster[i] = s->cases.known ? s->cases.cluster[rows[i].image] : (int)i;
    }
    if (status == TN_OK) status = tn_predictions_select(&s->predictions, image, n, &part);
    const tn_assess_options o = options_of(r, cluster, NAN);
    if (status == TN_OK) status = tn_assess(&part, &o, &g->images);
    g->value = rows->value;
    tn_predictions_free(&part);
    free(image);
    free(cluster);
    return status;
}

static tn_status assess_runs(tn_valid_report *r, const row *rows, size_t n) {
    size_t runs = 0;
    for (size_t i = 0; i < n; i++) runs += i == 0 || strcmp(rows[i].value, rows[i - 1].value) != 0;
    if (runs > MOST_GROUPS)
        return tn_fail("-by %s: %zu different values, expected %d at most", r->options->by, runs,
                       MOST_GROUPS);
    r->group = calloc(runs, sizeof *r->group);
    if (!r->group) return tn_fail("out of memory");
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && !strcmp(rows[end].value, rows[begin].value);) end++;
        TN_TRY(assess_group(r, rows + begin, end - begin, &r->group[r->groups++]));
    }
    return TN_OK;
}

static tn_status no_column(const tn_csv *csv, const char *name) {
    char known[512] = "";
    for (int i = 0; i < csv->columns; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", tn_csv_header(csv, i));
    }
    return tn_fail("-by %s: %s has no such column; it has %s", name, csv->path, known);
}

static tn_status assess_groups(tn_valid_report *r) {
    const tn_valid_set *s = &r->internal;
    const char *by = r->options->by;
    if (!by) return TN_OK;
    if (!s->has_manifest)
        return tn_fail("-by %s: there is no manifest.csv beside %s (-manifest FILE names one)", by,
                       s->list);
    const int column = tn_csv_find(&s->cases.manifest, by);
    if (column < 0) return no_column(&s->cases.manifest, by);
    row *rows = calloc(s->predictions.n, sizeof *rows);
    if (!rows) return tn_fail("out of memory");
    for (size_t i = 0; i < s->predictions.n; i++)
        rows[i] = (row){tn_csv_cell(&s->cases.manifest, s->cases.row[i], column), i};
    qsort(rows, s->predictions.n, sizeof *rows, by_value);
    const tn_status status = assess_runs(r, rows, s->predictions.n);
    free(rows);
    return status;
}

/* ---- all ---- */

static tn_status assess_threshold(tn_valid_report *r) {
    const tn_ensemble *e = r->ensemble;
    const double threshold = tn_ensemble_threshold(e);
    for (int m = 0; m < e->n; m++) {
        uint64_t digest;
        if (!e->member[m].calibrated) continue;
        TN_TRY(tn_file_digest(r->internal.list, &digest));
        r->calibrated_here |= digest == e->member[m].calibration->list_digest;
    }
    if (isnan(threshold)) return TN_OK;
    tn_assess_options o = options_of(r, r->internal.cases.cluster, threshold);
    TN_TRY(tn_assess(&r->internal.predictions, &o, &r->operating));
    r->has_threshold = true;
    if (!r->has_external) return TN_OK;
    o.cluster = r->external.cases.cluster;
    TN_TRY(tn_assess(&r->external.predictions, &o, &r->external_operating));
    r->external_has_threshold = true;
    return TN_OK;
}

tn_status tn_valid_assess(tn_valid_report *r) {
    const int positive = r->model->positive;
    TN_TRY(tn_valid_assess_set(positive, r->options, &r->internal, r->options->manifest));
    r->top_accuracy = tn_top_accuracy(&r->internal.predictions, r->options->top);
    TN_TRY(assess_groups(r));
    if (r->has_external) TN_TRY(tn_valid_assess_set(positive, r->options, &r->external, NULL));
    TN_TRY(assess_threshold(r));
    if (!r->has_external) return TN_OK;
    const tn_assess_options o = options_of(r, NULL, NAN);
    return tn_assess_drop(&r->internal.predictions, r->internal.cases.cluster,
                          &r->external.predictions, r->external.cases.cluster, &o, r->drop);
}

void tn_valid_report_free(tn_valid_report *r) {
    tn_valid_set_free(&r->internal);
    tn_valid_set_free(&r->external);
    tn_assessment_free(&r->operating);
    tn_assessment_free(&r->external_operating);
    for (int i = 0; i < r->groups; i++) tn_assessment_free(&r->group[i].images);
    free(r->group);
    r->group = NULL;
    r->groups = 0;
}

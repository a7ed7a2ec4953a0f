#include "src/commands/ensemble.h"

#include "src/commands/score_list.h"
#include "src/data/files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static tn_status open_member(tn_ensemble *e, const tn_model_options *options, tn_model_needs needs,
                             const tn_model_args *args, const char *weights) {
    const char *words[3];
    tn_model_options o = *options;
    int n = 0;
    if (args->data) words[n++] = args->data;
    words[n++] = args->cfg;
    if (weights) words[n++] = weights;
    o.arguments.positionals = (tn_texts){words, n};
    return tn_model_open(&e->member[e->n++], &o, needs); /* a failed one is closed too */
}

static tn_status compare_classes(const tn_model *a, const tn_model *b) {
    for (int c = 0; c < a->classes; c++)
        if (strcmp(a->names[c], b->names[c]) != 0)
            return tn_fail("class %d is \"%s\" to %s and \"%s\" to %s: their answers cannot be "
                           "averaged",
                           c, a->names[c], a->args.weights, b->names[c], b->args.weights);
    if (a->positive == b->positive) return TN_OK;
    return tn_fail("the positive class is \"%s\" to %s and \"%s\" to %s",
                   a->positive < 0 ? "(none)" : a->names[a->positive], a->args.weights,
                   b->positive < 0 ? "(none)" : b->names[b->positive], b->args.weights);
}

static tn_status compare_members(const tn_model *a, const tn_model *b) {
    TN_TRY(compare_classes(a, b));
    if (tn_preprocess_compare(&a->preprocess, &b->preprocess) == TN_OK) return TN_OK;
    return tn_fail_in("%s and %s learned from images that were prepared otherwise", a->args.weights,
                      b->args.weights);
}

/* A net counted twice would agree with itself. */
static tn_status check_bytes(const tn_ensemble *e) {
    uint64_t *digest = calloc((size_t)e->n, sizeof *digest);
    tn_status status = digest ? TN_OK : tn_fail("out of memory");
    for (int i = 0; i < e->n && status == TN_OK; i++) {
        status = tn_file_digest(e->member[i].args.weights, &digest[i]);
        for (int k = 0; k < i && status == TN_OK; k++)
            if (digest[k] == digest[i])
                status = tn_fail("%s and %s hold the same weights: a net does not confirm itself",
                                 e->member[k].args.weights, e->member[i].args.weights);
    }
    free(digest);
    return status;
}

static void tell_of_thresholds(const tn_ensemble *e) {
    for (int i = 0; i < e->n; i++) {
        if (isnan(tn_model_threshold(&e->member[i]))) continue;
        fprintf(stderr,
                "note: the operating threshold in %s.json was chosen for that net alone: it does "
                "not carry over to the mean of %d nets, and none is used\n",
                e->member[i].args.weights, e->n);
        return;
    }
}

static tn_status open_all(tn_ensemble *e, const tn_model_options *options, tn_model_needs needs) {
    const tn_texts *words = &options->arguments.positionals;
    tn_model_args args;
    TN_TRY(tn_model_args_split(words, &args));
    const int more = tn_model_args_members(words, &args);
    if (more && tn_model_is_foreign())
        return tn_fail("%s: the host holds one net at a time: several are averaged by ./darknet",
                       words->items[args.used]);
    e->member = calloc((size_t)more + 1, sizeof *e->member);
    if (!e->member) return tn_fail("out of memory for %d nets", more + 1);
    TN_TRY(open_member(e, options, needs, &args, args.weights));
    for (int i = 0; i < more; i++) {
        TN_TRY(open_member(e, options, needs, &args, words->items[args.used + i]));
        TN_TRY(compare_members(&e->member[0], &e->member[i + 1]));
    }
    e->used = args.used + more;
    if (!more) return TN_OK;
    TN_TRY(check_bytes(e));
    tell_of_thresholds(e);
    return TN_OK;
}

tn_status tn_ensemble_open(tn_ensemble *e, const tn_model_options *options, tn_model_needs needs) {
    *e = (tn_ensemble){0};
    return open_all(e, options, needs);
}

void tn_ensemble_close(tn_ensemble *e) {
    for (int i = 0; i < e->n; i++) tn_model_close(&e->member[i]);
    free(e->member);
    *e = (tn_ensemble){0};
}

/* ---- answering ---- */

tn_status tn_ensemble_runs_create(const tn_ensemble *e, int batch, tn_run **run) {
    for (int m = 0; m < e->n; m++) run[m] = NULL;
    for (int m = 0; m < e->n; m++) TN_TRY(tn_model_run_create(&e->member[m], batch, &run[m]));
    return TN_OK;
}

tn_status tn_ensemble_forward(const tn_ensemble *e, tn_run *const *run, const float *x, int n_valid,
                              float *each, float *mean) {
    const size_t count = (size_t)n_valid * (size_t)e->member[0].classes;
    for (int m = 0; m < e->n; m++)
        if (tn_model_forward(&e->member[m], run[m], x, n_valid, each + (size_t)m * count) != TN_OK)
            return e->n > 1 ? tn_fail_in("%s", e->member[m].args.weights) : TN_FAIL;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (int m = 0; m < e->n; m++) sum += (double)each[(size_t)m * count + i];
        mean[i] = (float)(sum / e->n);
    }
    return TN_OK;
}

static tn_status score_each(const tn_ensemble *e, const tn_list *list, tn_views views,
                            tn_predictions *set) {
    for (int m = 0; m < e->n; m++)
        if (tn_score_list(&e->member[m], list, views, &set[m]) != TN_OK)
            return e->n > 1 ? tn_fail_in("%s", e->member[m].args.weights) : TN_FAIL;
    return TN_OK;
}

tn_status tn_ensemble_score_list(const tn_ensemble *e, const tn_list *list, tn_views views,
                                 tn_predictions *out, tn_members_summary *summary) {
    *out = (tn_predictions){0};
    *summary = (tn_members_summary){0};
    if (e->n == 1) return tn_score_list(&e->member[0], list, views, out);
    tn_predictions *set = calloc((size_t)e->n, sizeof *set);
    if (!set) return tn_fail("out of memory for %d nets", e->n);
    tn_status status = score_each(e, list, views, set);
    if (status == TN_OK) status = tn_predictions_mean(set, e->n, out);
    if (status == TN_OK)
        status = tn_members_summarise(set, e->n, out, e->member[0].positive, summary);
    for (int m = 0; m < e->n; m++) tn_predictions_free(&set[m]);
    free(set);
    return status;
}

/* ---- calibration ---- */

static int count_calibrated(const tn_ensemble *e) {
    int n = 0;
    for (int m = 0; m < e->n; m++) n += e->member[m].calibrated;
    return n;
}

bool tn_ensemble_calibrated(const tn_ensemble *e) {
    return count_calibrated(e) == e->n;
}

double tn_ensemble_threshold(const tn_ensemble *e) {
    return e->n == 1 ? tn_model_threshold(&e->member[0]) : NAN;
}

char *tn_ensemble_calibration_text(const tn_ensemble *e) {
    if (e->n == 1) return tn_model_calibration_text(&e->member[0]);
    const int calibrated = count_calibrated(e);
    if (calibrated == e->n)
        return tn_text("calibrated: mean of %d nets, each at its own temperature; the mean itself "
                       "was not fitted",
                       e->n);
    if (calibrated == 0) return tn_text("uncalibrated: mean of %d nets", e->n);
    return tn_text("uncalibrated: mean of %d nets, %d of them calibrated", e->n, calibrated);
}

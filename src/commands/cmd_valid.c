/* darknet classifier valid, valid10, validcrop, validfull, validmulti */
#include "src/commands/clock.h"
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/valid_report.h"
#include "src/commands/views.h"

#include <limits.h>
#include <math.h>

static const char usage[] =
    "usage: darknet classifier valid [DATA] CFG WEIGHTS [MORE.weights...] [options]\n"
    "\n"
    "Scores a net on DATA's validation list: AUC, balanced accuracy, sensitivity, specificity, "
    "also\n"
    "at a fixed sensitivity, accuracy, predictive values, F1, MCC, average precision, loss, Brier\n"
    "score, calibration error and the confusion matrix, each with its 95 % interval and beside "
    "what\n"
    "always answering the most frequent class would get. Where a manifest.csv (as ddti convert "
    "and\n"
    "list write it) lies beside the list or above it, figures are given by case too, and "
    "intervals\n"
    "draw whole cases.\n"
    "\n"
    "valid10 averages ten windows and mirror images of each picture, validmulti five sizes and\n"
    "their mirror images, validfull takes the whole picture at its own aspect, validcrop squashes\n"
    "it to the net's size.\n"
    "\n"
    "Words after WEIGHTS that end in .weights are further nets of the same cfg: their mean "
    "probability\n"
    "is scored, and how far they are apart is told.\n"
    "\n" TN_NOTICE "\n";

typedef struct valid {
    const char *name;
    tn_model_options options;
    tn_valid_options what;
    const char *list_path, *external_path, *probs;
    int json, top;
    tn_ensemble ensemble;
    tn_list list, external;
    tn_valid_report report;
} valid;

static int failed(const valid *v) {
    fprintf(stderr, "%s: %s\n", v->name, tn_error());
    return 1;
}

static tn_status open_list(const tn_model *m, const char *path, tn_list *list) {
    if (!m->labels.n) return tn_fail("%s: names no labels= file", m->data_path);
    return tn_list_load(path, &m->labels, list);
}

/* ---- the net's answers ---- */

static tn_status answer_list(valid *v, const tn_list *list, tn_valid_set *set) {
    set->list = list->path_of_list;
    return tn_ensemble_score_list(&v->ensemble, list, v->report.views, &set->predictions,
                                  &set->members);
}

static tn_status answer_all(valid *v) {
    tn_valid_report *r = &v->report;
    const double start = tn_clock();
    TN_TRY(answer_list(v, &v->list, &r->internal));
    if (r->has_external) TN_TRY(answer_list(v, &v->external, &r->external));
    r->seconds = tn_clock() - start;
    return v->probs ? tn_predictions_write(&r->internal.predictions, v->probs) : TN_OK;
}

/* ---- the command ---- */

static tn_status open_all(valid *v) {
    const tn_texts *words = &v->options.arguments.positionals;
    TN_TRY(tn_ensemble_open(&v->ensemble, &v->options, TN_MODEL_NEEDS_DATA));
    if (v->ensemble.used < words->count)
        return tn_fail("\"%s\" is one word too many: [DATA] CFG WEIGHTS [MORE.weights...]",
                       words->items[v->ensemble.used]);
    const tn_model *m = v->report.model = &v->ensemble.member[0];
    const char *path = v->list_path ? v->list_path : m->data.valid;
    if (!path) return tn_fail("%s: names no valid= list (-list FILE names another)", m->data_path);
    if (!isnan(v->what.prevalence) && m->positive < 0)
        return tn_fail("-prevalence: no class is the positive one (positive= in %s)", m->data_path);
    TN_TRY(open_list(m, path, &v->list));
    v->report.has_external = v->external_path != NULL;
    return v->external_path ? open_list(m, v->external_path, &v->external) : TN_OK;
}

static tn_status run_all(valid *v) {
    tn_valid_report *r = &v->report;
    TN_TRY(open_all(v));
    const tn_model *m = r->model;
    const int asked = v->top ? v->top : m->data.top ? m->data.top : 1;
    v->what.top = asked < m->classes ? asked : m->classes;
    r->ensemble = &v->ensemble;
    r->options = &v->what;
    TN_TRY(answer_all(v));
    TN_TRY(tn_valid_assess(r));
    return v->json ? tn_valid_report_json(r, stdout) : tn_valid_report_text(r, stdout);
}

static int valid_main(int argc, char **argv, const char *name, tn_views views) {
    valid v = {
        .name = name, .what = {.prevalence = NAN, .resamples = -1}, .report = {.views = views}};
    const tn_option_spec specs[] = {
        {"json", TN_OPTION_SWITCH, &v.json, NULL, "one JSON object"},
        {"probs", TN_OPTION_TEXT, &v.probs, "FILE",
         "writes every image's probabilities as CSV, for compare"},
        {"list", TN_OPTION_TEXT, &v.list_path, "FILE", "scores another list than DATA's valid="},
        {"external", TN_OPTION_TEXT, &v.external_path, "FILE",
         "scores a list from elsewhere too, and how much the net loses there"},
        {"manifest", TN_OPTION_TEXT, &v.what.manifest, "FILE",
         "says which images are one case (default: manifest.csv beside or above the list)"},
        {"by", TN_OPTION_TEXT, &v.what.by, "COLUMN",
         "figures for each value of a column of the manifest, as composition"},
        {"prevalence", TN_OPTION_REAL, &v.what.prevalence, "P",
         "predictive values where this share of the patients is positive", 1e-9, 1 - 1e-9},
        {"resamples", TN_OPTION_INT, &v.what.resamples, "N",
         "of the bootstrap (default: 2000, fewer for huge lists; 0: no intervals)", 0, 1000000},
        {"seed", TN_OPTION_SEED, &v.what.seed, "N", "of the bootstrap (default: 0)"},
        {"t", TN_OPTION_INT, &v.top, "N", "counts the truth among the N most probable as right too",
         1, INT_MAX},
        TN_MODEL_OPTION_ROWS(v.options),
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &v.options.arguments) != TN_OK) return failed(&v);
    int status = 0;
    if (v.options.arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (run_all(&v) != TN_OK)
        status = failed(&v);
    tn_valid_report_free(&v.report);
    tn_list_free(&v.list);
    tn_list_free(&v.external);
    tn_ensemble_close(&v.ensemble);
    tn_model_options_free(&v.options);
    return status;
}

int tn_cmd_valid(int argc, char **argv) {
    return valid_main(argc, argv, "darknet classifier valid", TN_VIEWS_ONE);
}

int tn_cmd_valid10(int argc, char **argv) {
    return valid_main(argc, argv, "darknet classifier valid10", TN_VIEWS_TEN);
}

int tn_cmd_validcrop(int argc, char **argv) {
    return valid_main(argc, argv, "darknet classifier validcrop", TN_VIEWS_SQUASH);
}

int tn_cmd_validfull(int argc, char **argv) {
    return valid_main(argc, argv, "darknet classifier validfull", TN_VIEWS_FULL);
}

int tn_cmd_validmulti(int argc, char **argv) {
    return valid_main(argc, argv, "darknet classifier validmulti", TN_VIEWS_MULTI);
}

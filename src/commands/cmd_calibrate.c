/* darknet classifier calibrate */
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/views.h"
#include "src/eval/calibration.h"
#include "src/eval/figures.h"
#include "src/eval/roc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: darknet classifier calibrate [DATA] CFG WEIGHTS [-sensitivity S] [options]\n"
    "\n"
    "Fits one number, the temperature, that makes a net's probabilities honest on images it did "
    "not\n"
    "learn from (DATA's validation list, or -list), and with -sensitivity chooses the threshold "
    "of\n"
    "the positive class that finds this share of the positives there. Both are kept in\n"
    "WEIGHTS.json; predict and valid use and name them. With -precision int8 both are fitted to "
    "those\n"
    "answers and used for them alone. Neither may be chosen on images of DATA's\n"
    "train= or test= list: that is refused.\n"
    "\n" TN_NOTICE "\n";

typedef struct calibrate {
    tn_model_options options;
    const char *list_path;
    double sensitivity; /* NaN: no threshold */
    int json;
    tn_model model;
    tn_list list;
    tn_predictions raw, fitted;
    tn_temperature temperature;
    tn_threshold threshold;
    double before[TN_FIGURES], after[TN_FIGURES];
} calibrate;

static int failed(void) {
    fprintf(stderr, "darknet classifier calibrate: %s\n", tn_error());
    return 1;
}

/* ---- lists that must not be chosen on ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_texts(char **text, int n) {
    for (int i = 0; text && i < n; i++) free(text[i]);
    free(text);
}

/* The files that a list means, however their paths are written, sorted. */
static tn_status real_files(const tn_list *list, char ***out) {
    char **file = calloc((size_t)list->n + 1, sizeof *file);
    bool ok = file != NULL;
    for (int i = 0; ok && i < list->n; i++) ok = (file[i] = realpath(list->path[i], NULL)) != NULL;
    if (!ok) {
        free_texts(file, list->n);
        return tn_fail("%s: an image cannot be found any more", list->path_of_list);
    }
    qsort(file, (size_t)list->n, sizeof *file, by_text);
    *out = file;
    return TN_OK;
}

static tn_status find_shared(const tn_list *a, const tn_list *b, const char *what) {
    char **x = NULL, **y = NULL;
    int shared = 0;
    const char *first = NULL;
    tn_status status = real_files(a, &x);
    if (status == TN_OK) status = real_files(b, &y);
    for (int i = 0, j = 0; status == TN_OK && i < a->n && j < b->n;) {
        const int order = strcmp(x[i], y[j]);
        if (order == 0 && !shared++) first = x[i];
        i += order <= 0;
        j += order >= 0;
    }
    if (shared)
        status = tn_fail("%d images of %s are in %s too (the first: %s): %s", shared,
                         a->path_of_list, b->path_of_list, first, what);
    free_texts(x, a->n);
    free_texts(y, b->n);
    return status;
}

static tn_status refuse(const calibrate *c, const char *path, const char *what) {
    tn_list other;
    if (!path) return TN_OK;
    TN_TRY(tn_list_load(path, NULL, &other));
    const tn_status status = find_shared(&c->list, &other, what);
    tn_list_free(&other);
    return status;
}

/* ---- fitting ---- */

static tn_status receive(void *context, int index, const float *probability) {
    calibrate *c = context;
    return tn_predictions_add_float(&c->raw, c->list.path[index], c->list.label[index],
                                    probability);
}

static tn_status figures_of(const calibrate *c, const tn_predictions *p, double *figure) {
    const tn_decision decision = tn_decision_default(c->model.positive);
    tn_evaluator *e;
    TN_TRY(tn_evaluator_create(p, &decision, &e));
    const tn_status status = tn_evaluate(e, NULL, figure);
    tn_evaluator_free(e);
    return status;
}

/* The very floats that predict will give. */
static tn_status apply(calibrate *c) {
    const size_t k = (size_t)c->raw.classes;
    float *row = calloc(k, sizeof *row);
    tn_status status =
        row ? tn_predictions_create(&c->fitted, c->raw.name, c->raw.classes, c->raw.n)
            : tn_fail("out of memory");
    for (size_t i = 0; status == TN_OK && i < c->raw.n; i++) {
        for (size_t x = 0; x < k; x++) row[x] = (float)c->raw.probability[i * k + x];
        tn_temperature_apply(c->temperature.value, c->raw.classes, row);
        status = tn_predictions_add_float(&c->fitted, c->raw.image[i], c->raw.truth[i], row);
    }
    free(row);
    return status;
}

static tn_status choose_threshold(calibrate *c) {
    if (isnan(c->sensitivity)) return TN_OK;
    const int positive = c->model.positive;
    const tn_predictions *p = &c->fitted;
    tn_ranking ranking;
    TN_TRY(tn_ranking_create(p->probability + positive, (size_t)p->classes, p->truth, positive,
                             p->n, &ranking));
    const tn_status status = tn_ranking_threshold(&ranking, c->sensitivity, &c->threshold);
    tn_ranking_free(&ranking);
    TN_TRY(status);
    if (c->threshold.negatives) return TN_OK;
    return tn_fail("%s: every image is \"%s\": a threshold chosen here would say nothing about the "
                   "others",
                   c->list.path_of_list, c->model.names[positive]);
}

static tn_status fit(calibrate *c) {
    tn_model *m = &c->model;
    m->temperature = 1; /* what was fitted before does not count */
    TN_TRY(tn_predictions_create(&c->raw, m->names, m->classes, (size_t)c->list.n));
    TN_TRY(tn_views_run(m, &c->list, TN_VIEWS_ONE, receive, c));
    if (tn_temperature_fit(&c->raw, &c->temperature) != TN_OK)
        return tn_fail_in("%s", c->list.path_of_list);
    TN_TRY(apply(c));
    TN_TRY(figures_of(c, &c->raw, c->before));
    TN_TRY(figures_of(c, &c->fitted, c->after));
    return choose_threshold(c);
}

/* ---- keeping ---- */

static tn_status keep(const calibrate *c) {
    const tn_model *m = &c->model;
    const bool chosen = !isnan(c->sensitivity);
    tn_sidecar note = tn_model_note(m);
    /* answers in 8 bits have a calibration of their own, which goes when their scales go */
    tn_calibration *kept = m->quantisation ? &note.int8.calibration : &note.calibration;
    bool *calibrated = m->quantisation ? &note.int8.calibrated : &note.calibrated;
    const bool had_threshold = *calibrated && !isnan(kept->threshold);
    *calibrated = true;
    if (chosen) note.positive = m->names[m->positive];
    *kept = (tn_calibration){.temperature = c->temperature.value,
                             .loss_before = c->temperature.loss_before,
                             .loss_after = c->temperature.loss_after,
                             .list = c->list.path_of_list,
                             .images = (double)c->raw.n,
                             .threshold = chosen ? c->threshold.value : NAN,
                             .wanted_sensitivity = c->sensitivity,
                             .sensitivity = c->threshold.sensitivity,
                             .specificity = c->threshold.specificity,
                             .positives = (double)c->threshold.positives,
                             .precision = tn_model_precision(m)};
    TN_TRY(tn_file_digest(c->list.path_of_list, &kept->list_digest));
    TN_TRY(tn_file_digest(m->args.weights, &kept->weights_digest));
    if (!chosen && had_threshold)
        fprintf(stderr, "the threshold that was kept before is dropped, it was of other scores "
                        "(-sensitivity S chooses one anew)\n");
    return tn_sidecar_write(m->args.weights, &note);
}

/* ---- saying ---- */

static void print_text(const calibrate *c) {
    static const tn_figure shown[] = {TN_FIGURE_LOSS, TN_FIGURE_BRIER, TN_FIGURE_ECE};
    const tn_model *m = &c->model;
    const double t = c->temperature.value;
    const tn_threshold *h = &c->threshold;
    printf("%zu images of %s\ntemperature %.4g: the net was too %s of itself\n", c->raw.n,
           c->list.path_of_list, t, t > 1 ? "sure" : "unsure");
    printf("%-20s %8s %8s\n", "", "before", "after");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        printf("%-20s %8.4f %8.4f\n", tn_figure_name(shown[i]), c->before[shown[i]],
               c->after[shown[i]]);
    if (!isnan(c->sensitivity))
        printf("threshold for a sensitivity of %g: \"%s\" from %.6g on\n"
               "here: sensitivity %.4f (%zu images), specificity %.4f (%zu images)\n",
               c->sensitivity, m->names[m->positive], h->value, h->sensitivity, h->positives,
               h->specificity, h->negatives);
    printf("These figures flatter: they are of the images that the choice was made on.\n"
           "kept in %s.json\n%s\n",
           m->args.weights, TN_NOTICE);
}

static void print_json(const calibrate *c) {
    printf("{\"n\":%zu,\"temperature\":%.17g,\"loss_before\":%.17g,\"loss_after\":%.17g,"
           "\"brier_before\":%.17g,\"brier_after\":%.17g,\"ece_before\":%.17g,\"ece_after\":%.17g",
           c->raw.n, c->temperature.value, c->before[TN_FIGURE_LOSS], c->after[TN_FIGURE_LOSS],
           c->before[TN_FIGURE_BRIER], c->after[TN_FIGURE_BRIER], c->before[TN_FIGURE_ECE],
           c->after[TN_FIGURE_ECE]);
    if (!isnan(c->sensitivity))
        printf(",\"threshold\":%.17g,\"wanted_sensitivity\":%.17g,\"sensitivity\":%.17g,"
               "\"specificity\":%.17g,\"positives\":%zu,\"negatives\":%zu",
               c->threshold.value, c->sensitivity, c->threshold.sensitivity,
               c->threshold.specificity, c->threshold.positives, c->threshold.negatives);
    printf(",\"notice\":\"%s\"}\n", TN_NOTICE);
}

/* ---- the command ---- */

static tn_status open_all(calibrate *c) {
    tn_model *m = &c->model;
    const tn_texts *words = &c->options.arguments.positionals;
    TN_TRY(tn_model_open(m, &c->options, TN_MODEL_NEEDS_DATA));
    if (m->args.used < words->count)
        return tn_fail("\"%s\" is one word too many: [DATA] CFG WEIGHTS",
                       words->items[m->args.used]);
    if (!isnan(c->sensitivity) && m->positive < 0)
        return tn_fail("-sensitivity: no class is the positive one (positive= in %s)",
                       m->data_path);
    const char *path = c->list_path ? c->list_path : m->data.valid;
    if (!path) return tn_fail("%s: names no valid= list (-list FILE names another)", m->data_path);
    if (!m->labels.n) return tn_fail("%s: names no labels= file", m->data_path);
    TN_TRY(tn_list_load(path, &m->labels, &c->list));
    TN_TRY(refuse(c, m->data.train, "the net learned from them and is surer there than elsewhere"));
    return refuse(c, m->data.test,
                  "what is chosen on test images makes their figures worth nothing");
}

static tn_status run_all(calibrate *c) {
    TN_TRY(open_all(c));
    TN_TRY(fit(c));
    TN_TRY(keep(c));
    (c->json ? print_json : print_text)(c);
    return fflush(stdout) || ferror(stdout) ? tn_fail("stdout cannot be written") : TN_OK;
}

int tn_cmd_calibrate(int argc, char **argv) {
    calibrate c = {.sensitivity = NAN};
    const tn_option_spec specs[] = {
        {"sensitivity", TN_OPTION_REAL, &c.sensitivity, "S",
         "also chooses a threshold that finds this share of the positives, as 0.95", 1e-9, 1},
        {"list", TN_OPTION_TEXT, &c.list_path, "FILE", "another list than DATA's valid="},
        {"json", TN_OPTION_SWITCH, &c.json, NULL, "one JSON object"},
        TN_MODEL_OPTION_ROWS(c.options),
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &c.options.arguments) != TN_OK) return failed();
    int status = 0;
    if (c.options.arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (run_all(&c) != TN_OK)
        status = failed();
    tn_predictions_free(&c.raw);
    tn_predictions_free(&c.fitted);
    tn_list_free(&c.list);
    tn_model_close(&c.model);
    tn_model_options_free(&c.options);
    return status;
}

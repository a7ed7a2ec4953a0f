/* darknet classifier valid, valid10, validcrop, validfull, validmulti */
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/valid_report.h"
#include "src/commands/views.h"
#include "src/data/files.h"
#include "src/data/listing.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

static const char usage[] =
    "usage: darknet classifier valid [DATA] CFG WEIGHTS [options]\n"
    "\n"
    "Scores a net on DATA's validation list: loss, accuracy, AUC, balanced accuracy, sensitivity,\n"
    "specificity, F1 and the confusion matrix, beside what always answering the most frequent "
    "class\n"
    "would get. valid10 averages ten windows and mirror images of each picture, validmulti five\n"
    "sizes and their mirror images, validfull takes the whole picture at its own aspect, "
    "validcrop\n"
    "squashes it to the net's size.\n"
    "\n" TN_NOTICE "\n";

typedef struct valid {
    const char *name;
    tn_views views;
    tn_model_options options;
    const char *list_path, *probs;
    int json, top;
    tn_model model;
    tn_list list;
    tn_scores scores;
} valid;

static int failed(const valid *v) {
    fprintf(stderr, "%s: %s\n", v->name, tn_error());
    return 1;
}

static tn_status receive(void *context, int index, const float *probability) {
    valid *v = context;
    return tn_scores_add(&v->scores, probability, v->list.label[index]);
}

static tn_status open_list(valid *v) {
    const tn_model *m = &v->model;
    const char *path = v->list_path ? v->list_path : m->data.valid;
    if (!path) return tn_fail("%s: names no valid= list (-list FILE names another)", m->data_path);
    if (!m->labels.n) return tn_fail("%s: names no labels= file", m->data_path);
    TN_TRY(tn_list_load(path, &m->labels, &v->list));
    return tn_scores_create(&v->scores, m->classes, (size_t)v->list.n);
}

static tn_status write_probs(const valid *v) {
    const tn_model *m = &v->model;
    tn_text_file file;
    TN_TRY(tn_text_file_open(&file, "%s", v->probs));
    fputs("image,truth,", file.to);
    for (int c = 0; c < m->classes; c++)
        tn_csv_field(file.to, m->names[c], c + 1 < m->classes ? ',' : '\n');
    for (size_t i = 0; i < v->scores.n; i++) {
        tn_csv_field(file.to, v->list.path[i], ',');
        tn_csv_field(file.to, m->names[v->scores.truth[i]], ',');
        const float *p = v->scores.probability + i * (size_t)m->classes;
        for (int c = 0; c < m->classes; c++)
            fprintf(file.to, "%.9g%c", (double)p[c], c + 1 < m->classes ? ',' : '\n');
    }
    return tn_text_file_commit(&file);
}

static tn_status report(valid *v, double seconds) {
    const tn_model *m = &v->model;
    tn_metrics metrics;
    const tn_valid_report about = {
        .model = m, .list = &v->list, .views = v->views, .seconds = seconds, .metrics = &metrics};
    const int asked = v->top ? v->top : m->data.top ? m->data.top : 1;
    const int top = asked < m->classes ? asked : m->classes;
    TN_TRY(tn_metrics_compute(&v->scores, m->positive, top, &metrics));
    const tn_status status =
        v->json ? tn_valid_report_json(&about, stdout) : tn_valid_report_text(&about, stdout);
    tn_metrics_free(&metrics);
    return status;
}

static tn_status run_all(valid *v) {
    TN_TRY(tn_model_open(&v->model, &v->options, TN_MODEL_NEEDS_DATA));
    const tn_texts *words = &v->options.arguments.positionals;
    if (v->model.args.used < words->count)
        return tn_fail("\"%s\" is one word too many: [DATA] CFG WEIGHTS",
                       words->items[v->model.args.used]);
    TN_TRY(open_list(v));
    const double start = tn_seconds();
    TN_TRY(tn_views_run(&v->model, &v->list, v->views, receive, v));
    if (v->probs) TN_TRY(write_probs(v));
    return report(v, tn_seconds() - start);
}

static int valid_main(int argc, char **argv, const char *name, tn_views views) {
    valid v = {.name = name, .views = views};
    const tn_option_spec specs[] = {
        {"json", TN_OPTION_SWITCH, &v.json, NULL, "one JSON object"},
        {"probs", TN_OPTION_TEXT, &v.probs, "FILE", "writes every image's probabilities as CSV"},
        {"list", TN_OPTION_TEXT, &v.list_path, "FILE", "scores another list than DATA's valid="},
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
    tn_scores_free(&v.scores);
    tn_list_free(&v.list);
    tn_model_close(&v.model);
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

/* darknet classifier test, label, csv: one line for each image of DATA's test list. */
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/views.h"

#include <limits.h>
#include <stdlib.h>

typedef enum form {
    OUTPUTS, /* path, then every output */
    LABEL,   /* the most probable class's name */
    INDICES, /* path, then the indices of the most probable classes */
} form;

static const char *const names[] = {"darknet classifier test", "darknet classifier label",
                                    "darknet classifier csv"};

static const char *const usages[] = {
    "usage: darknet classifier test [DATA] CFG WEIGHTS [options]\n"
    "\n"
    "Prints every image of DATA's test= list with all outputs of the net, separated by tabs.\n"
    "\n" TN_NOTICE "\n",
    "usage: darknet classifier label [DATA] CFG WEIGHTS [options]\n"
    "\n"
    "Prints the name of the most probable class of every image of DATA's test= list.\n"
    "\n" TN_NOTICE "\n",
    "usage: darknet classifier csv [DATA] CFG WEIGHTS [options]\n"
    "\n"
    "Prints every image of DATA's test= list with the indices (from 0) of its most probable\n"
    "classes, separated by tabs.\n"
    "\n" TN_NOTICE "\n",
};

typedef struct test {
    form form;
    tn_model_options options;
    const char *list_path;
    int asked, top;
    int fit; /* index of "centre|squash" */
    tn_model model;
    tn_list list;
    int *order;
} test;

static int failed(const test *t) {
    fprintf(stderr, "%s: %s\n", names[t->form], tn_error());
    return 1;
}

static tn_status receive(void *context, int index, const float *probability) {
    const test *t = context;
    const int classes = t->model.classes;
    if (t->form == LABEL) {
        tn_model_rank(probability, classes, t->order);
        printf("%s\n", t->model.names[t->order[0]]);
        return TN_OK;
    }
    fputs(t->list.path[index], stdout);
    if (t->form == OUTPUTS)
        for (int c = 0; c < classes; c++) printf("\t%g", (double)probability[c]);
    else
        tn_model_rank(probability, classes, t->order);
    for (int i = 0; t->form == INDICES && i < t->top; i++) printf("\t%d", t->order[i]);
    putchar('\n');
    return TN_OK;
}

static tn_status run_all(test *t) {
    TN_TRY(tn_model_open(&t->model, &t->options, TN_MODEL_NEEDS_DATA));
    const tn_model *m = &t->model;
    const tn_texts *words = &t->options.arguments.positionals;
    if (m->args.used < words->count)
        return tn_fail("\"%s\" is one word too many: [DATA] CFG WEIGHTS",
                       words->items[m->args.used]);
    const char *path = t->list_path ? t->list_path : m->data.test;
    if (!path) return tn_fail("%s: names no test= list (-list FILE names another)", m->data_path);
    TN_TRY(tn_list_load(path, NULL, &t->list));
    t->top = tn_model_top(m, t->asked);
    t->order = calloc((size_t)m->classes, sizeof *t->order);
    if (!t->order) return tn_fail("out of memory for %d classes", m->classes);
    TN_TRY(tn_views_run(m, &t->list, t->fit ? TN_VIEWS_SQUASH : TN_VIEWS_ONE, receive, t));
    fprintf(stderr, "%s\n", TN_NOTICE);
    if (fflush(stdout) != 0 || ferror(stdout)) return tn_fail("stdout cannot be written");
    return TN_OK;
}

static int test_main(int argc, char **argv, form which) {
    test t = {.form = which};
    const tn_option_spec specs[] = {
        {"list", TN_OPTION_TEXT, &t.list_path, "FILE", "reads another list than DATA's test="},
        {"t", TN_OPTION_INT, &t.asked, "N", "csv: prints the N most probable classes", 1, INT_MAX},
        {"fit", TN_OPTION_CHOICE, &t.fit, "centre|squash",
         "how an image becomes the net's size: centre is valid's and predict's way, squash "
         "Darknet's test"},
        TN_MODEL_OPTION_ROWS(t.options),
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &t.options.arguments) != TN_OK) return failed(&t);
    int status = 0;
    if (t.options.arguments.help)
        tn_options_help(stdout, usages[which], specs);
    else if (run_all(&t) != TN_OK)
        status = failed(&t);
    free(t.order);
    tn_list_free(&t.list);
    tn_model_close(&t.model);
    tn_model_options_free(&t.options);
    return status;
}

int tn_cmd_test(int argc, char **argv) {
    return test_main(argc, argv, OUTPUTS);
}

int tn_cmd_label(int argc, char **argv) {
    return test_main(argc, argv, LABEL);
}

int tn_cmd_csv(int argc, char **argv) {
    return test_main(argc, argv, INDICES);
}

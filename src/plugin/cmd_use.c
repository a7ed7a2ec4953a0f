/* darknet-plugin classifier valid and predict: ./darknet's commands with the host computing, so
 * that checks, pictures and answers come from the same code; with -host, the host's own command. */
#include "src/commands/commands.h"
#include "src/commands/model.h"
#include "src/plugin/commands.h"
#include "src/plugin/host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static tn_host_net *host;

static tn_status open_host(const tn_model *m, const tn_model_options *options) {
    tn_host_graft_options.overrides = options->net.items;
    tn_host_graft_options.n_overrides = options->net.count;
    TN_TRY(tn_host_start());
    /* what the host says while it reads is no result */
    fflush(stdout);
    const int out = dup(STDOUT_FILENO);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return tn_fail("no room for a file");
    const tn_status status = tn_host_open(m->args.cfg, m->args.weights, false, &host);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    return status;
}

/* Dense (n,h,w,c) pictures to the host's (c,h,w), one at a time. */
static tn_status forward(const tn_model *m, const float *x, int n_valid, float *probability) {
    const tn_input_format *f = &m->format;
    const size_t area = (size_t)f->h * (size_t)f->w, c = (size_t)f->c;
    if (tn_host_inputs(host) != (int)(area * c) || tn_host_outputs(host) != m->classes)
        return tn_fail("the host's net has %d inputs and %d outputs, expected %zu and %d",
                       tn_host_inputs(host), tn_host_outputs(host), area * c, m->classes);
    float *picture = malloc(area * c * sizeof *picture);
    if (!picture) return tn_fail("out of memory");
    for (size_t i = 0; i < (size_t)n_valid; i++) {
        for (size_t p = 0; p < area; p++)
            for (size_t k = 0; k < c; k++) picture[k * area + p] = x[(i * area + p) * c + k];
        memcpy(probability + i * (size_t)m->classes, tn_host_predict(host, picture),
               (size_t)m->classes * sizeof *probability);
    }
    free(picture);
    return TN_OK;
}

static const tn_model_engine engine = {open_host, forward};

/* ---- -host: the library's own command, after our checks ---- */

static int failed(const char *command) {
    fprintf(stderr, "darknet-plugin classifier %s: %s\n", command, tn_error());
    return 1;
}

/* The host takes what it cannot read for a black picture. */
static tn_status check_images(const char *const *path, int n) {
    for (int i = 0; i < n; i++) {
        tn_image image;
        TN_TRY(tn_image_load(path[i], 3, &image));
        tn_image_free(&image);
    }
    return TN_OK;
}

static tn_status check_list(const tn_model *m) {
    tn_list list;
    if (!m->data.valid || !m->labels.n)
        return tn_fail("%s: names no valid= list or no labels= file", m->data_path);
    TN_TRY(tn_list_load(m->data.valid, &m->labels, &list));
    const tn_status status = check_images((const char *const *)list.path, list.n);
    tn_list_free(&list);
    return status;
}

static tn_status run_hosts(const tn_model *m, const tn_texts *words, const char *command, int top) {
    char number[16];
    const int first = m->args.used;
    const bool validates = strcmp(command, "valid") == 0;
    TN_TRY(tn_host_start());
    TN_TRY(validates ? check_list(m) : check_images(words->items + first, words->count - first));
    snprintf(number, sizeof number, "%d", top);
    for (int i = first; i < words->count || (validates && i == first); i++) {
        char *argv[10] = {"darknet",           "classifier",
                          (char *)command,     (char *)m->data_path,
                          (char *)m->args.cfg, (char *)m->args.weights};
        int argc = 6;
        if (!validates) argv[argc++] = (char *)words->items[i];
        if (top) {
            argv[argc++] = "-t";
            argv[argc++] = number;
        }
        tn_host_run_classifier(argc, argv);
        putchar('\n');
    }
    return TN_OK;
}

static int use_hosts(int argc, char **argv) {
    tn_model_options options = {0};
    tn_model model = {0};
    int top = 0;
    const tn_option_spec specs[] = {
        {"t", TN_OPTION_INT, &top, "N", "shows or counts the N most probable", 1, 1 << 20},
        TN_MODEL_OPTION_ROWS(options),
        {NULL},
    };
    tn_status status = TN_OK;
    if (!tn_host_has_commands)
        status = tn_fail("-host: the library of %s has no commands", tn_host_name());
    if (status == TN_OK) status = tn_options_parse(argc, argv, specs, &options.arguments);
    if (status == TN_OK) {
        status = tn_model_open(&model, &options, TN_MODEL_NEEDS_DATA);
        tn_host_graft_options.overrides = options.net.items;
        tn_host_graft_options.n_overrides = options.net.count;
        if (status == TN_OK)
            status = run_hosts(&model, &options.arguments.positionals, argv[0], top);
        tn_model_close(&model);
        tn_model_options_free(&options);
    }
    return status == TN_OK ? 0 : failed(argv[0]);
}

/* Takes -host out of argv. */
static bool takes_host(int *argc, char **argv) {
    int kept = 1;
    bool found = false;
    for (int i = 1; i < *argc; i++) {
        const bool is = strcmp(argv[i], "-host") == 0 || strcmp(argv[i], "--host") == 0;
        found = found || is;
        if (!is) argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    *argc = kept;
    return found;
}

int tn_plugin_valid(int argc, char **argv) {
    if (takes_host(&argc, argv)) return use_hosts(argc, argv);
    tn_model_use_engine(&engine);
    return tn_cmd_valid(argc, argv);
}

int tn_plugin_predict(int argc, char **argv) {
    if (takes_host(&argc, argv)) return use_hosts(argc, argv);
    tn_model_use_engine(&engine);
    return tn_cmd_predict(argc, argv);
}

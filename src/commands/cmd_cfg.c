/* darknet cfg: check a cfg, list a section's keys, write a net for other programs. */
#include "src/commands/commands.h"
#include "src/commands/options.h"
#include "src/net/atomic_file.h"
#include "src/net/expand.h"
#include "src/net/weights.h"

#include <stdio.h>
#include <string.h>

static const char overview[] =
    "usage: darknet cfg check CFG                              is it right, and what net is it\n"
    "       darknet cfg help [SECTION]                         sections, or a section's keys\n"
    "       darknet cfg expand [-fold] IN.cfg [IN.weights] OUT.cfg [OUT.weights]\n"
    "                                                          for stock Darknets and OpenCV\n";

static const char expand_usage[] =
    "usage: darknet cfg expand [-fold] IN.cfg [IN.weights] OUT.cfg [OUT.weights]\n"
    "\n"
    "Writes a net in sections that AlexeyAB's and Debian's Darknet and OpenCV's dnn module know.\n"
    "The weights hold the same values. With -fold (which needs weights) batch norm is folded into\n"
    "weights and biases and what only trains is left out: that pair gives the same probabilities "
    "in\n"
    "all of them, whatever epsilon each adds to variances.\n";

static void warn_line(void *user, const char *text) {
    (void)user;
    fprintf(stderr, "warning: %s\n", text);
}
static const tn_warner warner = {warn_line, NULL};

static int report(const char *what, tn_status status) {
    if (status != TN_OK) fprintf(stderr, "darknet cfg %s: %s\n", what, tn_error());
    return status == TN_OK ? 0 : 1;
}

static bool asks_help(const char *word) {
    return word[0] == '-' && (strcmp(word + strspn(word, "-"), "h") == 0 ||
                              strcmp(word + strspn(word, "-"), "help") == 0);
}

/* ---- check ---- */

static tn_status check(const char *path) {
    tn_net *net;
    TN_TRY(tn_net_load(path, NULL, 0, &warner, &net));
    printf("%s: ok: %d layers, %zu parameters, %.0f multiply-adds an image, %d outputs\n", path,
           net->plan.n_layers, tn_net_parameters(net), tn_net_multiply_adds(net),
           tn_net_outputs(net));
    tn_net_free(net);
    return TN_OK;
}

static int run_check(int argc, char **argv) {
    if (argc == 2 && asks_help(argv[1])) {
        fputs("usage: darknet cfg check CFG\n", stdout);
        return 0;
    }
    if (argc == 2) return report("check", check(argv[1]));
    return report("check", tn_fail("expected one file: darknet cfg check CFG"));
}

/* ---- help ---- */

static void print_key(const tn_key *key) {
    static const char *const kinds[] = {"int",     "0|1",      "real",    "word",         "text",
                                        "int,...", "real,...", "ignored", "not supported"};
    printf("  %-22s %-14s ", key->name, kinds[key->kind]);
    if (!key->standard)
        printf("%-12s", "(required)");
    else
        printf("%-12s", *key->standard ? key->standard : "-");
    printf(" %s", key->help);
    if ((key->kind == TN_KEY_INT || key->kind == TN_KEY_REAL) && (key->min != 0 || key->max != 0))
        printf(" [%.10g to %.10g]", key->min, key->max);
    printf("\n");
    if (key->kind != TN_KEY_CHOICE) return;
    printf("  %37s ", "");
    for (const char *const *word = key->choices; *word; word++) printf(" %s", *word);
    printf("\n");
}

static void print_keys(const tn_key *keys) {
    for (; keys->name; keys++) print_key(keys);
}

static void print_sections(void) {
    printf("[%s] comes first: `darknet cfg help net` lists its keys. Layers:\n", "net");
    for (const tn_layer_type *const *t = tn_layer_types(); *t; t++) {
        char name[64];
        snprintf(name, sizeof name, "[%s]", (*t)->name);
        printf("  %-26s %s", name, (*t)->help);
        for (int i = 0; i < 2; i++)
            if ((*t)->alias[i]) printf("%s[%s]", i ? ", " : "; also ", (*t)->alias[i]);
        printf("\n");
    }
}

static tn_status no_section(const char *name) {
    const char *names[128] = {"net"};
    int n = 1;
    for (const tn_layer_type *const *t = tn_layer_types(); *t && n < 128; t++)
        names[n++] = (*t)->name;
    const char *near = tn_nearest(name, names, n);
    return tn_fail("no section [%s]%s%s%s", name, near ? "; did you mean [" : "", near ? near : "",
                   near ? "]?" : "");
}

static int run_help(int argc, char **argv) {
    if (argc == 2 && asks_help(argv[1])) {
        fputs("usage: darknet cfg help [SECTION]\n", stdout);
        return 0;
    }
    if (argc < 2) {
        print_sections();
        return 0;
    }
    if (strcmp(argv[1], "net") == 0 || strcmp(argv[1], "network") == 0) {
        printf("[net]: input, training, schedule, augmentation\n");
        print_keys(tn_net_key_table);
        return 0;
    }
    const tn_layer_type *type = tn_layer_find(argv[1]);
    if (!type) return report("help", no_section(argv[1]));
    printf("[%s]: %s\n", type->name, type->help);
    print_keys(type->keys);
    printf("every layer:\n");
    print_keys(tn_layer_common_keys);
    return 0;
}

/* ---- expand ---- */

typedef struct expand_files {
    const char *in_cfg, *in_weights, *out_cfg, *out_weights; /* weights: both or none */
} expand_files;

static tn_status name_files(const tn_texts *names, int fold, expand_files *f) {
    const char **name = names->items;
    if (names->count == 2 && fold)
        return tn_fail("-fold needs weights: IN.cfg IN.weights OUT.cfg OUT.weights");
    if (names->count == 2)
        *f = (expand_files){name[0], NULL, name[1], NULL};
    else if (names->count == 4)
        *f = (expand_files){name[0], name[1], name[2], name[3]};
    else
        return tn_fail("%d files, expected IN.cfg OUT.cfg or IN.cfg IN.weights OUT.cfg OUT.weights",
                       names->count);
    if (strcmp(f->in_cfg, f->out_cfg) == 0 ||
        (f->in_weights && strcmp(f->in_weights, f->out_weights) == 0))
        return tn_fail("input and output are the same file");
    return TN_OK;
}

static tn_status write_cfg(const tn_net *net, bool fold, const char *path) {
    tn_atomic_file file;
    TN_TRY(tn_atomic_open(&file, path));
    const tn_status status = tn_expand_cfg(net, fold, &warner, file.to);
    if (status == TN_OK) return tn_atomic_commit(&file);
    tn_atomic_abandon(&file);
    return status;
}

static tn_status expand(tn_net *net, const expand_files *f, bool fold) {
    if (f->in_weights) TN_TRY(tn_weights_load(net, f->in_weights, false, NULL));
    TN_TRY(write_cfg(net, fold, f->out_cfg));
    if (f->out_weights) TN_TRY(tn_expand_weights(net, fold, f->out_weights));
    printf("%s%s%s\n", f->out_cfg, f->out_weights ? " " : "", f->out_weights ? f->out_weights : "");
    return TN_OK;
}

static int run_expand(int argc, char **argv) {
    int fold = 0;
    const tn_option_spec specs[] = {
        {"fold", TN_OPTION_SWITCH, &fold, NULL, "for inference: fold batch norm, drop heads"},
        {0},
    };
    tn_arguments arguments;
    if (tn_options_parse(argc, argv, specs, &arguments) != TN_OK) return report("expand", TN_FAIL);
    if (arguments.help) {
        tn_options_help(stdout, expand_usage, specs);
        tn_arguments_free(&arguments);
        return 0;
    }
    expand_files files = {0};
    tn_net *net = NULL;
    tn_status status = name_files(&arguments.positionals, fold, &files);
    if (status == TN_OK) status = tn_net_load(files.in_cfg, NULL, 0, &warner, &net);
    if (status == TN_OK) status = expand(net, &files, fold != 0);
    tn_net_free(net);
    tn_arguments_free(&arguments);
    return report("expand", status);
}

int tn_cmd_cfg(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "check") == 0) return run_check(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "expand") == 0) return run_expand(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "help") == 0) return run_help(argc - 1, argv + 1);
    const bool asked = argc >= 2 && asks_help(argv[1]);
    if (argc >= 2 && !asked) fprintf(stderr, "darknet cfg: no command %s\n", argv[1]);
    fputs(overview, asked ? stdout : stderr);
    return asked ? 0 : 1;
}

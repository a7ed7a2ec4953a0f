/* ./darknet: one table of commands. */
#include "layers/device/cpu.h"
#include "layers/keys.h"
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/options.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL keeps it out of the list */
} command;

static const command classifier_commands[] = {
    {"train", tn_cmd_train, "trains a net on a list of images"},
    {"valid", tn_cmd_valid, "scores a net on the validation list"},
    {"valid10", tn_cmd_valid10, "valid, each image in ten views"},
    {"validmulti", tn_cmd_validmulti, "valid, each image whole in five sizes, mirrored too"},
    {"validfull", tn_cmd_validfull, "valid, each image whole"},
    {"validcrop", tn_cmd_validcrop, "valid, each image squashed to the net's size"},
    {"calibrate", tn_cmd_calibrate, "makes probabilities honest, chooses an operating threshold"},
    {"compare", tn_cmd_compare, "says whether nets differ or whether it is noise"},
    {"predict", tn_cmd_predict, "says how probable each class is for images"},
    {"test", tn_cmd_test, "every output for the images of the test list"},
    {"label", tn_cmd_label, "the class of each image of the test list"},
    {"csv", tn_cmd_csv, "the most probable classes of each image of the test list"},
    {"try", tn_cmd_try, "what each layer makes of one image"},
    {"gradcam", tn_cmd_gradcam, "shows which places of an image speak for a class"},
    {"demo", tn_cmd_demo, "scores drawn into a video's or a camera's frames"},
    {"summary", tn_cmd_summary, "layers, shapes, parameters, multiply-adds of a cfg"},
    {0},
};

static int run_classifier(int argc, char **argv);

static const command commands[] = {
    {"classifier", run_classifier, "train, valid, predict, ... (classifier -h lists them)"},
    {"classify", tn_cmd_classify, "short for classifier predict"},
    {"ddti", tn_cmd_ddti, "convert the DDTI database, or make a sample shaped like it"},
    {"list", tn_cmd_list, "lists from any folder of class folders"},
    {"cfg", tn_cmd_cfg, "check a cfg, list its keys, write it for other programs"},
    {"bench", tn_cmd_bench, "how long a net takes, and where the time goes"},
    {"version", tn_cmd_version, "what this binary is and was built with"},
    {"-version", tn_cmd_version, NULL},
    {"--version", tn_cmd_version, NULL},
    {0},
};

static void print_commands(FILE *to, const char *usage, const command *table) {
    fprintf(to, "usage: %s COMMAND ...   (COMMAND -h explains it)\n", usage);
    for (; table->name; table++) {
        if (table->help) fprintf(to, "  %-12s %s\n", table->name, table->help);
    }
    fprintf(to, "%s\n", TN_NOTICE);
}

static bool asks_for_help(const char *word) {
    return !strcmp(word, "-h") || !strcmp(word, "-help") || !strcmp(word, "--help") ||
           !strcmp(word, "help");
}

static int unknown(const char *usage, const command *table, const char *word) {
    const char *names[64];
    int n = 0;
    for (; table[n].name; n++) names[n] = table[n].name;
    const char *near = tn_nearest(word, names, n);
    fprintf(stderr, "%s: no command %s", usage, word);
    if (near) fprintf(stderr, "; did you mean %s?", near);
    fprintf(stderr, " (%s -h lists them)\n", usage);
    return 1;
}

/* argv[1] names a row of the table; the row sees argv from there. */
static int dispatch(int argc, char **argv, const char *usage, const command *table) {
    if (argc < 2) {
        print_commands(stderr, usage, table);
        return 1;
    }
    if (asks_for_help(argv[1])) {
        print_commands(stdout, usage, table);
        return 0;
    }
    for (const command *row = table; row->name; row++)
        if (strcmp(row->name, argv[1]) == 0) return row->run(argc - 1, argv + 1);
    return unknown(usage, table, argv[1]);
}

static int run_classifier(int argc, char **argv) {
    return dispatch(argc, argv, "darknet classifier", classifier_commands);
}

/* ---- Darknet's global flags: which GPU ---- */

static bool is_flag(const char *argument, const char *name) {
    if (argument[0] != '-') return false;
    return strcmp(argument + (argument[1] == '-' ? 2 : 1), name) == 0;
}

/* The number of GPUs asked for by a list like "0,1"; "-1" asks for none. Fails on anything else. */
static tn_status count_gpus(const char *flag, const char *list, int *gpus) {
    *gpus = 0;
    for (const char *at = list;; at++) {
        char number[16];
        const size_t length = strcspn(at, ",");
        int index = 0;
        snprintf(number, sizeof number, "%.*s", (int)(length < 15 ? length : 15), at);
        TN_TRY(tn_option_int(flag, number, -1, 1023, &index));
        if (index >= 0) (*gpus)++;
        at += length;
        if (!*at) return TN_OK;
    }
}

/* Takes -nogpu, -i N and -gpus LIST out of argv, wherever they stand. */
static tn_status take_gpu_flags(int *argc, char **argv, int *gpus) {
    int kept = 1;
    bool flags = true;
    *gpus = 0;
    for (int i = 1; i < *argc; i++) {
        const bool names_gpu = flags && (is_flag(argv[i], "i") || is_flag(argv[i], "gpus"));
        if (strcmp(argv[i], "--") == 0) flags = false;
        if (flags && is_flag(argv[i], "nogpu")) continue;
        if (!names_gpu) {
            argv[kept++] = argv[i];
            continue;
        }
        if (i + 1 == *argc)
            return tn_fail("%s needs a value: the GPU's number, -1 for none", argv[i]);
        TN_TRY(count_gpus(argv[i], argv[i + 1], gpus));
        i++;
    }
    argv[kept] = NULL;
    *argc = kept;
    return TN_OK;
}

int main(int argc, char **argv) {
    int gpus = 0;
    if (take_gpu_flags(&argc, argv, &gpus) != TN_OK) {
        fprintf(stderr, "darknet: %s\n", tn_error());
        return 1;
    }
    if (gpus)
        fprintf(stderr, "warning: this build has no GPU code: the processor computes instead\n");
    tn_cpu_use_threads(0);
    return dispatch(argc, argv, "darknet", commands);
}

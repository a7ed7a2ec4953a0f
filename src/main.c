/* ./darknet: one table of commands. */
#include "layers/device/cpu.h"
#include "layers/keys.h"
#include "src/commands/commands.h"
#include "src/commands/device.h"
#include "src/commands/notice.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL keeps it out of the list */
    bool int8;        /* takes -precision int8 */
} command;

static const command classifier_commands[] = {
    {"train", tn_cmd_train, "trains a net on a list of images"},
    {"valid", tn_cmd_valid, "scores a net on the validation list", true},
    {"valid10", tn_cmd_valid10, "valid, each image in ten views", true},
    {"validmulti", tn_cmd_validmulti, "valid, each image whole in five sizes, mirrored too", true},
    {"validfull", tn_cmd_validfull, "valid, each image whole", true},
    {"validcrop", tn_cmd_validcrop, "valid, each image squashed to the net's size", true},
    {"crossval", tn_cmd_crossval, "trains and scores a net on every fold of a list, by case"},
    {"calibrate", tn_cmd_calibrate, "makes probabilities honest, chooses an operating threshold",
     true},
    {"quantize", tn_cmd_quantize, "chooses the scales that -precision int8 takes"},
    {"compare", tn_cmd_compare, "says whether nets differ or whether it is noise"},
    {"predict", tn_cmd_predict, "says how probable each class is for images", true},
    {"test", tn_cmd_test, "every output for the images of the test list", true},
    {"label", tn_cmd_label, "the class of each image of the test list", true},
    {"csv", tn_cmd_csv, "the most probable classes of each image of the test list", true},
    {"try", tn_cmd_try, "what each layer makes of one image"},
    {"gradcam", tn_cmd_gradcam, "shows which places of an image speak for a class"},
    {"demo", tn_cmd_demo, "scores drawn into a video's or a camera's frames", true},
    {"report", tn_cmd_report, "run folders as one page of HTML"},
    {"summary", tn_cmd_summary, "layers, shapes, parameters, multiply-adds of a cfg"},
    {0},
};

static int run_classifier(int argc, char **argv);

static const command commands[] = {
    {"classifier", run_classifier, "train, valid, predict, ... (classifier -h lists them)", true},
    {"classify", tn_cmd_classify, "short for classifier predict", true},
    {"ddti", tn_cmd_ddti, "convert the DDTI database, or make a sample shaped like it"},
    {"list", tn_cmd_list, "lists from any folder of class folders"},
    {"cfg", tn_cmd_cfg, "check a cfg, list its keys, write it for other programs"},
    {"bench", tn_cmd_bench, "how long a net takes, and where the time goes", true},
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
    fprintf(to,
            "Flags of every command: -gpus 0,1 or -i N (GPUs), -nogpu or -i -1 (the processor), "
            "-precision fp32|tf32|bf16|int8\n");
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

static bool check_int8(const char *usage, const command *row) {
    if (!tn_device_int8() || row->int8) return true;
    fprintf(stderr,
            "%s %s: -precision int8 is for answers alone: predict, classify, valid (all of them), "
            "calibrate, test, label, csv, demo, bench -infer\n",
            usage, row->name);
    return false;
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
        if (strcmp(row->name, argv[1]) == 0)
            return check_int8(usage, row) ? row->run(argc - 1, argv + 1) : 1;
    return unknown(usage, table, argv[1]);
}

static int run_classifier(int argc, char **argv) {
    return dispatch(argc, argv, "darknet classifier", classifier_commands);
}

int main(int argc, char **argv) {
    if (tn_device_take_flags(&argc, argv) != TN_OK) {
        fprintf(stderr, "darknet: %s\n", tn_error());
        tn_device_close();
        return 1;
    }
    tn_cpu_use_threads(0);
    const int status = dispatch(argc, argv, "darknet", commands);
    tn_device_close();
    return status;
}

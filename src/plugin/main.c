/* ./darknet-plugin: ./darknet's command line inside a real libdarknet. */
#include "layers/device/cpu.h"
#include "layers/keys.h"
#include "src/commands/commands.h"
#include "src/commands/device.h"
#include "src/commands/notice.h"
#include "src/commands/options.h"
#include "src/plugin/commands.h"
#include "src/plugin/host.h"
#include "src/plugin/mends.h"
#include "src/plugin/probe.h"
#include "src/version.h"

#include <stdio.h>
#include <string.h>

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} command;

static int run_version(int argc, char **argv);

static const command classifier_commands[] = {
    {"train", tn_plugin_train, "the host trains a net on its list of images"},
    {"valid", tn_plugin_valid, "scores a net on the validation list"},
    {"predict", tn_plugin_predict, "says how probable each class is for images"},
    {"summary", tn_cmd_summary, "layers, shapes, parameters, multiply-adds of a cfg"},
    {0},
};
static int run_classifier_command(int argc, char **argv);
static const command commands[] = {
    {"classifier", run_classifier_command, "train, valid, predict, summary"},
    {"cfg", tn_cmd_cfg, "check a cfg, list its keys, write it for other programs"},
    {"detector", tn_plugin_detector, "AlexeyAB's detector, our sections in its backbones"},
    {"bench", tn_plugin_bench, "seconds of a training step in the host"},
    {"version", run_version, "host, library, and every switch"},
    {0},
};

static int run_version(int argc, char **argv) {
    (void)argc;
    (void)argv;
    printf("ThyroNet-X4 for Darknet %s, plugin for %s\n", TN_VERSION, tn_host_name());
    printf("host: %s, %s; GPU kernels of ours: %s\n", tn_probe_library(), tn_host_processor(),
           TN_GPU ? "built in" : "not built");
    printf(
        "what it does besides (-without NAME switches one off, -without all every one; cpu: only "
        "where the host computes on the processor, all: on its GPU too):\n");
    tn_mends_print(stdout);
    return 0;
}

static void print_commands(FILE *to, const char *usage, const command *table) {
    fprintf(to, "usage: %s COMMAND ...   (COMMAND -h explains it)\n", usage);
    for (; table->name; table++) fprintf(to, "  %-12s %s\n", table->name, table->help);
    fprintf(to, "%s\n", TN_NOTICE);
}

static int dispatch(int argc, char **argv, const char *usage, const command *table) {
    const char *names[16];
    int n = 0;
    for (; table[n].name; n++) names[n] = table[n].name;
    const char *word = argc < 2 ? "" : argv[1] + strspn(argv[1], "-");
    if (!*word || strcmp(word, "h") == 0 || strcmp(word, "help") == 0) {
        print_commands(*word ? stdout : stderr, usage, table);
        return *word ? 0 : 1;
    }
    for (const command *row = table; row->name; row++)
        if (strcmp(row->name, word) == 0) return row->run(argc - 1, argv + 1);
    const char *near = tn_nearest(word, names, n);
    fprintf(stderr, "%s: no command %s%s%s%s (%s -h lists them; ./darknet has more)\n", usage, word,
            near ? "; did you mean " : "", near ? near : "", near ? "?" : "", usage);
    return 1;
}

static int run_classifier_command(int argc, char **argv) {
    return dispatch(argc, argv, "darknet-plugin classifier", classifier_commands);
}

static bool is_flag(const char *word, const char *name) {
    return word[0] == '-' && strcmp(word + 1 + (word[1] == '-'), name) == 0;
}

/* The host's GPU is its own affair: no command of ours may look for one. -precision is read, and
 * refused, as ./darknet does. */
static tn_status stay_on_processor(int *argc, char **argv) {
    char *nogpu[] = {"darknet-plugin", "-nogpu", NULL};
    int n = 2;
    TN_TRY(tn_device_take_flags(&n, nogpu));
    TN_TRY(tn_device_take_flags(argc, argv));
    if (tn_device_precision() == TN_PRECISION_FP32) return TN_OK;
    return tn_fail("-precision %s: in the plugin the processor computes in fp32 alone; ./darknet "
                   "has more",
                   tn_precision_name(tn_device_precision()));
}

static tn_status want_gpu(const char *flag, const char *number) {
    int index = -1;
    if (!number) return tn_fail("%s needs a value: the GPU's number, -1 for none", flag);
    if (strchr(number, ','))
        return tn_fail("%s %s: in the plugin a net computes on one GPU; ./darknet takes several",
                       flag, number);
    TN_TRY(tn_option_int(flag, number, -1, 15, &index));
    return tn_host_want_gpu(index, flag);
}

/* Takes -without NAME, and Darknet's -nogpu, -i N and -gpus N, out of argv. */
static tn_status take_switches(int *argc, char **argv) {
    int kept = 1;
    bool flags = true;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) flags = false;
        if (flags && (is_flag(argv[i], "i") || is_flag(argv[i], "gpus"))) {
            const char *flag = argv[i];
            TN_TRY(want_gpu(flag, ++i < *argc ? argv[i] : NULL));
            continue;
        }
        if (flags && is_flag(argv[i], "nogpu")) {
            TN_TRY(tn_host_want_gpu(-1, argv[i]));
            continue;
        }
        if (!flags || !is_flag(argv[i], "without")) {
            argv[kept++] = argv[i];
            continue;
        }
        if (++i == *argc) return tn_fail("-without needs a name (-version lists them)");
        TN_TRY(tn_mend_without(argv[i]));
    }
    argv[kept] = NULL;
    *argc = kept;
    return stay_on_processor(argc, argv);
}

int main(int argc, char **argv) {
    if (take_switches(&argc, argv) != TN_OK || tn_probe_host() != TN_OK) {
        fprintf(stderr, "darknet-plugin: %s\n", tn_error());
        return 1;
    }
    tn_cpu_use_threads(0);
    return dispatch(argc, argv, "darknet-plugin", commands);
}

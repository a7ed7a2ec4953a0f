/* ./darknet: one table of commands. */
#include "layers/device/cpu.h"
#include "layers/keys.h"
#include "src/commands/commands.h"
#include "src/commands/notice.h"

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
    {0},
};

static int run_classifier(int argc, char **argv);

static const command commands[] = {
    {"classifier", run_classifier, "train, valid, predict, ... (classifier -h lists them)"},
    {"ddti", tn_cmd_ddti, "convert the DDTI database, or make a sample shaped like it"},
    {"bench", tn_cmd_bench, "how long a net takes, and where the time goes"},
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
    const char *names[64];
    int n = 0;
    for (; table[n].name; n++) {
        if (strcmp(table[n].name, argv[1]) == 0) return table[n].run(argc - 1, argv + 1);
        names[n] = table[n].name;
    }
    const char *near = tn_nearest(argv[1], names, n);
    fprintf(stderr, "%s: no command %s%s%s%s\n", usage, argv[1], near ? "; did you mean " : "",
            near ? near : "", near ? "?" : "");
    return 1;
}

static int run_classifier(int argc, char **argv) {
    return dispatch(argc, argv, "darknet classifier", classifier_commands);
}

int main(int argc, char **argv) {
    tn_cpu_flush_denormals(tn_cpu_threads());
    return dispatch(argc, argv, "darknet", commands);
}

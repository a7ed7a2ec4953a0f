/* The command line of `classifier train`. */
#ifndef TN_COMMANDS_TRAIN_OPTIONS_H
#define TN_COMMANDS_TRAIN_OPTIONS_H

#include "src/commands/model_args.h"
#include "src/commands/options.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_train_options {
    tn_arguments arguments;
    tn_model_args model;
    tn_texts net;         /* -net KEY=VALUE, every one; -epochs N is among them */
    char epochs_text[48]; /* what -epochs became */
    unsigned long long seed;
    int seed_given;
    int threads; /* 0: all */
    const char *backup;
    int resume, clear, partial, topk, show_images, benchmark_loader;
    int valid_every; /* epochs */
    int stop_after;  /* updates of this process; 0: never */
    const char *kernels;
} tn_train_options;

/* Reads the command line. *help is set, and the help printed, for -h. What has no effect here is
 * said on stderr, once a flag. */
tn_status tn_train_options_parse(int argc, char **argv, tn_train_options *out, int *help);
/* -epochs N is short for -net epochs=N. */
tn_status tn_train_options_add_epochs(tn_train_options *options, double epochs);
void tn_train_options_free(tn_train_options *options);

#ifdef __cplusplus
}
#endif
#endif

/* darknet classifier train */
#include "src/commands/commands.h"
#include "src/commands/train.h"

#include <inttypes.h>
#include <unistd.h>

/* What a shell reports for a program that a signal ended. */
enum { SIGNAL_STATUS = 128 };

static int failed(void) {
    fprintf(stderr, "darknet classifier train: %s\n", tn_error());
    return 1;
}

static int report_failure(tn_trainer *t) {
    tn_trainer_end_line(t);
    int status = failed();
    if (t->history.n || t->position.updates)
        fprintf(stderr,
                access(t->paths.state, F_OK) == 0 ? "the last checkpoint is whole: %s\n"
                                                  : "no checkpoint had been written yet: %s\n",
                t->paths.state);
    return status;
}

static int print_interrupted(const tn_trainer *t, int interrupted) {
    if (interrupted > 0)
        fprintf(stderr, "stopped by signal %d", interrupted);
    else
        fprintf(stderr, "stopped as asked");
    fprintf(stderr,
            " after iteration %" PRIu64 "; all is saved in %s. The same command with -resume goes "
            "on bit for bit\n",
            t->position.updates, t->paths.state);
    return interrupted > 0 ? SIGNAL_STATUS + interrupted : 0;
}

static int train(const tn_train_options *options) {
    tn_trainer t;
    if (tn_trainer_open(&t, options) != TN_OK) return failed();
    int interrupted = 0, status = 0;
    if (options->benchmark_loader) {
        if (tn_trainer_benchmark_loader(&t) != TN_OK) status = failed();
    } else if (tn_trainer_run(&t, &interrupted) != TN_OK) {
        status = report_failure(&t);
    } else if (interrupted) {
        status = print_interrupted(&t, interrupted);
    } else {
        tn_trainer_print_result(&t);
    }
    tn_trainer_close(&t);
    return status;
}

int tn_cmd_train(int argc, char **argv) {
    tn_train_options options;
    int help = 0;
    if (tn_train_options_parse(argc, argv, &options, &help) != TN_OK) return failed();
    int status = help ? 0 : train(&options);
    tn_train_options_free(&options);
    return status;
}

/* darknet classifier crossval */
#include "src/commands/commands.h"
#include "src/commands/crossval.h"
#include "src/commands/notice.h"
#include "src/data/files.h"
#include "src/data/groups.h"

#include "layers/device/cpu.h"

#include <stdlib.h>
#include <string.h>

enum { SIGNAL_STATUS = 128 /* what a shell reports for a program that a signal ended */ };

static const char usage[] =
    "usage: darknet classifier crossval [DATA] CFG [WEIGHTS] -out DIR [options]\n"
    "\n"
    "Trains and scores the net of CFG on every fold of DATA's training list in turn: each image "
    "is\n"
    "scored once a repeat, by a net that has seen no image of its case. DATA's valid= list is "
    "left\n"
    "alone. Cases come from a manifest.csv beside the list or above it; folds are stratified by\n"
    "class. Repeat r deals and trains with seed + r - 1.\n"
    "\n"
    "Scored are the last epoch's weights (NAME_final: their average over updates where the cfg "
    "has\n"
    "ema_alpha), or, with -inner F, the epoch that is best on a part F of the training part, kept\n"
    "back by case: never one that is chosen on the scored fold. Started from WEIGHTS, those must "
    "not\n"
    "have seen these images.\n"
    "\n"
    "Into DIR go r1-f1/ and so on (lists, log, weights, predictions), r1/probs.csv and probs.csv "
    "(as\n"
    "valid -probs writes them: of a repeat, and their mean) and crossval.json. Ctrl-C saves; the "
    "same\n"
    "command with -resume goes on, skips folds that are done and ends with the same bytes. It may\n"
    "ask for more -repeats; whatever else decides about the result must be as it was.\n"
    "\n"
    "The standard deviation over folds is not a standard error: folds share training data.\n"
    "\n" TN_NOTICE "\n";

static int failed(void) {
    fprintf(stderr, "darknet classifier crossval: %s\n", tn_error());
    return 1;
}

/* ---- opening ---- */

static tn_status check_length(const tn_crossval *c, const tn_net_keys *k) {
    const tn_crossval_options *o = c->options;
    if (k->patience && o->inner <= 0)
        return tn_fail("patience=%d stops training by a list to choose on, and there is none: "
                       "-inner 0.2 keeps one back from each training part, -net patience=0 trains "
                       "to the end",
                       k->patience);
    if (c->base.schedule.total || k->patience) return TN_OK;
    return tn_fail("%s trains without an end (epochs=0, max_batches=0): -epochs N ends it",
                   o->train.model.cfg);
}

static void warn_of_start(const tn_train_options *o) {
    if (o->model.weights)
        fprintf(stderr,
                "warning: every fold starts from %s: if those weights have seen images of this "
                "list, or of these patients, the figures are worthless\n",
                o->model.weights);
}

tn_status tn_crossval_open(tn_crossval *c, const tn_crossval_options *options) {
    *c = (tn_crossval){.options = options, .left = options->train.stop_after};
    c->threads = tn_cpu_use_threads(options->train.threads);
    TN_TRY(tn_trainer_check(&c->base, &options->train));
    c->ema_alpha = c->base.net->keys.ema_alpha;
    TN_TRY(check_length(c, &c->base.net->keys));
    TN_TRY(tn_crossval_plan(c));
    TN_TRY(tn_crossval_settings(c, c->base.net));
    tn_net_free(c->base.net); /* each fold has its own; memory counts with large nets */
    c->base.net = NULL;
    warn_of_start(&options->train);
    return tn_crossval_lists(c);
}

void tn_crossval_close(tn_crossval *c) {
    const tn_crossval_options *o = c->options;
    for (int i = 0; c->fold && i < o->folds * o->repeats; i++) {
        tn_valid_set_free(&c->fold[i].set);
        free(c->fold[i].folder);
        free(c->fold[i].weights);
    }
    for (int r = 0; c->repeat && r < o->repeats; r++) tn_valid_set_free(&c->repeat[r]);
    tn_valid_set_free(&c->mean);
    free(c->fold);
    free(c->repeat);
    free(c->fold_of);
    free(c->inner);
    free(c->of_class);
    free(c->cluster);
    tn_cases_free(&c->cases);
    free(c->manifest);
    tn_list_free(&c->list);
    tn_trainer_close(&c->base);
}

/* ---- the command ---- */

static tn_status report(tn_crossval *c) {
    char *text, *path = tn_text("%s/crossval.json", c->options->out);
    if (!path) return tn_fail("out of memory");
    tn_status status = tn_crossval_json(c, &text);
    if (status == TN_OK) {
        status = tn_file_write(path, text, strlen(text));
        if (status == TN_OK && c->options->json) fputs(text, stdout);
        free(text);
    }
    free(path);
    TN_TRY(status);
    if (!c->options->json) return tn_crossval_text(c, stdout);
    return fflush(stdout) || ferror(stdout) ? tn_fail("stdout cannot be written") : TN_OK;
}

static int print_interrupted(const tn_crossval_fold *x, int interrupted) {
    if (interrupted > 0)
        fprintf(stderr, "stopped by signal %d", interrupted);
    else
        fprintf(stderr, "stopped as asked");
    fprintf(stderr,
            " in r%d-f%d; all is saved. The same command with -resume goes on and ends with the "
            "same bytes\n",
            x->repeat, x->fold);
    return interrupted > 0 ? SIGNAL_STATUS + interrupted : 0;
}

static int run_folds(tn_crossval *c) {
    const int runs = c->options->folds * c->options->repeats;
    fprintf(stderr, "%d folds, %d repeats: %d nets to train; seed %llu; %s\n", c->options->folds,
            c->options->repeats, runs, c->options->train.seed, c->options->out);
    for (int i = 0; i < runs; i++) {
        int interrupted;
        if (tn_crossval_run(c, &c->fold[i], &interrupted) != TN_OK) return failed();
        if (interrupted) return print_interrupted(&c->fold[i], interrupted);
    }
    if (tn_crossval_assess(c) != TN_OK || report(c) != TN_OK) return failed();
    return 0;
}

static int run_all(const tn_crossval_options *o) {
    tn_crossval c;
    const int status = tn_crossval_open(&c, o) == TN_OK ? run_folds(&c) : failed();
    tn_crossval_close(&c);
    return status;
}

/* ---- the command line ---- */

static tn_status check(tn_crossval_options *o, double epochs, int epochs_given) {
    tn_train_options *t = &o->train;
    TN_TRY(tn_model_args_split(&t->arguments.positionals, &t->model));
    if (t->model.used < t->arguments.positionals.count)
        return tn_fail("\"%s\" is one word too many: [DATA] CFG [WEIGHTS]",
                       t->arguments.positionals.items[t->model.used]);
    if (!o->out || !*o->out) return tn_fail("name a folder to write to: -out DIR");
    t->backup = o->out;
    return epochs_given ? tn_train_options_add_epochs(t, epochs) : TN_OK;
}

static int crossval_main(int argc, char **argv, tn_crossval_options *o) {
    tn_train_options *t = &o->train;
    double epochs = 0;
    int epochs_given = 0;
    const tn_option_spec specs[] = {
        {"out", TN_OPTION_TEXT, &o->out, "DIR", "where everything goes"},
        {"folds", TN_OPTION_INT, &o->folds, "K", "folds (default 5)", 2, TN_SPLIT_PARTS},
        {"repeats", TN_OPTION_INT, &o->repeats, "R",
         "times, with other folds and seeds (default 1)", 1, 1000},
        {"seed", TN_OPTION_SEED, &t->seed, "N", "of the first repeat (default 0)"},
        {"inner", TN_OPTION_REAL, &o->inner, "F",
         "keeps this part of each training part back to choose the epoch by", 0.01, 0.9},
        {"resume", TN_OPTION_SWITCH, &o->resume, NULL, "goes on with what is in DIR"},
        {"list", TN_OPTION_TEXT, &o->list, "FILE", "another list than DATA's train="},
        {"manifest", TN_OPTION_TEXT, &o->manifest, "FILE",
         "says which images are one case (default: manifest.csv beside or above the list)"},
        {"views", TN_OPTION_CHOICE, &o->views, "one|squash|ten|full|multi",
         "how images are scored: as valid (one), validcrop, valid10, validfull, validmulti"},
        {"resamples", TN_OPTION_INT, &o->resamples, "N",
         "of the bootstrap (default: 2000, fewer for huge lists; 0: no intervals)", 0, 1000000},
        {"json", TN_OPTION_SWITCH, &o->json, NULL, "prints crossval.json instead of tables"},
        {"net", TN_OPTION_TEXTS, &t->net, "KEY=VALUE", "overrides a key of [net]; repeatable"},
        {"epochs", TN_OPTION_REAL, &epochs, "N", "short for -net epochs=N", 1e-6, 1e9,
         &epochs_given},
        {"threads", TN_OPTION_INT, &t->threads, "N", "compute threads (default: all)", 1, 1024},
        {"clear", TN_OPTION_SWITCH, &t->clear, NULL, "starts WEIGHTS at iteration 0"},
        {"partial", TN_OPTION_SWITCH, &t->partial, NULL,
         "takes from WEIGHTS what is there (pre-trained first layers)"},
        {"valid-every", TN_OPTION_INT, &t->valid_every, "N",
         "with -inner: validates every N epochs (default 1)", 1, 1000000},
        {"stop-after", TN_OPTION_INT, &t->stop_after, "N",
         "saves and leaves after N updates, as Ctrl-C would: for batch queues", 1, 2000000000},
        {"kernels", TN_OPTION_TEXT, &t->kernels, "NAME", "prefers kernels of this name (ref)"},
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &t->arguments) != TN_OK) return failed();
    if (t->arguments.help) {
        tn_options_help(stdout, usage, specs);
        return 0;
    }
    return check(o, epochs, epochs_given) == TN_OK ? run_all(o) : failed();
}

int tn_cmd_crossval(int argc, char **argv) {
    tn_crossval_options o = {.train = {.valid_every = 1},
                             .argc = argc,
                             .argv = argv,
                             .folds = 5,
                             .repeats = 1,
                             .resamples = -1};
    const int status = crossval_main(argc, argv, &o);
    tn_train_options_free(&o.train);
    return status;
}

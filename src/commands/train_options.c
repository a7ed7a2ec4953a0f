#include "src/commands/train_options.h"

#include "src/commands/notice.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: darknet classifier train [DATA] CFG [WEIGHTS] [options]\n"
    "\n"
    "Trains the net of CFG on DATA's training list, from WEIGHTS where given. Without DATA, the\n"
    "cfg's own data= is used. Into the backup folder go NAME_last, NAME_best (highest AUC on the\n"
    "validation list) and NAME_final.weights, each with a .json beside it; metrics.jsonl (a line "
    "an\n"
    "epoch), chart_NAME.png and NAME.state. Ctrl-C saves; -resume goes on bit for bit.\n"
    "\n" TN_NOTICE "\n";

/* Darknet's flags that mean nothing here; those that choose a GPU are the program's own. */
typedef struct foreign {
    int mjpeg_port, mjpeg_given, dontuse_opencv, dont_show, chart_given;
    const char *chart;
} foreign;

static void warn(const char *flag, const char *why) {
    fprintf(stderr, "warning: -%s has no effect: %s\n", flag, why);
}

static void warn_foreign(const foreign *f) {
    if (f->mjpeg_given) warn("mjpeg_port", "the chart is a file, chart_NAME.png");
    if (f->chart_given) warn("chart", "the chart is drawn from the run's own record");
    if (f->dontuse_opencv) warn("dontuse_opencv", "images are decoded in one way");
}

tn_status tn_train_options_add_epochs(tn_train_options *o, double epochs) {
    const char **grown = realloc(o->net.items, ((size_t)o->net.count + 1) * sizeof *o->net.items);
    if (!grown) return tn_fail("out of memory");
    snprintf(o->epochs_text, sizeof o->epochs_text, "epochs=%.17g", epochs);
    o->net.items = grown;
    o->net.items[o->net.count++] = o->epochs_text;
    return TN_OK;
}

static tn_status check(tn_train_options *o, double epochs, int epochs_given) {
    TN_TRY(tn_model_args_split(&o->arguments.positionals, &o->model));
    if (o->model.used < o->arguments.positionals.count)
        return tn_fail("\"%s\" is one word too many: [DATA] CFG [WEIGHTS]",
                       o->arguments.positionals.items[o->model.used]);
    return epochs_given ? tn_train_options_add_epochs(o, epochs) : TN_OK;
}

tn_status tn_train_options_parse(int argc, char **argv, tn_train_options *o, int *help) {
    *o = (tn_train_options){.valid_every = 1};
    double epochs = 0;
    int epochs_given = 0;
    foreign f = {0};
    const tn_option_spec specs[] = {
        {"net", TN_OPTION_TEXTS, &o->net, "KEY=VALUE", "overrides a key of [net]; repeatable"},
        {"epochs", TN_OPTION_REAL, &epochs, "N", "short for -net epochs=N", 1e-6, 1e9,
         &epochs_given},
        {"seed", TN_OPTION_SEED, &o->seed, "N", "seed of everything random (default 0)", 0, 0,
         &o->seed_given},
        {"threads", TN_OPTION_INT, &o->threads, "N", "compute threads (default: all)", 1, 1024},
        {"backup", TN_OPTION_TEXT, &o->backup, "DIR", "where to write (default: DATA's backup=)"},
        {"resume", TN_OPTION_SWITCH, &o->resume, NULL, "goes on from NAME.state"},
        {"clear", TN_OPTION_SWITCH, &o->clear, NULL, "starts WEIGHTS at iteration 0"},
        {"partial", TN_OPTION_SWITCH, &o->partial, NULL,
         "takes from WEIGHTS what is there (pre-trained first layers)"},
        {"stop-after", TN_OPTION_INT, &o->stop_after, "N",
         "saves and leaves after N updates, as Ctrl-C would: for batch queues", 1, 2000000000},
        {"valid-every", TN_OPTION_INT, &o->valid_every, "N", "validates every N epochs (default 1)",
         1, 1000000},
        {"topk", TN_OPTION_SWITCH, &o->topk, NULL, "prints top-k accuracy too (top= of DATA)"},
        {"show_imgs", TN_OPTION_SWITCH, &o->show_images, NULL,
         "writes the first augmented images to the backup folder"},
        {"benchmark-loader", TN_OPTION_SWITCH, &o->benchmark_loader, NULL,
         "measures images/s without the net, and ends"},
        {"kernels", TN_OPTION_TEXT, &o->kernels, "NAME", "prefers kernels of this name (ref)"},
        {"dont_show", TN_OPTION_SWITCH, &f.dont_show, NULL, "accepted: nothing is ever shown"},
        {"mjpeg_port", TN_OPTION_INT, &f.mjpeg_port, "N", NULL, 0, 0, &f.mjpeg_given},
        {"chart", TN_OPTION_TEXT, &f.chart, "FILE", NULL, 0, 0, &f.chart_given},
        {"dontuse_opencv", TN_OPTION_SWITCH, &f.dontuse_opencv, NULL, NULL},
        {NULL},
    };
    TN_TRY(tn_options_parse(argc, argv, specs, &o->arguments));
    *help = o->arguments.help;
    if (*help) {
        tn_options_help(stdout, usage, specs);
        return TN_OK;
    }
    warn_foreign(&f);
    tn_status status = check(o, epochs, epochs_given);
    if (status != TN_OK) tn_train_options_free(o);
    return status;
}

void tn_train_options_free(tn_train_options *options) {
    tn_texts_free(&options->net);
    tn_arguments_free(&options->arguments);
}

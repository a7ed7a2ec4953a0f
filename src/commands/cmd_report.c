/* darknet classifier report: run folders as one page. */
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/options.h"
#include "src/eval/report.h"
#include "src/net/atomic_file.h"
#include "src/version.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: darknet classifier report -out FILE.html RUN_DIR... [options]\n"
    "\n"
    "Writes what run folders hold as one page of HTML that loads nothing: tables with spread over\n"
    "seeds, intervals and the trivial answer, curves, ROC, calibration, confusion matrices, "
    "counts\n"
    "from cases to sets, heat maps, sample images, drawings of the nets, seeds, machine, "
    "commands.\n"
    "A run folder is what `train -backup RUN_DIR` filled. Beside that, each where it is there:\n"
    "probs.csv (`valid -probs`), valid.json (`valid -json`), NAME.cfg (is drawn), command.txt,\n"
    "machine.txt (`version`), group.txt (a line: what the run is compared within), gradcam/\n"
    "(`gradcam -out`). A folder that `crossval -out` filled is one too. What is missing is said "
    "on\n"
    "the page; what is damaged is an error.\n"
    "\n" TN_NOTICE "\n";

typedef struct report {
    tn_arguments arguments;
    const char *out, *title, *paper, *order;
    int no_images, resamples;
    char date[64];
    char *words;        /* of -order, cut */
    const char **names; /* [n_names] that they are */
    int n_names;
    tn_report page;
} report;

/* "a,b" as two names. */
static tn_status split_order(report *r) {
    if (!r->order) return TN_OK;
    r->words = strdup(r->order);
    r->names = calloc(strlen(r->order) + 1, sizeof *r->names);
    if (!r->words || !r->names) return tn_fail("out of memory");
    char *rest = r->words;
    for (char *word; (word = strsep(&rest, ","));)
        if (*word) r->names[r->n_names++] = word;
    return TN_OK;
}

static tn_status write_page(const report *r) {
    tn_atomic_file file;
    TN_TRY(tn_atomic_open(&file, r->out));
    const tn_status status = tn_report_write(&r->page, file.to);
    if (status == TN_OK) return tn_atomic_commit(&file);
    tn_atomic_abandon(&file);
    return status;
}

static tn_status run_all(report *r) {
    const tn_texts *words = &r->arguments.positionals;
    const time_t now = time(NULL);
    struct tm day;
    if (!r->out) return tn_fail("name the page to write: -out FILE.html");
    if (!words->count) return tn_fail("name a run folder: what train wrote to with -backup");
    if (gmtime_r(&now, &day)) strftime(r->date, sizeof r->date, "%Y-%m-%d %H:%M UTC", &day);
    tn_report *page = &r->page;
    page->title = r->title ? r->title : "Report on classifiers";
    page->notice = TN_NOTICE;
    page->date = r->date;
    page->program = "ThyroNet-X4 for Darknet " TN_VERSION;
    page->pictures = !r->no_images;
    page->resamples = r->resamples;
    TN_TRY(split_order(r));
    TN_TRY(tn_report_load(page, words->items, words->count, r->names, r->n_names));
    if (r->paper) TN_TRY(tn_report_load_claims(page, r->paper));
    TN_TRY(write_page(r));
    printf("wrote %s: %d runs, %d nets\n%s\n", r->out, page->runs, page->rows, TN_NOTICE);
    return TN_OK;
}

int tn_cmd_report(int argc, char **argv) {
    report r = {.resamples = -1};
    const tn_option_spec specs[] = {
        {"out", TN_OPTION_TEXT, &r.out, "FILE.html", "the page to write"},
        {"title", TN_OPTION_TEXT, &r.title, "TEXT", "its title"},
        {"paper", TN_OPTION_TEXT, &r.paper, "FILE.csv",
         "numbers to set beside: columns net, figure (a key of valid -json), value, note"},
        {"order", TN_OPTION_TEXT, &r.order, "NET,NET...",
         "nets that come first (default: as the folders are named)"},
        {"no-images", TN_OPTION_SWITCH, &r.no_images, NULL,
         "leaves heat maps and sample images out, to share the page without anyone's images"},
        {"resamples", TN_OPTION_INT, &r.resamples, "N",
         "of the bootstrap where there is no valid.json (default: 2000, fewer for huge lists)", 0,
         1000000},
        {NULL},
    };
    tn_status status = tn_options_parse(argc, argv, specs, &r.arguments);
    if (status == TN_OK && r.arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (status == TN_OK)
        status = run_all(&r);
    if (status != TN_OK) fprintf(stderr, "darknet classifier report: %s\n", tn_error());
    tn_report_free(&r.page);
    tn_arguments_free(&r.arguments);
    free(r.words);
    free(r.names);
    return status == TN_OK ? 0 : 1;
}

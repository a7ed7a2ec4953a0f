/* darknet classifier summary: a net's layers, parameters and multiply-adds. */
#include "src/commands/commands.h"
#include "src/commands/options.h"
#include "src/net/atomic_file.h"
#include "src/net/summary.h"

#include <stdio.h>

static const char usage[] =
    "usage: darknet classifier summary CFG [options]\n"
    "Layers with their outputs (width x height x channels), parameters (running statistics not\n"
    "counted) and multiply-adds of one image in inference.\n";

static void warn_line(void *user, const char *text) {
    (void)user;
    fprintf(stderr, "warning: %s\n", text);
}
static const tn_warner warner = {warn_line, NULL};

static tn_status draw(const tn_net *net, const char *path) {
    tn_atomic_file file;
    TN_TRY(tn_atomic_open(&file, path));
    const tn_status status = tn_summary_svg(net, file.to);
    if (status == TN_OK) return tn_atomic_commit(&file);
    tn_atomic_abandon(&file);
    return status;
}

static tn_status summarize(const tn_arguments *arguments, const tn_texts *overrides, int json,
                           const char *svg) {
    if (arguments->positionals.count != 1)
        return tn_fail("%d files, expected one: CFG", arguments->positionals.count);
    tn_net *net;
    TN_TRY(tn_net_load(arguments->positionals.items[0], overrides->items, overrides->count, &warner,
                       &net));
    tn_status status = svg ? draw(net, svg) : TN_OK;
    if (status == TN_OK)
        status = json ? tn_summary_json(net, stdout) : tn_summary_print(net, stdout);
    tn_net_free(net);
    return status;
}

int tn_cmd_summary(int argc, char **argv) {
    int json = 0;
    const char *svg = NULL;
    tn_texts overrides = {0};
    const tn_option_spec specs[] = {
        {"json", TN_OPTION_SWITCH, &json, NULL, "one JSON object instead of a table"},
        {"svg", TN_OPTION_TEXT, &svg, "FILE", "draw the architecture"},
        {"net", TN_OPTION_TEXTS, &overrides, "KEY=VALUE",
         "override a key of [net]; may be repeated"},
        {0},
    };
    tn_arguments arguments;
    tn_status status = tn_options_parse(argc, argv, specs, &arguments);
    if (status == TN_OK && arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (status == TN_OK)
        status = summarize(&arguments, &overrides, json, svg);
    if (status != TN_OK) fprintf(stderr, "darknet classifier summary: %s\n", tn_error());
    tn_arguments_free(&arguments);
    tn_texts_free(&overrides);
    return status == TN_OK ? 0 : 1;
}

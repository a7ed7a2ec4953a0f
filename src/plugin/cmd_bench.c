/* darknet-plugin bench CFG: seconds of a training step in the host, with or without the switches.
 */
#include "src/commands/clock.h"
#include "src/commands/options.h"
#include "src/plugin/commands.h"
#include "src/plugin/host.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: darknet-plugin [-without NAME...] bench CFG [options]\n"
                            "Seconds of a training step (forward, backward, update) in the host.\n";

enum { MOST_STEPS = 1000 };

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static tn_status time_steps(tn_host_net *net, int warm, int steps, double *seconds) {
    const size_t n = (size_t)tn_host_batch(net), inputs = (size_t)tn_host_inputs(net),
                 outputs = (size_t)tn_host_outputs(net);
    float *x = calloc(n * inputs, sizeof *x), *truth = calloc(n * outputs, sizeof *truth);
    uint32_t random = 1;
    for (size_t i = 0; x && i < n * inputs; i++) {
        random = random * 1664525u + 1013904223u;
        x[i] = (float)(random >> 8) * 0x1p-24f;
    }
    for (size_t i = 0; truth && i < n; i++) truth[i * outputs + i % outputs] = 1;
    for (int i = -warm; x && truth && i < steps; i++) {
        const double start = tn_clock();
        (void)tn_host_gradients(net, x, truth);
        tn_host_update(net);
        if (i >= 0) seconds[i] = tn_clock() - start;
    }
    const bool ok = x && truth;
    free(x);
    free(truth);
    return ok ? TN_OK : tn_fail("out of memory");
}

static tn_status bench(const char *cfg, int batch, int warm, int steps, int json) {
    char key[32];
    const char *overrides[] = {key, "subdivisions=1"};
    double seconds[MOST_STEPS];
    snprintf(key, sizeof key, "batch=%d", batch);
    tn_host_graft_options.overrides = overrides;
    tn_host_graft_options.n_overrides = 2;
    tn_host_graft_options.images = (uint64_t)batch * 1000;
    tn_host_net *net;
    TN_TRY(tn_host_start());
    TN_TRY(tn_host_open(cfg, NULL, true, &net));
    TN_TRY(time_steps(net, warm, steps, seconds));
    tn_host_close(net);
    qsort(seconds, (size_t)steps, sizeof *seconds, by_value);
    printf(json ? "{\"host\":\"%s\",\"batch\":%d,\"seconds\":%.4f,\"fastest\":%.4f,"
                  "\"slowest\":%.4f}\n"
                : "%s, batch %d: %.3f s a training step (%.3f to %.3f)\n",
           tn_host_name(), batch, seconds[steps / 2], seconds[0], seconds[steps - 1]);
    return TN_OK;
}

int tn_plugin_bench(int argc, char **argv) {
    int batch = 32, steps = 5, warm = 2, json = 0;
    const tn_option_spec specs[] = {
        {"batch", TN_OPTION_INT, &batch, "N", "images a step (default 32)", 1, 4096},
        {"steps", TN_OPTION_INT, &steps, "N", "steps timed (default 5)", 1, MOST_STEPS},
        {"warm-up", TN_OPTION_INT, &warm, "N", "steps before (default 2)", 0, MOST_STEPS},
        {"json", TN_OPTION_SWITCH, &json, NULL, "one JSON object"},
        {0},
    };
    tn_arguments arguments = {0};
    tn_status status = tn_options_parse(argc, argv, specs, &arguments);
    if (status == TN_OK && arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (status == TN_OK && arguments.positionals.count != 1)
        status = tn_fail("%d files, expected one: CFG", arguments.positionals.count);
    else if (status == TN_OK)
        status = bench(arguments.positionals.items[0], batch, warm, steps, json);
    if (status != TN_OK) fprintf(stderr, "darknet-plugin bench: %s\n", tn_error());
    tn_arguments_free(&arguments);
    return status == TN_OK ? 0 : 1;
}

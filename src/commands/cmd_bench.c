/* darknet bench: how long a net's training step or forward pass takes, and where the time goes. */
#include "layers/device/cpu.h"
#include "src/commands/bench_layers.h"
#include "src/commands/clock.h"
#include "src/commands/commands.h"
#include "src/commands/device.h"
#include "src/commands/limits.h"
#include "src/commands/options.h"
#include "src/net/net.h"
#include "src/net/optimizer.h"
#include "src/net/quantiser.h"
#include "src/net/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { WARM_UP = 3, MOST_STEPS = 1000 };

typedef struct bench {
    int infer, batch, threads, steps, json, layers, limits;
    const char *kernels;
    tn_net *net;
    tn_run *run;
    tn_optimizer *optimizer;
    tn_quantisation *quantisation; /* with -precision int8 */
    tn_real *truth;
    tn_step step;
    double seconds[MOST_STEPS];
    tn_limits limit; /* measured with -limits */
    tn_bench_pass *pass;
} bench;

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Random images. */
static void fill_input(const tn_run *run) {
    const tn_tensor in = tn_run_input(run);
    uint32_t random = 1;
    for (size_t i = 0; i < tn_elements(&in); i++) {
        random = random * 1664525u + 1013904223u;
        tn_data(&in)[i] = (tn_real)(random >> 8) * (tn_real)0x1p-24;
    }
}

static tn_status see_example(const bench *b, tn_quantiser *q) {
    tn_run_options options = {.mode = TN_INFER, .batch = 1, .threads = b->threads, .output = -1};
    tn_run *run;
    options.keep = tn_quantiser_tensors(q, &options.n_keep);
    TN_TRY(tn_run_create(&b->net->plan, b->net->param, &options, &run));
    fill_input(run);
    tn_status status = tn_run_forward(run, &(tn_step){.n_valid = 1});
    if (status == TN_OK) status = tn_quantiser_see(q, run, 1);
    tn_run_free(run);
    return status;
}

/* For 8 bits: of an image like those that are timed. */
static tn_status choose_steps(bench *b) {
    if (!tn_device_int8()) return TN_OK;
    if (!b->infer) return tn_fail("-precision int8 infers and does not train: add -infer");
    tn_quantiser *q;
    b->quantisation = calloc((size_t)b->net->plan.n_ops, sizeof *b->quantisation);
    if (!b->quantisation) return tn_fail("out of memory");
    TN_TRY(tn_quantiser_create(&b->net->plan, &q));
    const tn_status status = see_example(b, q);
    if (status == TN_OK) tn_quantiser_choose(q, TN_CLIP_MAX, TN_QUANTISER_EXACT, b->quantisation);
    tn_quantiser_free(q);
    return status;
}

static tn_status set_up(bench *b, const char *cfg, const tn_texts *overrides) {
    TN_TRY(tn_net_load(cfg, overrides->items, overrides->count, NULL, &b->net));
    tn_net_init(b->net, 0);
    if (!b->batch) b->batch = b->infer ? 1 : b->net->keys.batch;
    TN_TRY(choose_steps(b));
    const tn_run_options options = {.mode = b->infer ? TN_INFER : TN_TRAIN,
                                    .batch = b->batch,
                                    .threads = b->threads,
                                    .kernels = b->kernels,
                                    .output = -1,
                                    .precision = tn_device_precision(),
                                    .quantisation = b->quantisation};
    TN_TRY(tn_device_check_processor());
    TN_TRY(tn_run_create(&b->net->plan, b->net->param, &options, &b->run));
    const tn_tensor out = tn_run_output(b->run);
    fill_input(b->run);
    const size_t outputs = tn_elements(&out) / (size_t)b->batch;
    b->truth = calloc(tn_elements(&out), sizeof *b->truth);
    if (!b->truth) return tn_fail("out of memory");
    for (size_t n = 0; n < (size_t)b->batch; n++) b->truth[n * outputs + n % outputs] = 1;
    b->step = (tn_step){.n_valid = b->batch, .grad_scale = 1.0 / b->batch};
    if (b->infer) return TN_OK;
    b->step.truth = b->truth;
    const tn_optimizer_options adam = {
        .kind = TN_ADAM, .b1 = 0.9, .b2 = 0.999, .eps = 1e-8, .threads = b->threads};
    return tn_optimizer_create(&adam, b->net->param, b->net->plan.n_params, &b->optimizer);
}

static tn_status one_step(bench *b) {
    TN_TRY(tn_run_forward(b->run, &b->step));
    if (b->infer) return TN_OK;
    TN_TRY(tn_run_backward(b->run));
    tn_optimizer_update(b->optimizer, b->net->param, 1e-5);
    b->step.step++;
    return TN_OK;
}

static tn_status time_steps(bench *b) {
    for (int i = 0; i < WARM_UP; i++) TN_TRY(one_step(b));
    for (int i = 0; i < b->steps; i++) {
        const double start = tn_clock();
        TN_TRY(one_step(b));
        b->seconds[i] = tn_clock() - start;
    }
    qsort(b->seconds, (size_t)b->steps, sizeof *b->seconds, by_value);
    return TN_OK;
}

/* The most memory that this process has had: what the system counts, libraries included. */
static double peak_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss * 1024 : 0;
}

static void report_json(const bench *b, const char *cfg, const char *what, double median,
                        double gflops) {
    printf("{\"cfg\":\"%s\",\"mode\":\"%s\",\"batch\":%d,\"seconds\":%.6f,\"fastest\":%.6f,"
           "\"slowest\":%.6f,\"images_per_second\":%.3f,\"gflops\":%.1f,\"bytes\":%zu,"
           "\"peak_bytes\":%.0f",
           cfg, what, b->batch, median, b->seconds[0], b->seconds[b->steps - 1], b->batch / median,
           gflops, tn_run_bytes(b->run), peak_bytes());
    if (b->limits)
        printf(",\"peak_gflops\":%.1f,\"bandwidth\":%.1f", b->limit.flops / 1e9,
               b->limit.bandwidth / 1e9);
    if (b->pass) {
        printf(",\"layers\":");
        tn_bench_layers_json(b->run, b->pass);
    }
    printf("}\n");
}

static void report_limits(const bench *b, double gflops) {
    printf("this machine at most: %.0f GFLOP/s, %.0f GB/s", b->limit.flops / 1e9,
           b->limit.bandwidth / 1e9);
    if (gflops > 0 && b->limit.flops > 0)
        printf("; the net runs at %.0f %% of its arithmetic", 100e9 * gflops / b->limit.flops);
    printf("\n");
}

static void report(const bench *b, const char *cfg) {
    const double median = b->seconds[b->steps / 2], rate = b->batch / median;
    const double work = tn_net_multiply_adds(b->net) * 2 * b->batch * (b->infer ? 1 : 3);
    const char *what = b->infer ? "forward" : "training step";
    const double gflops = work / median / 1e9;
    if (b->json) {
        report_json(b, cfg, what, median, gflops);
        return;
    }
    printf("%s, %s, batch %d: median %.4f s of %d (%.4f to %.4f), %.2f images/s, %.0f GFLOP/s\n",
           cfg, what, b->batch, median, b->steps, b->seconds[0], b->seconds[b->steps - 1], rate,
           gflops);
    printf("buffers %.2f GiB (%.2f GiB if nothing shared memory), process %.2f GiB at most\n",
           (double)tn_run_bytes(b->run) / (1 << 30),
           (double)tn_run_bytes_unshared(b->run) / (1 << 30), peak_bytes() / (1 << 30));
    if (b->limits) report_limits(b, gflops);
    if (b->pass) tn_bench_layers_print(b->run, b->pass);
}

static tn_status time_layers(bench *b) {
    b->pass = calloc((size_t)tn_run_ops(b->run) * TN_PASSES, sizeof *b->pass);
    if (!b->pass) return tn_fail("out of memory");
    return tn_bench_layers(b->net, b->run, b->batch, !b->infer, b->steps, b->pass);
}

static const char usage[] = "usage: darknet bench CFG [options]\n"
                            "Times training steps (or, with -infer, forward passes) of a net on "
                            "random images, after three\n"
                            "to warm up, and with -layers says where the time goes: per op and "
                            "pass the kernel, milliseconds,\n"
                            "GFLOP/s and GB/s (each tensor counted once). Without a CFG, -limits "
                            "says what the machine can do.\n";

int tn_cmd_bench(int argc, char **argv) {
    bench b = {.steps = 5};
    tn_texts overrides = {0};
    const tn_option_spec specs[] = {
        {"infer", TN_OPTION_SWITCH, &b.infer, NULL, "forward passes instead of training steps"},
        {"batch", TN_OPTION_INT, &b.batch, "N", "images (default: the cfg's; 1 with -infer)", 1,
         65536},
        {"steps", TN_OPTION_INT, &b.steps, "N", "steps to time (default 5)", 1, MOST_STEPS},
        {"threads", TN_OPTION_INT, &b.threads, "N", "threads (default: all)", 1, 1024},
        {"kernels", TN_OPTION_TEXT, &b.kernels, "NAME",
         "prefer this implementation: ref, onednn, avx2, avx512"},
        {"net", TN_OPTION_TEXTS, &overrides, "KEY=VALUE",
         "override a key of [net]; may be repeated"},
        {"layers", TN_OPTION_SWITCH, &b.layers, NULL, "a table by op"},
        {"limits", TN_OPTION_SWITCH, &b.limits, NULL,
         "measures what this machine can do at most, and says how near the net comes"},
        {"json", TN_OPTION_SWITCH, &b.json, NULL, "one JSON object"},
        {0},
    };
    tn_arguments arguments;
    if (tn_options_parse(argc, argv, specs, &arguments) != TN_OK) {
        fprintf(stderr, "darknet bench: %s\n", tn_error());
        return 1;
    }
    if (arguments.help) {
        tn_options_help(stdout, usage, specs);
        tn_arguments_free(&arguments);
        tn_texts_free(&overrides);
        return 0;
    }
    const int named = arguments.positionals.count;
    tn_status status = TN_OK;
    if (named > 1 || (named == 0 && !b.limits))
        status = tn_fail("%d arguments, expected one: CFG", named);
    const char *cfg = status == TN_OK && named ? arguments.positionals.items[0] : NULL;
    if (status == TN_OK && b.limits)
        b.limit = tn_limits_measure(b.threads ? b.threads : tn_cpu_threads());
    if (status == TN_OK && cfg) {
        status = set_up(&b, cfg, &overrides);
        if (status == TN_OK) status = time_steps(&b);
        if (status == TN_OK && b.layers) status = time_layers(&b);
        if (status == TN_OK) report(&b, cfg);
    } else if (status == TN_OK && b.json) {
        printf("{\"peak_gflops\":%.1f,\"bandwidth\":%.1f}\n", b.limit.flops / 1e9,
               b.limit.bandwidth / 1e9);
    } else if (status == TN_OK) {
        report_limits(&b, 0);
    }
    if (status != TN_OK) fprintf(stderr, "darknet bench: %s\n", tn_error());
    tn_optimizer_free(b.optimizer);
    tn_run_free(b.run);
    tn_net_free(b.net);
    free(b.truth);
    free(b.pass);
    free(b.quantisation);
    tn_texts_free(&overrides);
    tn_arguments_free(&arguments);
    return status == TN_OK ? 0 : 1;
}

/* darknet bench: how long a net's training step or forward pass takes, and where the time goes. */
#include "src/commands/commands.h"
#include "src/commands/device.h"
#include "src/commands/options.h"
#include "src/net/net.h"
#include "src/net/optimizer.h"
#include "src/net/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARM_UP = 3, MOST_STEPS = 1000 };

typedef struct bench {
    int infer, batch, threads, steps, json, layers;
    const char *kernels;
    tn_net *net;
    tn_run *run;
    tn_optimizer *optimizer;
    tn_real *truth;
    tn_step step;
    double seconds[MOST_STEPS];
} bench;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static tn_status set_up(bench *b, const char *cfg, const tn_texts *overrides) {
    TN_TRY(tn_net_load(cfg, overrides->items, overrides->count, NULL, &b->net));
    tn_net_init(b->net, 0);
    if (!b->batch) b->batch = b->infer ? 1 : b->net->keys.batch;
    const tn_run_options options = {.mode = b->infer ? TN_INFER : TN_TRAIN,
                                    .batch = b->batch,
                                    .threads = b->threads,
                                    .kernels = b->kernels,
                                    .output = -1,
                                    .precision = tn_device_precision()};
    TN_TRY(tn_device_check_processor());
    TN_TRY(tn_run_create(&b->net->plan, b->net->param, &options, &b->run));
    const tn_tensor in = tn_run_input(b->run), out = tn_run_output(b->run);
    uint32_t random = 1;
    for (size_t i = 0; i < tn_elements(&in); i++) {
        random = random * 1664525u + 1013904223u;
        tn_data(&in)[i] = (tn_real)(random >> 8) * (tn_real)0x1p-24;
    }
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
        const double start = now();
        TN_TRY(one_step(b));
        b->seconds[i] = now() - start;
    }
    qsort(b->seconds, (size_t)b->steps, sizeof *b->seconds, by_value);
    return TN_OK;
}

static void report(const bench *b, const char *cfg) {
    const double median = b->seconds[b->steps / 2], rate = b->batch / median;
    const double work = tn_net_multiply_adds(b->net) * 2 * b->batch * (b->infer ? 1 : 3);
    const char *what = b->infer ? "forward" : "training step";
    if (b->json) {
        printf("{\"cfg\":\"%s\",\"mode\":\"%s\",\"batch\":%d,\"seconds\":%.6f,\"fastest\":%.6f,"
               "\"slowest\":%.6f,\"images_per_second\":%.3f,\"gflops\":%.1f,\"bytes\":%zu}\n",
               cfg, what, b->batch, median, b->seconds[0], b->seconds[b->steps - 1], rate,
               work / median / 1e9, tn_run_bytes(b->run));
        return;
    }
    printf("%s, %s, batch %d: median %.4f s of %d (%.4f to %.4f), %.2f images/s, %.0f GFLOP/s\n",
           cfg, what, b->batch, median, b->steps, b->seconds[0], b->seconds[b->steps - 1], rate,
           work / median / 1e9);
    printf("buffers %.2f GiB (%.2f GiB if nothing shared memory)\n",
           (double)tn_run_bytes(b->run) / (1 << 30),
           (double)tn_run_bytes_unshared(b->run) / (1 << 30));
}

/* One more step, op by op: which kernel serves each pass and how long it takes. */
static tn_status report_ops(bench *b) {
    const int n = tn_run_ops(b->run);
    double *seconds = calloc((size_t)n * TN_PASSES, sizeof *seconds);
    if (!seconds) return tn_fail("out of memory");
    tn_status status = TN_OK;
    for (int i = 0; i < n && status == TN_OK; i++) {
        const double start = now();
        status = tn_op_forward(tn_run_op(b->run, i));
        seconds[i * TN_PASSES] = now() - start;
    }
    for (int i = n - 1; i >= 0 && !b->infer && status == TN_OK; i--) {
        tn_op_run *r = tn_run_op(b->run, i);
        for (tn_pass p = TN_PASSES - 1; p > TN_FORWARD && status == TN_OK; p--) {
            const double start = now();
            status = tn_op_run_pass(r, p);
            seconds[i * TN_PASSES + (int)p] = now() - start;
        }
    }
    printf("%-14s %-14s %-18s %9s", "op", "kind", "output", "GMAC");
    for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) printf("  %-24s", tn_pass_name(p));
    printf("\n");
    for (int i = 0; i < n && status == TN_OK; i++) {
        const tn_op_run *r = tn_run_op(b->run, i);
        const double work = tn_plan_op_multiply_adds(&b->net->plan, r->op) * b->batch;
        char shape[32];
        snprintf(shape, sizeof shape, "%dx%dx%d", r->out.w, r->out.h, r->out.c);
        printf("%-14s %-14s %-18s %9.3f", r->op->name, r->op->kind->name, shape, work / 1e9);
        for (tn_pass p = TN_FORWARD; p < TN_PASSES; p++) {
            const double s = seconds[i * TN_PASSES + (int)p];
            const char *name = r->pass[p].kernel ? r->pass[p].kernel->name : "-";
            printf("  %-9s %7.2f ms", name, s * 1e3);
            if (work > 0 && s > 0 && r->pass[p].kernel)
                printf(" %4.0f", 2 * work / s / 1e9);
            else
                printf("     ");
        }
        printf("\n");
    }
    free(seconds);
    return status;
}

static const char usage[] = "usage: darknet bench CFG [options]\n"
                            "Times training steps (or, with -infer, forward passes) of a net on "
                            "random images, after three\n"
                            "to warm up, and with -layers says where the time goes: per op and "
                            "pass the kernel, milliseconds\n"
                            "and GFLOP/s.\n";

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
         "prefer this implementation: ref, onednn, avx2"},
        {"net", TN_OPTION_TEXTS, &overrides, "KEY=VALUE",
         "override a key of [net]; may be repeated"},
        {"layers", TN_OPTION_SWITCH, &b.layers, NULL, "a table by op"},
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
    tn_status status = TN_OK;
    if (arguments.positionals.count != 1) {
        status = tn_fail("%d arguments, expected one: CFG", arguments.positionals.count);
    }
    const char *cfg = status == TN_OK ? arguments.positionals.items[0] : "";
    if (status == TN_OK) status = set_up(&b, cfg, &overrides);
    if (status == TN_OK) status = time_steps(&b);
    if (status == TN_OK) report(&b, cfg);
    if (status == TN_OK && b.layers) status = report_ops(&b);
    if (status != TN_OK) fprintf(stderr, "darknet bench: %s\n", tn_error());
    tn_optimizer_free(b.optimizer);
    tn_run_free(b.run);
    tn_net_free(b.net);
    free(b.truth);
    tn_texts_free(&overrides);
    tn_arguments_free(&arguments);
    return status == TN_OK ? 0 : 1;
}

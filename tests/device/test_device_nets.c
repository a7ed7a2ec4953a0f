/* Whole nets on a GPU against the processor: `make gpu-test`. Plain C and the net core alone, so
 * that it builds where there is a compiler, nvcc and a GPU, and nothing else.
 *
 *   -emulated    on the emulated driver of the tests, kernels and libraries emulated too
 *   -staged      there without kernels: everything is staged
 *   -size N      pixels (default 64)     -steps N   training steps (default 10)
 *   -precision fp32|tf32|bf16            NET...     names in cfg/ (default: the eight) */
#include "layers/device/rng.h"
#include "src/net/replicas.h"
#include "src/net/weights.h"
#include "tests/support/emulate.h"
#include "tests/support/fake_libraries.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4 };

static int size = 64, steps = 10, failures;
static tn_precision precision;
static tn_gpu *gpu;

static void must(tn_status status) {
    if (status == TN_OK) return;
    printf("not ok - %s\n", tn_error());
    exit(1);
}

static void report(bool good, const char *net, const char *what, double found, double bound) {
    printf("%sok - %s (%s): %s: %.3g, at most %.3g\n", good ? "" : "not ", net,
           tn_precision_name(precision), what, found, bound);
    fflush(stdout);
    failures += !good;
}

/* Relative to the processor in fp32: of a forward pass, and of the losses of the first steps, which
 * drift apart as rounding grows. */
static double forward_bound(void) {
    static const double bounds[] = {1e-4, 1e-2, 5e-2};
    return bounds[precision];
}

static double loss_bound(void) {
    static const double bounds[] = {1e-2, 5e-2, 0.2};
    return bounds[precision];
}

typedef struct training {
    tn_net *net;
    tn_replicas *replicas;
    double *loss;
} training;

static tn_net *load(const char *name) {
    char path[256], width[32], height[32];
    snprintf(path, sizeof path, "cfg/%s.cfg", name);
    snprintf(width, sizeof width, "width=%d", size);
    snprintf(height, sizeof height, "height=%d", size);
    tn_net *net;
    must(tn_net_load(path, (const char *const[]){width, height}, 2, NULL, &net));
    tn_net_init(net, 1);
    return net;
}

static tn_step fill(tn_run *run, float truth[BATCH * 2], int step) {
    tn_rng rng = tn_rng_stream(9, TN_RNG_SYNTH, (uint32_t)step, 0, 0);
    const tn_tensor in = tn_run_input(run);
    for (size_t i = 0; i < tn_elements(&in); i++) tn_data(&in)[i] = tn_rng_uniform(&rng, 0, 1);
    for (int n = 0; n < BATCH; n++) {
        const int label = (int)tn_rng_below(&rng, 2);
        truth[2 * n] = (float)(label == 0);
        truth[2 * n + 1] = (float)(label == 1);
    }
    return (tn_step){.seed = 2,
                     .step = (uint64_t)step,
                     .n_valid = BATCH,
                     .grad_scale = 1.0 / BATCH,
                     .truth = truth};
}

static void open_training(training *t, const char *name, bool on_gpu) {
    t->net = load(name);
    const tn_replicas_options options = {
        .run = {.mode = TN_TRAIN, .batch = BATCH, .output = -1, .precision = precision},
        .ranks = 1,
        .gpu = on_gpu ? &gpu : NULL,
        .optimizer = {TN_ADAM, .decay = 1e-4, .b1 = .9, .b2 = .999, .eps = 1e-8}};
    must(tn_replicas_create(t->net, &options, &t->replicas));
    t->loss = calloc((size_t)steps, sizeof *t->loss);
}

static void train_step(training *t, int s) {
    float truth[BATCH * 2];
    int bad;
    tn_run *run = tn_replicas_run(t->replicas, 0);
    const tn_step step = fill(run, truth, s);
    must(tn_replicas_forward(t->replicas, &step));
    t->loss[s] = tn_run_main_loss(run) / BATCH;
    must(tn_replicas_backward(t->replicas));
    must(tn_replicas_reduce(t->replicas, &bad));
    must(bad < 0 ? TN_OK : tn_fail("gradient of %s is not finite", t->net->param[bad].spec->name));
    must(tn_replicas_update(t->replicas, 1e-4));
}

static void close_training(training *t) {
    tn_replicas_free(t->replicas);
    tn_net_free(t->net);
    free(t->loss);
}

/* The same weights' answers here and there; *difference is relative to the largest. */
static double compare_forward(tn_net *net) {
    tn_real out[2][BATCH * 2];
    for (int there = 0; there < 2; there++) {
        const tn_run_options options = {.mode = TN_INFER,
                                        .batch = BATCH,
                                        .output = -1,
                                        .gpu = there ? gpu : NULL,
                                        .precision = precision};
        tn_run *run;
        float truth[BATCH * 2];
        must(tn_run_create(&net->plan, net->param, &options, &run));
        tn_step step = fill(run, truth, 1000);
        step.truth = NULL;
        must(tn_run_forward(run, &step));
        const tn_tensor t = tn_run_output(run);
        memcpy(out[there], tn_data(&t), sizeof out[there]);
        tn_run_free(run);
    }
    double most = 0, apart = 0;
    for (int i = 0; i < BATCH * 2; i++) {
        most = fmax(most, fabs((double)out[0][i]));
        apart = fmax(apart, fabs((double)out[0][i] - (double)out[1][i]));
    }
    return isfinite(apart) ? apart / most : INFINITY;
}

static int different_values(const tn_net *a, const tn_net *b) {
    int n = 0;
    for (int i = 0; i < a->plan.n_params; i++)
        n += memcmp(a->param[i].value, b->param[i].value,
                    a->param[i].spec->count * sizeof(tn_real)) != 0;
    return n;
}

/* Trains here, there, and there once more. */
static void try_net(const char *name) {
    training t[3];
    for (int k = 0; k < 3; k++) {
        open_training(&t[k], name, k > 0);
        for (int s = 0; s < steps; s++) train_step(&t[k], s);
        must(tn_replicas_settle(t[k].replicas, true));
    }
    double apart = 0;
    for (int s = 0; s < steps; s++)
        apart = fmax(apart, fabs(t[0].loss[s] - t[1].loss[s]) / fmax(1, fabs(t[0].loss[s])));
    report(apart <= loss_bound(), name, "losses of training steps follow the processor's", apart,
           loss_bound());
    const int again = different_values(t[1].net, t[2].net);
    report(again == 0, name, "tensors that differ when training is repeated", again, 0);
    const double forward = compare_forward(t[1].net);
    report(forward <= forward_bound(), name, "forward from weights trained there", forward,
           forward_bound());
    char path[] = "/tmp/tn-device-XXXXXX";
    const int file = mkstemp(path);
    must(file >= 0 ? TN_OK : tn_fail("no temporary file"));
    must(tn_weights_save(t[1].net->param, t[1].net->plan.n_params, 0, path));
    must(tn_weights_load(t[0].net, path, false, NULL));
    const int carried = different_values(t[0].net, t[1].net);
    report(carried == 0, name, "tensors that differ when saved there and loaded here", carried, 0);
    (void)remove(path);
    for (int k = 0; k < 3; k++) close_training(&t[k]);
}

static void emulate(bool kernels) {
    tn_fake_gpu *fake = tn_fake_gpu_install();
    fake->memory_bytes = (size_t)16 << 30;
    if (!kernels) return;
    tn_emulate_install(fake);
    tn_fake_libraries_install(fake);
}

int main(int argc, char **argv) {
    static const char *const eight[] = {
        "thyronet", "baseline", "baseline-block", "baseline-bottleneck",
        "vgg16",    "alexnet",  "googlenet",      "mobilenet"};
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        const char *value = first + 1 < argc ? argv[first + 1] : "";
        if (strcmp(argv[first], "-emulated") == 0 || strcmp(argv[first], "-staged") == 0) {
            emulate(argv[first][1] == 'e');
            continue;
        }
        if (strcmp(argv[first], "-size") == 0) size = atoi(value);
        if (strcmp(argv[first], "-steps") == 0) steps = atoi(value);
        for (tn_precision p = TN_PRECISION_FP32; p <= TN_PRECISION_BF16; p++)
            if (strcmp(value, tn_precision_name(p)) == 0) precision = p;
        first++;
    }
    if (tn_gpu_count() == 0) {
        printf("skip - nets on a GPU: %s\n", tn_error());
        return 0;
    }
    must(tn_gpu_open(&(tn_gpu_options){0}, &gpu));
    printf("# %s\n", tn_gpu_describe(gpu));
    if (tn_gpu_check_precision(gpu, precision) != TN_OK) {
        printf("skip - %s\n", tn_error());
    } else {
        for (int i = first; i < argc; i++) try_net(argv[i]);
        for (size_t i = 0; first >= argc && i < sizeof eight / sizeof *eight; i++)
            try_net(eight[i]);
    }
    tn_gpu_close(gpu);
    return failures > 0;
}

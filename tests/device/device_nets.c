#include "tests/device/device_nets.h"

#include "layers/device/rng.h"
#include "src/net/cfg.h"
#include "tests/support/smooth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const double device_rate = 1e-4;

void device_must(tn_status status) {
    if (status == TN_OK) return;
    printf("not ok - %s\n", tn_error());
    exit(1);
}

tn_choices *device_choices(const device_trial *trial) {
    tn_choices *choices;
    device_must(tn_choices_create(tn_gpu_describe(trial->gpu), &choices));
    return choices;
}

bool device_is_smooth(const char *name) {
    const size_t length = strlen(name), ending = strlen(DEVICE_SMOOTH);
    return length > ending && strcmp(name + length - ending, DEVICE_SMOOTH) == 0;
}

static void load(const char *name, int size, char *path, size_t path_size, tn_net **net) {
    const bool smooth = device_is_smooth(name);
    const size_t length = strlen(name) - (smooth ? strlen(DEVICE_SMOOTH) : 0);
    char width[32], height[32];
    snprintf(path, path_size, "cfg/%.*s.cfg", (int)length, name);
    snprintf(width, sizeof width, "width=%d", size);
    snprintf(height, sizeof height, "height=%d", size);
    tn_cfg cfg;
    device_must(tn_cfg_load(path, &cfg));
    if (smooth) tn_test_smooth(&cfg);
    device_must(tn_cfg_override(&cfg, width));
    device_must(tn_cfg_override(&cfg, height));
    device_must(tn_net_create(&cfg, NULL, net));
}

void device_open(device_training *t, const device_trial *trial, const char *name, uint64_t seed,
                 tn_choices *choices) {
    char path[256];
    *t = (device_training){.choices = choices};
    load(name, trial->size, path, sizeof path, &t->net);
    if (tn_net_outputs(t->net) != DEVICE_CLASSES)
        device_must(
            tn_fail("%s: %d outputs, expected %d", path, tn_net_outputs(t->net), DEVICE_CLASSES));
    tn_net_init(t->net, seed);
    const tn_replicas_options options = {
        .run = {.mode = TN_TRAIN,
                .batch = trial->batch,
                .output = -1,
                .precision = choices ? trial->precision : TN_PRECISION_FP32,
                .choices = choices},
        .ranks = 1,
        .gpu = choices ? (tn_gpu *const[]){trial->gpu} : NULL,
        .optimizer = {TN_ADAM, .decay = 1e-4, .b1 = .9, .b2 = .999, .eps = 1e-8}};
    device_must(tn_replicas_create(t->net, &options, &t->replicas));
}

void device_close(device_training *t) {
    tn_replicas_free(t->replicas);
    tn_net_free(t->net);
    tn_choices_free(t->choices);
}

/* One image (h,w,c) of 0 to 1: waves of its own and a little noise. Of noise alone a net's last
 * maps are nearly the same for all images, and batch norm would enlarge what differs, rounding too.
 */
static void draw_image(tn_real *to, const tn_tensor *in, tn_rng *rng) {
    enum { WAVES = 4 };
    double down[WAVES], across[WAVES], phase[WAVES], colour[WAVES][8];
    for (int i = 0; i < WAVES; i++) {
        down[i] = tn_rng_uniform(rng, -20, 20) / in->h;
        across[i] = tn_rng_uniform(rng, -20, 20) / in->w;
        phase[i] = tn_rng_uniform(rng, 0, 6.28F);
        for (int c = 0; c < 8; c++) colour[i][c] = tn_rng_uniform(rng, 0, 0.2F);
    }
    for (int y = 0; y < in->h; y++)
        for (int x = 0; x < in->w; x++)
            for (int c = 0; c < in->c; c++) {
                double sum = 0.5 + tn_rng_uniform(rng, -0.05F, 0.05F);
                for (int i = 0; i < WAVES; i++)
                    sum += colour[i][c % 8] * sin(down[i] * y + across[i] * x + phase[i]);
                *to++ = (tn_real)(float)fmin(fmax(sum, 0), 1);
            }
}

void device_draw(const tn_run *run, uint32_t index) {
    const tn_tensor in = tn_run_input(run);
    const size_t image = tn_elements(&in) / (size_t)in.n;
    for (int n = 0; n < in.n; n++) {
        tn_rng rng = tn_rng_stream(9, TN_RNG_SYNTH, index, (uint32_t)n, 0);
        draw_image(tn_data(&in) + (size_t)n * image, &in, &rng);
    }
}

void device_pass(device_training *t, const device_trial *trial, int s) {
    tn_run *run = tn_replicas_run(t->replicas, 0);
    tn_rng rng = tn_rng_stream(10, TN_RNG_SYNTH, (uint32_t)s, 0, 0);
    tn_real truth[DEVICE_MOST_BATCH * DEVICE_CLASSES] = {0};
    device_draw(run, (uint32_t)s);
    for (int n = 0; n < trial->batch; n++)
        truth[DEVICE_CLASSES * n + (int)tn_rng_below(&rng, DEVICE_CLASSES)] = 1;
    const tn_step step = {.seed = 2,
                          .step = (uint64_t)s,
                          .n_valid = trial->batch,
                          .grad_scale = 1.0 / trial->batch,
                          .truth = truth};
    int bad;
    device_must(tn_replicas_forward(t->replicas, &step));
    t->loss = tn_run_main_loss(run) / trial->batch;
    device_must(tn_replicas_backward(t->replicas));
    device_must(tn_replicas_reduce(t->replicas, &bad));
    if (bad >= 0)
        device_must(
            tn_fail("step %d: gradient of %s is not finite", s, t->net->param[bad].spec->name));
}

void device_update(device_training *t) {
    device_must(tn_replicas_update(t->replicas, device_rate));
    device_must(tn_replicas_settle(t->replicas, true));
}

void device_written(device_training *t) {
    for (int i = 0; i < t->net->plan.n_params; i++) t->net->param[i].version++;
    device_must(tn_replicas_moments_loaded(t->replicas));
}

void device_add(device_norms *norms, const tn_real *a, const tn_real *b, size_t n) {
    double apart = 0, size = 0;
#pragma omp parallel for schedule(static) reduction(+ : apart, size) if (n > 1 << 16)
    for (size_t i = 0; i < n; i++) {
        const double x = (double)a[i], d = x - (double)b[i];
        apart += d * d;
        size += x * x;
    }
    norms->apart += apart;
    norms->size += size;
}

double device_ratio(const device_norms *norms, double least) {
    if (norms->apart == 0) return 0;
    const double size = sqrt(norms->size);
    return sqrt(norms->apart) / (size < least ? least : size);
}

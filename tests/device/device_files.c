/* Answers there and here, and .weights files carried from one to the other. */
#include "src/net/weights.h"
#include "tests/device/device_nets.h"

#include "layers/ops/loss.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct answers {
    tn_real of[DEVICE_MOST_BATCH * DEVICE_CLASSES];
} answers;

/* What the last softmax is given: probabilities would hide what they saturate. */
static int scores(const tn_plan *plan) {
    int tensor = plan->output;
    while (plan->tensor[tensor].writer >= 0) {
        const tn_op *op = &plan->op[plan->tensor[tensor].writer];
        if (!tn_op_has_loss(op)) break;
        tensor = op->in[0];
    }
    return tensor;
}

/* `mirror` or `gpu` or neither: with the values that lie there, with the net's taken there, here.
 */
static answers answer(const device_trial *trial, tn_net *net, tn_mirror *mirror, tn_gpu *gpu,
                      tn_choices *choices) {
    const tn_run_options options = {.mode = TN_INFER,
                                    .batch = trial->batch,
                                    .output = scores(&net->plan),
                                    .mirror = mirror,
                                    .gpu = gpu,
                                    .precision = choices ? trial->precision : TN_PRECISION_FP32,
                                    .choices = choices};
    tn_run *run;
    answers out = {0};
    device_must(tn_run_create(&net->plan, net->param, &options, &run));
    const tn_tensor t = tn_run_output(run);
    device_draw(run, 1000000);
    const tn_step step = {.n_valid = trial->batch};
    device_must(tn_run_forward(run, &step));
    memcpy(out.of, tn_data(&t), (size_t)(trial->batch * DEVICE_CLASSES) * sizeof *out.of);
    tn_run_free(run);
    return out;
}

static double apart(const answers *here, const answers *there, int n) {
    double most = 0, furthest = 0;
    for (int i = 0; i < n; i++) {
        const double d = fabs((double)here->of[i] - (double)there->of[i]);
        if (!(d <= furthest)) furthest = d;
        most = fmax(most, fabs((double)here->of[i]));
    }
    return furthest / most;
}

static void save(const tn_net *net, const char *path) {
    device_must(tn_weights_save(net->param, net->plan.n_params, net->seen, path));
}

/* Whether two files hold the same bytes. */
static bool same_file(const char *a, const char *b) {
    FILE *f[2] = {fopen(a, "rb"), fopen(b, "rb")};
    bool same = f[0] && f[1];
    static char block[2][1 << 16];
    for (size_t n = 1; same && n > 0;) {
        n = fread(block[0], 1, sizeof block[0], f[0]);
        same = fread(block[1], 1, sizeof block[1], f[1]) == n && !ferror(f[0]) && !ferror(f[1]) &&
               memcmp(block[0], block[1], n) == 0;
    }
    for (int i = 0; i < 2; i++)
        if (f[i]) fclose(f[i]);
    return same;
}

/* Trained there, saved, loaded here: the same values, the same file again, the same answers. */
static void there_to_here(const device_trial *trial, const char *name, device_training *there,
                          const char *first, const char *second) {
    device_training fresh;
    tn_mirror *mirror = tn_replicas_mirror(there->replicas);
    device_open(&fresh, trial, name, 7, NULL);
    save(there->net, first);
    device_must(tn_weights_load(fresh.net, first, false, NULL));
    save(fresh.net, second);
    device_record(DEVICE_FILES, !same_file(first, second), "saved there, loaded and saved here");
    const answers old = answer(trial, there->net, mirror, NULL, there->choices);
    const answers on_gpu = answer(trial, fresh.net, NULL, trial->gpu, there->choices);
    const answers on_cpu = answer(trial, fresh.net, NULL, NULL, NULL);
    device_record(DEVICE_FILES, memcmp(&old, &on_gpu, sizeof old) != 0,
                  "answers of weights that were saved there and loaded again");
    device_record(DEVICE_FORWARD, apart(&on_cpu, &old, trial->batch * DEVICE_CLASSES),
                  "weights trained there");
    device_close(&fresh);
}

/* Trained here, saved, loaded there, used there, saved there. */
static void here_to_there(const device_trial *trial, device_training *here, device_training *there,
                          const char *first, const char *second) {
    tn_mirror *mirror = tn_replicas_mirror(there->replicas);
    save(here->net, first);
    device_must(tn_weights_load(there->net, first, false, NULL));
    const answers on_cpu = answer(trial, here->net, NULL, NULL, NULL);
    const answers on_gpu = answer(trial, there->net, mirror, NULL, there->choices);
    device_record(DEVICE_FORWARD, apart(&on_cpu, &on_gpu, trial->batch * DEVICE_CLASSES),
                  "weights trained here");
    device_must(tn_replicas_settle(there->replicas, false));
    save(there->net, second);
    device_record(DEVICE_FILES, !same_file(first, second), "saved here, loaded and saved there");
}

void device_try_files(const device_trial *trial, const char *name, device_training *here,
                      device_training *there) {
    char folder[] = "/tmp/tn-device-XXXXXX", first[64], second[64];
    if (!mkdtemp(folder)) device_must(tn_fail("no temporary folder"));
    snprintf(first, sizeof first, "%s/first.weights", folder);
    snprintf(second, sizeof second, "%s/second.weights", folder);
    there_to_here(trial, name, there, first, second);
    here_to_there(trial, here, there, first, second);
    (void)remove(first);
    (void)remove(second);
    (void)rmdir(folder);
}

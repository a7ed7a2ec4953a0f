/* Whole nets on a GPU against the processor: `make gpu-test`. Plain C and the net core alone, so
 * that it builds where there is a compiler, nvcc and a GPU, and nothing else.
 *
 *   -emulated      on the emulated driver of the tests, kernels and libraries emulated too
 *   -staged        there without kernels: everything is staged
 *   -size N        pixels (default 64)
 *   -batch N       images of a step (4)
 *   -steps N       training steps, each restarted from the processor's state (10)
 *   -resume N      training steps of a run that is interrupted half way (4; 0: none)
 *   -precision P   fp32, tf32, bf16, or several with commas (fp32)
 *   NET...         names in cfg/ (the eight nets, the readings, and all of them without kinks)
 *
 * Exit status: 0 when every difference is within its bound, 1 when not, 77 when there is no GPU. */
#include "tests/device/device_nets.h"
#include "tests/support/emulate.h"
#include "tests/support/fake_libraries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPPED = 77 };

static const char *const all_nets[] = {"thyronet",
                                       "baseline",
                                       "baseline-block",
                                       "baseline-bottleneck",
                                       "vgg16",
                                       "alexnet",
                                       "googlenet",
                                       "mobilenet",
                                       "thyronet-b",
                                       "thyronet-c",
                                       "thyronet-dense",
                                       "thyronet-smooth",
                                       "baseline-smooth",
                                       "baseline-block-smooth",
                                       "baseline-bottleneck-smooth",
                                       "vgg16-smooth",
                                       "alexnet-smooth",
                                       "googlenet-smooth",
                                       "mobilenet-smooth",
                                       "thyronet-b-smooth",
                                       "thyronet-c-smooth",
                                       "thyronet-dense-smooth"};
enum { ALL_NETS = sizeof all_nets / sizeof *all_nets };

static bool wanted[TN_PRECISION_BF16 + 1] = {true};

static void try_net(const device_trial *trial, const char *name) {
    device_training here, there;
    device_begin(name, trial->precision);
    device_open(&here, trial, name, 1, NULL);
    device_open(&there, trial, name, 1, device_choices(trial));
    device_try_steps(trial, &here, &there);
    device_try_files(trial, name, &here, &there);
    device_close(&here);
    device_close(&there);
    if (trial->resumed > 0) device_try_resumed(trial, name);
    device_end();
}

static void emulate(bool kernels) {
    tn_fake_gpu *fake = tn_fake_gpu_install();
    fake->memory_bytes = (size_t)16 << 30;
    if (!kernels) return;
    tn_emulate_install(fake);
    tn_fake_libraries_install(fake);
}

static void take_precisions(const char *text) {
    memset(wanted, 0, sizeof wanted);
    while (*text) {
        const size_t length = strcspn(text, ",");
        bool known = false;
        for (tn_precision p = TN_PRECISION_FP32; p <= TN_PRECISION_BF16; p++) {
            const char *name = tn_precision_name(p);
            if (strlen(name) != length || strncmp(text, name, length) != 0) continue;
            known = wanted[p] = true;
        }
        if (!known) device_must(tn_fail("-precision %s: fp32, tf32 or bf16 expected", text));
        text += length + (text[length] == ',');
    }
}

static void take_number(const char *flag, const char *text, int least, int most, int *to) {
    char *end;
    const long value = strtol(text, &end, 10);
    if (end == text || *end || value < least || value > most)
        device_must(tn_fail("%s %s: %d to %d expected", flag, text, least, most));
    *to = (int)value;
}

/* Takes a flag, and its value; returns how many arguments that were. */
static int take_flag(device_trial *trial, const char *flag, const char *value) {
    if (strcmp(flag, "-emulated") == 0 || strcmp(flag, "-staged") == 0) {
        emulate(flag[1] == 'e');
        return 1;
    }
    if (!value) device_must(tn_fail("%s: a value expected", flag));
    if (strcmp(flag, "-size") == 0)
        take_number(flag, value, 1, 4096, &trial->size);
    else if (strcmp(flag, "-batch") == 0)
        take_number(flag, value, 1, DEVICE_MOST_BATCH, &trial->batch);
    else if (strcmp(flag, "-steps") == 0)
        take_number(flag, value, 0, 100000, &trial->steps);
    else if (strcmp(flag, "-resume") == 0)
        take_number(flag, value, 0, 100000, &trial->resumed);
    else if (strcmp(flag, "-precision") == 0)
        take_precisions(value);
    else
        device_must(tn_fail("%s: no such flag", flag));
    return 2;
}

static int try_all(device_trial *trial, char *const *name, int n) {
    int tried = 0;
    for (tn_precision p = TN_PRECISION_FP32; p <= TN_PRECISION_BF16; p++) {
        if (!wanted[p]) continue;
        if (tn_gpu_check_precision(trial->gpu, p) != TN_OK) {
            printf("skip - %s: %s\n", tn_precision_name(p), tn_error());
            continue;
        }
        trial->precision = p;
        for (int i = 0; i < (n ? n : ALL_NETS); i++, tried++)
            try_net(trial, n ? name[i] : all_nets[i]);
    }
    return tried;
}

/* Libraries that are not there; what is there the description says. */
static void print_missing(tn_gpu *gpu) {
    void *handle;
    if (!tn_gpu_cublas(gpu, &handle))
        printf("# no cuBLAS, our own kernels serve: %s\n", tn_error());
    if (!tn_gpu_cudnn(gpu, &handle)) printf("# no cuDNN, our own kernels serve: %s\n", tn_error());
}

int main(int argc, char **argv) {
    device_trial trial = {.size = 64, .batch = 4, .steps = 10, .resumed = 4};
    int first = 1;
    while (first < argc && argv[first][0] == '-')
        first += take_flag(&trial, argv[first], argv[first + 1]);
    if (tn_gpu_count() == 0) {
        printf("skip - nets on a GPU: %s\n", tn_error());
        return SKIPPED;
    }
    device_must(tn_gpu_open(&(tn_gpu_options){0}, &trial.gpu));
    print_missing(trial.gpu);
    printf("# %s: %d x %d pixels, batch %d, %d steps, %d resumed\n", tn_gpu_describe(trial.gpu),
           trial.size, trial.size, trial.batch, trial.steps, trial.resumed);
    const int tried = try_all(&trial, argv + first, argc - first);
    const int failed = device_table();
    printf("%s: %d of %d rows of nets in %s\n", failed ? "FAILED" : "passed", tried, tried,
           tn_gpu_describe(trial.gpu));
    tn_gpu_close(trial.gpu);
    return tried == 0 ? SKIPPED : failed > 0;
}

#include "src/commands/device.h"

#include "layers/device/cpu.h"
#include "layers/ops/int8.h"
#include "src/commands/options.h"

#include <stdio.h>
#include <string.h>

enum { MOST_GPUS = 16 };

static struct {
    int index[MOST_GPUS], n; /* asked for */
    bool asked, none, opened;
    tn_precision precision;
    bool int8;
    tn_gpu *gpu[MOST_GPUS];
    int n_open;
} chosen;

static const char way_out[] = "-nogpu (or no -gpus at all) computes on the processor";

/* ---- flags ---- */

static bool is_flag(const char *argument, const char *name) {
    if (argument[0] != '-') return false;
    return strcmp(argument + (argument[1] == '-' ? 2 : 1), name) == 0;
}

static tn_status add_gpu(const char *flag, int index) {
    for (int i = 0; i < chosen.n; i++)
        if (chosen.index[i] == index) return tn_fail("%s: GPU %d is named twice", flag, index);
    if (chosen.n == MOST_GPUS) return tn_fail("%s: more than %d GPUs", flag, MOST_GPUS);
    chosen.index[chosen.n++] = index;
    return TN_OK;
}

/* "0,1"; -1 asks for none. Fails on anything else. */
static tn_status read_list(const char *flag, const char *list) {
    chosen.n = 0;
    for (const char *at = list;; at++) {
        char number[16];
        const size_t length = strcspn(at, ",");
        int index = 0;
        snprintf(number, sizeof number, "%.*s", (int)(length < 15 ? length : 15), at);
        TN_TRY(tn_option_int(flag, number, -1, 1023, &index));
        if (index >= 0) TN_TRY(add_gpu(flag, index));
        at += length;
        if (!*at) break;
    }
    chosen.asked = chosen.n > 0;
    chosen.none = chosen.n == 0;
    return TN_OK;
}

static tn_status read_precision(const char *flag, const char *text) {
    chosen.int8 = strcmp(text, "int8") == 0;
    if (chosen.int8) return TN_OK;
    for (tn_precision p = TN_PRECISION_FP32; p <= TN_PRECISION_BF16; p++) {
        if (strcmp(text, tn_precision_name(p)) != 0) continue;
        chosen.precision = p;
        return TN_OK;
    }
    return tn_fail("%s: expected one of fp32|tf32|bf16|int8, found \"%s\"", flag, text);
}

/* Bytes are the processor's alone: a GPU that nobody asked for is left alone. */
static tn_status settle_int8(void) {
    if (chosen.asked && !chosen.none)
        return tn_fail("-precision int8: the processor computes so, GPUs do not; %s", way_out);
    if (!tn_int8_runs_here())
        return tn_fail("-precision int8: %s",
                       TN_DNNL ? "this processor does not multiply bytes (no AVX512_VNNI)"
                               : "this program was built without oneDNN, which computes so");
    chosen.precision = TN_PRECISION_FP32;
    chosen.none = true;
    return TN_OK;
}

static tn_status take_flags(int *argc, char **argv) {
    int kept = 1;
    bool flags = true, nogpu = false;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) flags = false;
        const bool names_gpu = flags && (is_flag(argv[i], "i") || is_flag(argv[i], "gpus"));
        const bool names_precision = flags && is_flag(argv[i], "precision");
        if (flags && is_flag(argv[i], "nogpu")) {
            nogpu = true;
        } else if (!names_gpu && !names_precision) {
            argv[kept++] = argv[i];
        } else if (i + 1 == *argc) {
            return names_gpu ? tn_fail("%s needs a value: the GPU's number, -1 for none", argv[i])
                             : tn_fail("%s needs a value: fp32, tf32, bf16 or int8", argv[i]);
        } else {
            TN_TRY(names_gpu ? read_list(argv[i], argv[i + 1])
                             : read_precision(argv[i], argv[i + 1]));
            i++;
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    chosen.none |= nogpu;
    return chosen.int8 ? settle_int8() : TN_OK;
}

tn_status tn_device_take_flags(int *argc, char **argv) {
    tn_gpu *const *gpu;
    int n;
    TN_TRY(take_flags(argc, argv));
    const bool wish = (chosen.asked && !chosen.none) || chosen.precision != TN_PRECISION_FP32;
    return wish ? tn_device_use(&gpu, &n) : TN_OK;
}

/* ---- opening ---- */

static tn_status open_asked(void) {
    if (!TN_GPU)
        return tn_fail("-gpus: this program was built without CUDA code (nvcc was not found, or "
                       "GPU=0): %s",
                       way_out);
    for (int i = 0; i < chosen.n; i++) {
        const tn_gpu_options options = {.index = chosen.index[i]};
        if (tn_gpu_open(&options, &chosen.gpu[i]) != TN_OK) {
            char why[512];
            snprintf(why, sizeof why, "%s", tn_error());
            return tn_fail("-gpus %d: %s; %s", chosen.index[i], why, way_out);
        }
        chosen.n_open++;
    }
    return TN_OK;
}

/* What nobody asked for is no error when it is missing. */
static void open_default(void) {
    if (!TN_GPU || chosen.none || tn_gpu_count() == 0) return;
    if (tn_gpu_open(&(tn_gpu_options){0}, &chosen.gpu[0]) == TN_OK)
        chosen.n_open = 1;
    else
        fprintf(stderr, "warning: the processor computes: %s\n", tn_error());
}

tn_status tn_device_check_processor(void) {
    if (chosen.precision == TN_PRECISION_TF32)
        return tn_fail("-precision tf32: the processor computes in fp32 or bf16; it takes a GPU");
    if (chosen.precision == TN_PRECISION_BF16 && !tn_cpu_has_bf16())
        return tn_fail("-precision bf16: it takes a processor that multiplies bf16 (AVX512_BF16: "
                       "AMD from Zen 4, Intel from Cooper Lake on) or a GPU; this one, %s, is "
                       "faster and more exact in fp32: leave -precision out",
                       tn_cpu_describe());
    return TN_OK;
}

static tn_status check_precision(void) {
    if (chosen.n_open == 0) TN_TRY(tn_device_check_processor());
    for (int i = 0; i < chosen.n_open; i++)
        TN_TRY(tn_gpu_check_precision(chosen.gpu[i], chosen.precision));
    return TN_OK;
}

tn_status tn_device_use(tn_gpu *const **gpu, int *n) {
    if (!chosen.opened) {
        if (chosen.asked && !chosen.none)
            TN_TRY(open_asked());
        else
            open_default();
        chosen.opened = true;
    }
    *gpu = chosen.gpu;
    *n = chosen.n_open;
    return check_precision();
}

tn_precision tn_device_precision(void) {
    return chosen.precision;
}

bool tn_device_int8(void) {
    return chosen.int8;
}

tn_status tn_device_first(tn_gpu **gpu) {
    tn_gpu *const *all;
    int n;
    TN_TRY(tn_device_use(&all, &n));
    *gpu = n ? all[0] : NULL;
    return TN_OK;
}

void tn_device_close(void) {
    for (int i = 0; i < chosen.n_open; i++) tn_gpu_close(chosen.gpu[i]);
    chosen.n_open = 0;
    chosen.opened = false;
}

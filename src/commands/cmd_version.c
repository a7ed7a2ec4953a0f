/* darknet version: what this binary is, where it runs and what it was built with. */
#include "src/commands/commands.h"

#include "layers/device/cpu.h"
#include "layers/device/gpu.h"
#include "src/data/image_backend.h"
#include "src/version.h"

#include <cjson/cJSON.h>
#include <libxml/xmlversion.h>
#include <stdio.h>
#if TN_DNNL
#include <dnnl.h>
#endif

static void print_dnnl(void) {
#if TN_DNNL
    const dnnl_version_t *v = dnnl_version();
    printf("convolutions: oneDNN %d.%d.%d\n", v->major, v->minor, v->patch);
#else
    printf("convolutions: built in (DNNL=0)\n");
#endif
}

static void print_gpus(void) {
    const int n = tn_gpu_count();
    if (n == 0) printf("GPU: none (%s)\n", tn_error());
    for (int i = 0; i < n; i++) {
        tn_gpu *gpu;
        const bool usable = tn_gpu_open(&(tn_gpu_options){.index = i}, &gpu) == TN_OK;
        printf("GPU %d: %s\n", i, usable ? tn_gpu_describe(gpu) : tn_error());
        tn_gpu_close(gpu);
    }
}

int tn_cmd_version(int argc, char **argv) {
    (void)argc;
    (void)argv;
#ifdef _OPENMP
    const char *openmp = "OPENMP=1";
#else
    const char *openmp = "OPENMP=0";
#endif
    printf("ThyroNet-X4 for Darknet %s\n", TN_VERSION);
    printf("build: GPU=%d CUDNN=%d DNNL=%d OPENCV=%d %s, compiler %s\n", TN_GPU, TN_CUDNN, TN_DNNL,
           TN_OPENCV, openmp, __VERSION__);
    printf("processor: %s, %d threads\n", tn_cpu_describe(), tn_cpu_threads());
    print_gpus();
    print_dnnl();
    printf("images: %s\n", tn_backend_name());
    printf("XML: libxml2 %s\n", LIBXML_DOTTED_VERSION);
    printf("JSON: cJSON %s\n", cJSON_Version());
    return 0;
}

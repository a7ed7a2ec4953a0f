/* darknet version: what this binary is, where it runs and what it was built with. */
#include "src/commands/commands.h"

#include "layers/device/cpu.h"
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

int tn_cmd_version(int argc, char **argv) {
    (void)argc;
    (void)argv;
#ifdef _OPENMP
    const char *openmp = "OPENMP=1";
#else
    const char *openmp = "OPENMP=0";
#endif
    printf("ThyroNet-X4 for Darknet %s\n", TN_VERSION);
    printf("build: GPU=0 DNNL=%d OPENCV=%d %s, compiler %s\n", TN_DNNL, TN_OPENCV, openmp,
           __VERSION__);
    printf("processor: %s, %d threads\n", tn_cpu_describe(), tn_cpu_threads());
    print_dnnl();
    printf("images: %s\n", tn_backend_name());
    printf("XML: libxml2 %s\n", LIBXML_DOTTED_VERSION);
    printf("JSON: cJSON %s\n", cJSON_Version());
    return 0;
}

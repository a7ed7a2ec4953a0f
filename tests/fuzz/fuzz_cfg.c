/* Any bytes as a cfg: read, checked, planned, expanded. What is accepted must be able to run. */
#include "src/net/cfg.h"
#include "src/net/expand.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_net net = {0};
    if (tn_cfg_parse((const char *)data, size, "fuzz.cfg", &net.cfg) != TN_OK) return 0;
    const tn_section *sections = net.cfg.section;
    const tn_shape input = {8, 8, 3};
    /* Planning alone: an accepted net may ask for gigabytes of parameters. */
    if (tn_plan_build(&net.plan, input, sections + 1, net.cfg.n_sections - 1, false, NULL) ==
        TN_OK) {
        for (int t = 0; t < net.plan.n_tensors; t++) {
            const tn_shape s = net.plan.tensor[t].shape;
            if (s.h < 1 || s.w < 1 || s.c < 1) abort();
        }
        char *text = NULL;
        size_t written;
        FILE *to = open_memstream(&text, &written);
        if (to) {
            for (int fold = 0; fold < 2; fold++) (void)tn_expand_cfg(&net, fold, NULL, to);
            fclose(to);
        }
        free(text);
        tn_plan_free(&net.plan);
    }
    tn_cfg_free(&net.cfg);
    return 0;
}

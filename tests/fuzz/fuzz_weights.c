/* Any bytes as a .weights file of a small net, strictly and partially. */
#include "src/net/weights.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char cfg_text[] = "[net]\nwidth=2\nheight=2\nchannels=1\n"
                               "[convolutional]\nfilters=2\nbatch_normalize=1\nactivation=relu\n"
                               "[batchnorm]\n[connected]\noutput=2\nactivation=linear\n[softmax]\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/fuzz_weights_%d", (int)getpid());
    FILE *f = fopen(path, "wb");
    if (!f) return 0;
    const bool written = fwrite(data, 1, size, f) == size;
    if (fclose(f) != 0 || !written) return 0;
    tn_cfg cfg;
    tn_net *net;
    if (tn_cfg_parse(cfg_text, strlen(cfg_text), "a.cfg", &cfg) != TN_OK) abort();
    if (tn_net_create(&cfg, NULL, &net) != TN_OK) abort();
    for (int partial = 0; partial < 2; partial++) {
        if (tn_weights_load(net, path, partial, NULL) != TN_OK) continue;
        for (int i = 0; i < net->plan.n_params; i++)
            for (size_t j = 0; j < net->param[i].spec->count; j++)
                if (!isfinite(net->param[i].value[j])) abort();
    }
    tn_net_free(net);
    unlink(path);
    return 0;
}

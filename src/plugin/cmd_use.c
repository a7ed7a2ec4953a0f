/* darknet-plugin classifier valid and predict: ./darknet's commands with the host computing, so
 * that checks, pictures and answers come from the same code; with -host, the host's own command. */
#include "src/commands/commands.h"
#include "src/commands/model.h"
#include "src/plugin/commands.h"
#include "src/plugin/host.h"

#include <stdlib.h>
#include <string.h>

static tn_host_net *host;

static tn_status open_host(const tn_model *m) {
    return tn_host_open(m->args.cfg, m->args.weights, false, &host);
}

/* Dense (n,h,w,c) pictures to the host's (c,h,w), one at a time. */
static tn_status forward(const tn_model *m, const float *x, int n_valid, float *probability) {
    const tn_input_format *f = &m->format;
    const size_t area = (size_t)f->h * (size_t)f->w, c = (size_t)f->c;
    if (tn_host_inputs(host) != (int)(area * c) || tn_host_outputs(host) != m->classes)
        return tn_fail("the host's net has %d inputs and %d outputs, expected %zu and %d",
                       tn_host_inputs(host), tn_host_outputs(host), area * c, m->classes);
    float *picture = malloc(area * c * sizeof *picture);
    if (!picture) return tn_fail("out of memory");
    for (size_t i = 0; i < (size_t)n_valid; i++) {
        for (size_t p = 0; p < area; p++)
            for (size_t k = 0; k < c; k++) picture[k * area + p] = x[(i * area + p) * c + k];
        memcpy(probability + i * (size_t)m->classes, tn_host_predict(host, picture),
               (size_t)m->classes * sizeof *probability);
    }
    free(picture);
    return TN_OK;
}

static const tn_model_engine engine = {open_host, forward};

int tn_plugin_valid(int argc, char **argv) {
    tn_model_use_engine(&engine);
    return tn_cmd_valid(argc, argv);
}

int tn_plugin_predict(int argc, char **argv) {
    tn_model_use_engine(&engine);
    return tn_cmd_predict(argc, argv);
}

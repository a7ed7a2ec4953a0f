#include "src/plugin/mends.h"

#include "layers/keys.h"

#include <string.h>

typedef struct mend {
    const char *name, *help;
    bool processor_alone; /* on its GPU, with cuDNN, a host needs none of it */
} mend;

static const mend table[TN_MENDS] = {
    [TN_MEND_BLOCKS] = {"blocks", "our arithmetic under [grouped_convolutional] and "
                                  "[expansion_residual]; off: the host computes their expansion"},
    [TN_MEND_KERNELS] = {"kernels", "our kernels under the host's own [convolutional] too"},
    [TN_MEND_JOINED] = {"joined", "neighbouring layers that are all ours run as one, without "
                                  "converting layouts in between"},
    [TN_MEND_SKIP_GRADIENTS] = {"skip-gradients",
                                "the host's convolutions add to the gradient before them; off: "
                                "they overwrite a skip connection's",
                                true},
    [TN_MEND_BIAS_GRADIENTS] = {"bias-gradients",
                                "the host's batch norm gets its bias gradient (AlexeyAB's CPU "
                                "computes none)",
                                true},
    [TN_MEND_STRIDED_1X1] = {"strided-1x1",
                             "strided 1x1 convolutions take strides (Debian's ignores them)", true},
    [TN_MEND_CONNECTED_UPDATE] = {"connected-update",
                                  "[connected] learns (AlexeyAB's leaves it as it was)"},
    [TN_MEND_ADAM] = {"adam", "adam=1 is ./darknet's Adam (both hosts run SGD on the CPU)"},
    [TN_MEND_SCHEDULE] = {"schedule", "epochs=, and policy=cosine, which the hosts do not know"},
    [TN_MEND_START] = {"start", "fresh nets start as in ./darknet: -seed, running variances 1"},
};

static bool off[TN_MENDS];

bool tn_mend_on(tn_mend m) {
    return !off[m];
}

void tn_mend_set(tn_mend m, bool on) {
    off[m] = !on;
}

tn_status tn_mend_without(const char *name) {
    const char *names[TN_MENDS];
    for (int i = 0; i < TN_MENDS; i++) {
        names[i] = table[i].name;
        const bool all = strcmp(name, "all") == 0;
        if (all || strcmp(name, names[i]) == 0) off[i] = true;
        if (!all && off[i] && strcmp(name, names[i]) == 0) return TN_OK;
    }
    if (strcmp(name, "all") == 0) return TN_OK;
    const char *near = tn_nearest(name, names, TN_MENDS);
    return tn_fail("-without %s: no such switch%s%s%s (-version lists them)", name,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

void tn_mends_print(FILE *to) {
    for (int i = 0; i < TN_MENDS; i++)
        fprintf(to, "  %-17s %-4s %-4s %s\n", table[i].name, off[i] ? "off" : "on",
                table[i].processor_alone ? "cpu" : "all", table[i].help);
}

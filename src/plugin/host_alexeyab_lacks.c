/* AlexeyAB's fork built with GPU=1, told to use the processor: memory that such a build leaves out
 * there. */
#include "src/plugin/host_alexeyab.h"

#include <stdlib.h>

static tn_status take(float **memory, size_t n) {
    if (*memory) return TN_OK;
    *memory = calloc(n + 1, sizeof **memory);
    return *memory ? TN_OK : tn_fail("out of memory for %zu values of a layer", n);
}

static bool keeps_input(ACTIVATION a) {
    return a == SWISH || a == MISH || a == HARD_MISH;
}

static tn_status complete_convolution(layer *l) {
    const size_t n = (size_t)l->outputs * (size_t)l->batch;
    if (keeps_input(l->activation)) TN_TRY(take(&l->activation_input, n));
    if (!l->train) return TN_OK;
    TN_TRY(take(&l->delta, n));
    if (!l->batch_normalize) return TN_OK;
    TN_TRY(take(&l->x, n));
    return take(&l->x_norm, n);
}

/* Addresses of gradients were taken before there were any. */
static tn_status complete_shortcut(const network *net, layer *l) {
    if (keeps_input(l->activation))
        TN_TRY(take(&l->activation_input, (size_t)l->outputs * (size_t)l->batch));
    for (int k = 0; k < l->n; k++) l->layers_delta[k] = net->layers[l->input_layers[k]].delta;
    return TN_OK;
}

static tn_status complete_workspace(network *net) {
    size_t most = 0;
    for (int i = 0; i < net->n; i++)
        if (net->layers[i].workspace_size > most) most = net->layers[i].workspace_size;
    return most ? take(&net->workspace, most / sizeof(float)) : TN_OK;
}

tn_status tn_alexeyab_complete(network *net) {
    TN_TRY(complete_workspace(net));
    for (int i = 0; i < net->n; i++) {
        layer *l = &net->layers[i];
        if (l->type == CONVOLUTIONAL) TN_TRY(complete_convolution(l));
        if (l->type == SHORTCUT) TN_TRY(complete_shortcut(net, l));
        if ((l->type == DROPOUT || l->type == EMPTY) && i > 0) l->delta = net->layers[i - 1].delta;
    }
    return TN_OK;
}

#include "layers/layer.h"

#include <string.h>

extern const tn_layer_type tn_layer_activation, tn_layer_avgpool, tn_layer_batchnorm,
    tn_layer_connected, tn_layer_convolutional, tn_layer_cost, tn_layer_crop, tn_layer_dropout,
    tn_layer_expansion_residual, tn_layer_grouped_convolutional, tn_layer_local_avgpool,
    tn_layer_maxpool, tn_layer_route, tn_layer_scale_channels, tn_layer_shortcut, tn_layer_softmax;

static const tn_layer_type *const types[] = {
    &tn_layer_grouped_convolutional,
    &tn_layer_expansion_residual,
    &tn_layer_convolutional,
    &tn_layer_connected,
    &tn_layer_maxpool,
    &tn_layer_avgpool,
    &tn_layer_local_avgpool,
    &tn_layer_dropout,
    &tn_layer_shortcut,
    &tn_layer_route,
    &tn_layer_batchnorm,
    &tn_layer_activation,
    &tn_layer_softmax,
    &tn_layer_cost,
    &tn_layer_crop,
    &tn_layer_scale_channels,
    NULL,
};

const tn_key tn_layer_common_keys[] = {
    TN_FLAG(tn_common_keys, stop_backward, "stopbackward", "0",
            "this layer and all before it stay as they are"),
    TN_NUMBER(tn_common_keys, learning_rate, "learning_rate", "1", 0, 1e6,
              "factor on the net's learning rate"),
    TN_UNSUPPORTED("onlyforward", "0", "a layer without backward"),
    TN_UNSUPPORTED("dont_update", "0", "a layer that learns later"),
    TN_UNSUPPORTED("burnin_update", "0", "a layer that learns later"),
    TN_UNSUPPORTED("train_only_bn", "0", "training batch norm alone"),
    TN_UNSUPPORTED("dontload", "0", "a layer that is not in the weights file"),
    TN_UNSUPPORTED("dontloadscales", "0", "a layer without batch norm in the weights file"),
    TN_UNSUPPORTED("numload", "0", "a layer with fewer filters in the weights file"),
    TN_UNSUPPORTED("dontsave", "0", "a layer that is not saved"),
    TN_UNSUPPORTED("clip", "0", "clamped weights"),
    TN_IGNORED("smooth", "nothing in Darknet either"),
    TN_IGNORED("truth", "nothing in Darknet's classifier either"),
    {0},
};

const tn_layer_type *const *tn_layer_types(void) {
    return types;
}

const tn_layer_type *tn_layer_find(const char *name) {
    for (const tn_layer_type *const *t = types; *t; t++) {
        if (strcmp((*t)->name, name) == 0) return *t;
        for (int i = 0; i < 2; i++) {
            if ((*t)->alias[i] && strcmp((*t)->alias[i], name) == 0) return *t;
        }
    }
    return NULL;
}

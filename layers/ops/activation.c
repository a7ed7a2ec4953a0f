#include "layers/ops/activation.h"

#include "layers/ops/activation_formulas.h"

const char *const tn_activation_names[] = {
    [TN_LINEAR] = "linear",
    [TN_LOGISTIC] = "logistic",
    [TN_LOGGY] = "loggy",
    [TN_RELU] = "relu",
    [TN_RELU6] = "relu6",
    [TN_RELIE] = "relie",
    [TN_LEAKY] = "leaky",
    [TN_REVLEAKY] = "revleaky",
    [TN_RAMP] = "ramp",
    [TN_ELU] = "elu",
    [TN_SELU] = "selu",
    [TN_GELU] = "gelu",
    [TN_TANH] = "tanh",
    [TN_PLSE] = "plse",
    [TN_STAIR] = "stair",
    [TN_HARDTAN] = "hardtan",
    [TN_LHTAN] = "lhtan",
    [TN_SWISH] = "swish",
    [TN_MISH] = "mish",
    [TN_HARD_MISH] = "hard_mish",
    [TN_NORM_CHAN] = "normalize_channels",
    [TN_NORM_CHAN_SOFTMAX] = "normalize_channels_softmax",
    [TN_NORM_CHAN_SOFTMAX_MAXVAL] = "normalize_channels_softmax_maxval",
    NULL,
};

bool tn_activation_from_output(tn_activation a) {
    return a != TN_GELU && a != TN_SWISH && a != TN_MISH && a != TN_HARD_MISH;
}

tn_real tn_activate(tn_activation a, tn_real x) {
    return tn_activation_value(a, x);
}

tn_real tn_activation_slope(tn_activation a, tn_real x, tn_real y) {
    return tn_activation_derivative(a, x, y);
}

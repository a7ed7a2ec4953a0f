#include "layers/ops/activation.h"

#include <tgmath.h>

/* Darknet's selu constants, four decimals each. */
#define SELU_SCALE ((tn_real)1.0507)
#define SELU_ALPHA ((tn_real)1.6732)

#define GELU_SCALE ((tn_real)0.79788456080286535588) /* sqrt(2/pi) */
#define GELU_CUBIC ((tn_real)0.044715)

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

static tn_real logistic(tn_real x) {
    return 1 / (1 + exp(-x));
}

static tn_real gelu_argument(tn_real x) {
    return GELU_SCALE * (x + GELU_CUBIC * x * x * x);
}

/* tanh(ln(1 + e^x)), as a rational function of e^x; 1 to the last bit beyond 20. */
static tn_real tanh_softplus(tn_real x) {
    if (x > 20) return 1;
    const tn_real e = exp(x), q = e * (e + 2);
    return q / (q + 2);
}

/* Flat at n/2 from an even n to n + 1, then up by slope 1 to the next even number. */
static tn_real stair(tn_real x) {
    const tn_real whole = floor(x), half = floor(x / 2);
    return whole == 2 * half ? half : (x - whole) + half;
}

static tn_real plse(tn_real x) {
    if (x < -4) return (tn_real)0.01 * (x + 4);
    if (x > 4) return (tn_real)0.01 * (x - 4) + 1;
    return (tn_real)0.125 * x + (tn_real)0.5;
}

static tn_real lhtan(tn_real x) {
    if (x < 0) return (tn_real)0.001 * x;
    if (x > 1) return (tn_real)0.001 * (x - 1) + 1;
    return x;
}

/* Comparisons are written so that NaN takes a branch that returns it. */
tn_real tn_activate(tn_activation a, tn_real x) {
    switch (a) {
    case TN_LINEAR:
        return x;
    case TN_LOGISTIC:
        return logistic(x);
    case TN_LOGGY:
        return tanh(x / 2);
    case TN_RELU:
        return x <= 0 ? 0 : x;
    case TN_RELU6:
        return x <= 0 ? 0 : x >= 6 ? 6 : x;
    case TN_RELIE:
        return x > 0 ? x : (tn_real)0.01 * x;
    case TN_LEAKY:
    case TN_REVLEAKY:
        return x > 0 ? x : (tn_real)0.1 * x;
    case TN_RAMP:
        return x > 0 ? x + (tn_real)0.1 * x : (tn_real)0.1 * x;
    case TN_ELU:
        return x >= 0 ? x : expm1(x);
    case TN_SELU:
        return SELU_SCALE * (x >= 0 ? x : SELU_ALPHA * expm1(x));
    case TN_GELU:
        return (tn_real)0.5 * x * (1 + tanh(gelu_argument(x)));
    case TN_TANH:
        return tanh(x);
    case TN_PLSE:
        return plse(x);
    case TN_STAIR:
        return stair(x);
    case TN_HARDTAN:
        return x < -1 ? -1 : x > 1 ? 1 : x;
    case TN_LHTAN:
        return lhtan(x);
    case TN_SWISH:
        return x * logistic(x);
    case TN_MISH:
        return x * tanh_softplus(x);
    case TN_HARD_MISH:
        return x > 0 ? x : x <= -2 ? 0 : x * x / 2 + x;
    case TN_NORM_CHAN:
    case TN_NORM_CHAN_SOFTMAX:
    case TN_NORM_CHAN_SOFTMAX_MAXVAL:
        break; /* not element-wise */
    }
    return (tn_real)NAN;
}

static tn_real gelu_slope(tn_real x) {
    const tn_real t = tanh(gelu_argument(x));
    const tn_real inner = GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x);
    return (tn_real)0.5 * (1 + t) + (tn_real)0.5 * x * (1 - t * t) * inner;
}

static tn_real mish_slope(tn_real x) {
    const tn_real t = tanh_softplus(x);
    return t + x * (1 - t * t) * logistic(x);
}

static tn_real swish_slope(tn_real x) {
    const tn_real s = logistic(x);
    return s + x * s * (1 - s);
}

tn_real tn_activation_slope(tn_activation a, tn_real x, tn_real y) {
    switch (a) {
    case TN_LINEAR:
        return 1;
    case TN_LOGISTIC:
        return y * (1 - y);
    case TN_LOGGY:
        return (1 - y * y) / 2;
    case TN_RELU:
        return y > 0 ? 1 : 0;
    case TN_RELU6:
        return y > 0 && y < 6 ? 1 : 0;
    case TN_RELIE:
        return y > 0 ? 1 : (tn_real)0.01;
    case TN_LEAKY:
    case TN_REVLEAKY:
        return y > 0 ? 1 : (tn_real)0.1;
    case TN_RAMP:
        return y > 0 ? (tn_real)1.1 : (tn_real)0.1;
    case TN_ELU:
        return y > 0 ? 1 : y + 1;
    case TN_SELU:
        return y > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA;
    case TN_GELU:
        return gelu_slope(x);
    case TN_TANH:
        return 1 - y * y;
    case TN_PLSE:
        return y <= 0 || y > 1 ? (tn_real)0.01 : (tn_real)0.125;
    case TN_STAIR:
        return floor(y) == y ? 0 : 1;
    case TN_HARDTAN:
        return y > -1 && y < 1 ? 1 : 0;
    case TN_LHTAN:
        return y > 0 && y <= 1 ? 1 : (tn_real)0.001;
    case TN_SWISH:
        return swish_slope(x);
    case TN_MISH:
        return mish_slope(x);
    case TN_HARD_MISH:
        return x > 0 ? 1 : x <= -2 ? 0 : x + 1;
    case TN_NORM_CHAN:
    case TN_NORM_CHAN_SOFTMAX:
    case TN_NORM_CHAN_SOFTMAX_MAXVAL:
        break;
    }
    return (tn_real)NAN;
}

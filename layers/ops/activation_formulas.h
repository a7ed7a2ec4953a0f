/* What the activations compute, for the host and for the GPU: activation.h says what each is. */
#ifndef TN_OPS_ACTIVATION_FORMULAS_H
#define TN_OPS_ACTIVATION_FORMULAS_H

#include "layers/device/both.h"
#include "layers/ops/activation.h"

/* exp, tanh, floor and expm1 of a tn_real: C++ has one of each for float. */
#ifdef __cplusplus
#include <math.h>
#else
#include <tgmath.h>
#endif

/* Darknet's selu constants, four decimals each. */
#define TN_SELU_SCALE ((tn_real)1.0507)
#define TN_SELU_ALPHA ((tn_real)1.6732)

#define TN_GELU_SCALE ((tn_real)0.79788456080286535588) /* sqrt(2/pi) */
#define TN_GELU_CUBIC ((tn_real)0.044715)

TN_BOTH tn_real tn_logistic(tn_real x) {
    return 1 / (1 + exp(-x));
}

TN_BOTH tn_real tn_gelu_argument(tn_real x) {
    return TN_GELU_SCALE * (x + TN_GELU_CUBIC * x * x * x);
}

/* tanh(ln(1 + e^x)), as a rational function of e^x; 1 to the last bit beyond 20. */
TN_BOTH tn_real tn_tanh_softplus(tn_real x) {
    if (x > 20) return 1;
    const tn_real e = exp(x), q = e * (e + 2);
    return q / (q + 2);
}

/* Flat at n/2 from an even n to n + 1, then up by slope 1 to the next even number. */
TN_BOTH tn_real tn_stair_value(tn_real x) {
    const tn_real whole = floor(x), half = floor(x / 2);
    return whole == 2 * half ? half : (x - whole) + half;
}

TN_BOTH tn_real tn_plse_value(tn_real x) {
    if (x < -4) return (tn_real)0.01 * (x + 4);
    if (x > 4) return (tn_real)0.01 * (x - 4) + 1;
    return (tn_real)0.125 * x + (tn_real)0.5;
}

TN_BOTH tn_real tn_lhtan_value(tn_real x) {
    if (x < 0) return (tn_real)0.001 * x;
    if (x > 1) return (tn_real)0.001 * (x - 1) + 1;
    return x;
}

/* Comparisons are written so that NaN takes a branch that returns it. */
TN_BOTH tn_real tn_activation_value(tn_activation a, tn_real x) {
    switch (a) {
    case TN_LINEAR:
        return x;
    case TN_LOGISTIC:
        return tn_logistic(x);
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
        return TN_SELU_SCALE * (x >= 0 ? x : TN_SELU_ALPHA * expm1(x));
    case TN_GELU:
        return (tn_real)0.5 * x * (1 + tanh(tn_gelu_argument(x)));
    case TN_TANH:
        return tanh(x);
    case TN_PLSE:
        return tn_plse_value(x);
    case TN_STAIR:
        return tn_stair_value(x);
    case TN_HARDTAN:
        return x < -1 ? -1 : x > 1 ? 1 : x;
    case TN_LHTAN:
        return tn_lhtan_value(x);
    case TN_SWISH:
        return x * tn_logistic(x);
    case TN_MISH:
        return x * tn_tanh_softplus(x);
    case TN_HARD_MISH:
        return x > 0 ? x : x <= -2 ? 0 : x * x / 2 + x;
    case TN_NORM_CHAN:
    case TN_NORM_CHAN_SOFTMAX:
    case TN_NORM_CHAN_SOFTMAX_MAXVAL:
        break; /* not element-wise */
    }
    return (tn_real)NAN;
}

TN_BOTH tn_real tn_gelu_slope(tn_real x) {
    const tn_real t = tanh(tn_gelu_argument(x));
    const tn_real inner = TN_GELU_SCALE * (1 + 3 * TN_GELU_CUBIC * x * x);
    return (tn_real)0.5 * (1 + t) + (tn_real)0.5 * x * (1 - t * t) * inner;
}

TN_BOTH tn_real tn_mish_slope(tn_real x) {
    const tn_real t = tn_tanh_softplus(x);
    return t + x * (1 - t * t) * tn_logistic(x);
}

TN_BOTH tn_real tn_swish_slope(tn_real x) {
    const tn_real s = tn_logistic(x);
    return s + x * s * (1 - s);
}

TN_BOTH tn_real tn_activation_derivative(tn_activation a, tn_real x, tn_real y) {
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
        return y > 0 ? TN_SELU_SCALE : y + TN_SELU_SCALE * TN_SELU_ALPHA;
    case TN_GELU:
        return tn_gelu_slope(x);
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
        return tn_swish_slope(x);
    case TN_MISH:
        return tn_mish_slope(x);
    case TN_HARD_MISH:
        return x > 0 ? 1 : x <= -2 ? 0 : x + 1;
    case TN_NORM_CHAN:
    case TN_NORM_CHAN_SOFTMAX:
    case TN_NORM_CHAN_SOFTMAX_MAXVAL:
        break;
    }
    return (tn_real)NAN;
}

#endif

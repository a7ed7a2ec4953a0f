/* [net]: what a cfg says about input, training, schedule and augmentation. */
#ifndef TN_NET_NET_KEYS_H
#define TN_NET_NET_KEYS_H

#include "layers/keys.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_policy {
    TN_POLICY_CONSTANT,
    TN_POLICY_STEP,
    TN_POLICY_STEPS,
    TN_POLICY_EXP,
    TN_POLICY_POLY,
    TN_POLICY_SIGMOID,
    TN_POLICY_RANDOM,
    TN_POLICY_SGDR,
    TN_POLICY_COSINE,
} tn_policy;

typedef struct tn_net_keys {
    int width, height, channels, inputs;
    int batch, subdivisions, max_batches;
    double epochs; /* 0: max_batches counts */
    bool adam, adamw;
    double learning_rate, learning_rate_min, momentum, decay, b1, b2, eps;
    int policy; /* tn_policy */
    int burn_in, step, sgdr_cycle;
    double power, scale, gamma, sgdr_mult;
    tn_ints steps;
    tn_reals scales;
    /* augmentation (COMPAT 6.3) */
    int max_crop, min_crop; /* 0: width*2 and width, as Darknet */
    double angle, aspect, saturation, exposure, hue;
    bool flip;
    int mixup; /* 0 none, 1 mixup, 2 cutmix */
    bool cutmix;
    double label_smooth_eps;
    bool balanced; /* draw classes equally */
    double ema_alpha;
    int patience;     /* epochs without a better score before stopping; 0: never */
    const char *data; /* .data file that commands take when none is named */
} tn_net_keys;

extern const tn_key tn_net_key_table[];

#ifdef __cplusplus
}
#endif
#endif

/* A net from text, for unit tests. */
#ifndef TN_TESTS_RANDOM_NET_H
#define TN_TESTS_RANDOM_NET_H

#include "layers/device/rng.h"
#include "src/net/cfg.h"
#include "src/net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static inline void tn_works(tn_status status) {
    if (status != TN_OK) fail_msg("%s", tn_error());
}

/* A net with random weights and running statistics far from 0 and 1. */
static inline tn_net *tn_random_net(const char *text, uint64_t seed) {
    tn_cfg cfg;
    tn_net *net;
    tn_works(tn_cfg_parse(text, strlen(text), "case", &cfg));
    tn_works(tn_net_create(&cfg, NULL, &net));
    tn_net_init(net, seed);
    for (int i = 0; i < net->plan.n_params; i++) {
        tn_param *p = &net->param[i];
        tn_rng rng = tn_rng_stream(seed, TN_RNG_INIT, 7, (uint32_t)i, 0);
        for (size_t j = 0; j < p->spec->count && p->spec->kind != TN_PARAM_WEIGHTS; j++) {
            const bool positive =
                p->spec->kind == TN_PARAM_VARIANCE || p->spec->kind == TN_PARAM_SCALE;
            p->value[j] = positive ? tn_rng_uniform(&rng, 0.5F, 2) : tn_rng_uniform(&rng, -1, 1);
        }
        p->version++;
    }
    return net;
}

#endif

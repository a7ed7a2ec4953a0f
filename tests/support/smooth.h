/* A net without kinks: mish in place of relu, means in place of maxima. Rounding puts a few of a
 * million units on the other side of their corner, which moves gradients by more than rounding
 * does; without corners what is left is rounding. */
#ifndef TN_TESTS_SMOOTH_H
#define TN_TESTS_SMOOTH_H

#include "src/net/cfg.h"

#include <stdint.h>
#include <string.h>

static inline void tn_test_smooth(tn_cfg *cfg) {
    for (int i = 0; i < cfg->n_sections; i++) {
        tn_option *option = (tn_option *)(uintptr_t)cfg->section[i].option;
        if (strcmp(cfg->section[i].name, "maxpool") == 0) cfg->section[i].name = "local_avgpool";
        for (int j = 0; j < cfg->section[i].n_options; j++) {
            if (strcmp(option[j].value, "relu") == 0) option[j].value = "mish";
        }
    }
}

#endif

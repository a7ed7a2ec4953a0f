/* Ends the process where a host's function cannot tell of a failure. */
#ifndef TN_PLUGIN_DIE_H
#define TN_PLUGIN_DIE_H

#include "layers/device/status.h"

#include <stdio.h>
#include <stdlib.h>

/* Prints tn_error; exit status 1. */
__attribute__((noreturn)) static inline void tn_die(tn_status failure) {
    (void)failure;
    fprintf(stderr, "darknet-plugin: %s\n", tn_error());
    exit(1);
}

static inline void tn_die_unless(tn_status status) {
    if (status != TN_OK) tn_die(status);
}

#endif

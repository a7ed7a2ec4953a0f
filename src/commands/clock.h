/* Seconds since some moment: for differences. */
#ifndef TN_COMMANDS_CLOCK_H
#define TN_COMMANDS_CLOCK_H

#include <time.h>

static inline double tn_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif

/* An exponential moving average of a net's parameters, statistics included ([net] ema_alpha). */
#ifndef TN_NET_AVERAGE_H
#define TN_NET_AVERAGE_H

#include "layers/device/status.h"
#include "layers/param.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_average {
    tn_param *param; /* the averaged net, in .weights order: a replica can run on it */
    int n_params;
    double alpha;
    uint64_t updates;
    tn_real *value; /* what param[].value point into: `count` elements */
    size_t count;
    void *pages;
    size_t bytes;
} tn_average;

/* Starts as a copy of `param`, whose specs it goes on using. */
tn_status tn_average_create(const tn_param *param, int n, double alpha, tn_average **out);
void tn_average_free(tn_average *average);

/* After update t (from 1): average = a*average + (1-a)*value, a = min(alpha, (1+t)/(10+t)), so that
 * the random start is soon forgotten. */
void tn_average_update(tn_average *average, const tn_param *param);

#ifdef __cplusplus
}
#endif
#endif

/* Round numbers for the axes of charts. */
#ifndef TN_EVAL_AXIS_H
#define TN_EVAL_AXIS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TN_AXIS_TICKS = 5 }; /* about as many steps an axis has */

/* 1, 2 or 5 times a power of ten: the smallest that is not below `value`, which is above 0. */
double tn_axis_round_up(double value);

/* Top of an axis from 0 that shows all but wild values: up to four times the median of those that
 * are finite. Sorts `value`; 1 when none is finite. */
double tn_axis_top(double *value, size_t n);

#ifdef __cplusplus
}
#endif
#endif

/* What the plugin does differently from the host alone, each a switch that is on by default. */
#ifndef TN_PLUGIN_MENDS_H
#define TN_PLUGIN_MENDS_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_mend {
    TN_MEND_BLOCKS,
    TN_MEND_KERNELS,
    TN_MEND_JOINED,
    TN_MEND_SKIP_GRADIENTS,
    TN_MEND_BIAS_GRADIENTS,
    TN_MEND_STRIDED_1X1,
    TN_MEND_CONNECTED_UPDATE,
    TN_MEND_ADAM,
    TN_MEND_SCHEDULE,
    TN_MEND_START,
    TN_MENDS,
} tn_mend;

bool tn_mend_on(tn_mend mend);
void tn_mend_set(tn_mend mend, bool on);

/* `-without NAME`; "all" switches every one off. Fails, with the nearest name, on an unknown one.
 */
tn_status tn_mend_without(const char *name);

/* One line a switch: name, on or off, where it acts (cpu: not on a GPU, all: there too), what it
 * does. */
void tn_mends_print(FILE *to);

#ifdef __cplusplus
}
#endif
#endif

/* Is the library the one whose header this plugin was built with? */
#ifndef TN_PLUGIN_PROBE_H
#define TN_PLUGIN_PROBE_H

#include "layers/device/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Looks for the symbols, and has the library read and compute a small net, on the processor, in a
 * process of its own, which a wrong struct may crash. */
tn_status tn_probe_host(void);
/* Once the host computes on a GPU: a small net of our layers there, its answer, gradients and
 * updates against those of the processor. */
tn_status tn_probe_gpu(void);
/* The library's file. */
const char *tn_probe_library(void);

#ifdef __cplusplus
}
#endif
#endif

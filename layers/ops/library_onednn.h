/* What all kernels by oneDNN share: its one engine, and how many threads it takes. */
#ifndef TN_OPS_LIBRARY_ONEDNN_H
#define TN_OPS_LIBRARY_ONEDNN_H

#include <dnnl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the processor's engine the first time; it is never freed. */
dnnl_status_t tn_onednn_start(void);
/* After a start that succeeded. */
dnnl_engine_t tn_onednn_engine(void);

/* The library takes OpenMP's thread count of the calling thread; this keeps it to the op's. Returns
 * what it was, to be set again. */
int tn_onednn_set_threads(int threads);

#ifdef __cplusplus
}
#endif
#endif

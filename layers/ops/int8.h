/* Whether 8 bits can be computed with here. */
#ifndef TN_OPS_INT8_H
#define TN_OPS_INT8_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether this processor multiplies bytes (AVX512_VNNI) and this program has the library that has
 * it do so: what the int8 kernel takes. */
#if TN_DNNL && !defined(TN_REAL_DOUBLE)
bool tn_int8_runs_here(void);
#else
static inline bool tn_int8_runs_here(void) {
    return false;
}
#endif

#ifdef __cplusplus
}
#endif
#endif

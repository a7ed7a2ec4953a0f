/* The processor: what it can do, and how it treats numbers too small to be normal. */
#ifndef TN_DEVICE_CPU_H
#define TN_DEVICE_CPU_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One line: model and vector instruction set, "AMD EPYC 9655, AVX-512". Same text for the whole
 * process. */
const char *tn_cpu_describe(void);

/* Whether it multiplies bf16 (AVX512_BF16): without, bf16 is right and slow. */
bool tn_cpu_has_bf16(void);

/* Threads that compute by default: what OpenMP would use; 1 without it. */
int tn_cpu_threads(void);

/* Makes the calling thread and its OpenMP team of `threads` take denormal numbers for zero and
 * flush to zero: a net that dies out is then as fast as one that lives, and all threads agree. */
void tn_cpu_flush_denormals(int threads);

/* Makes OpenMP, and libraries that use it, compute with `threads` (0: as many as there are) from
 * the calling thread on, none of them with denormals. Returns how many that is. */
int tn_cpu_use_threads(int threads);

#ifdef __cplusplus
}
#endif
#endif

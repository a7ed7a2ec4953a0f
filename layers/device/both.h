/* Functions that are compiled for the host and for the GPU: index arithmetic, plans and formulas
 * that both need, and that tests on the CPU try. */
#ifndef TN_DEVICE_BOTH_H
#define TN_DEVICE_BOTH_H

#ifdef __CUDACC__
#define TN_BOTH static __host__ __device__ __forceinline__
#else
#define TN_BOTH static inline
#endif

#endif

/* What this machine can do at most, measured: the marks that benchmarks are held against. */
#ifndef TN_COMMANDS_LIMITS_H
#define TN_COMMANDS_LIMITS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_limits {
    double flops;     /* multiplications and additions of float a second, in the widest registers
                         that kernels use; 0 where none are known */
    double bandwidth; /* bytes a second that are read or written, of arrays far beyond the caches */
} tn_limits;

/* Takes about a second. threads: how many work at once, at least 1. Memory that cannot be had
 * leaves bandwidth 0. */
tn_limits tn_limits_measure(int threads);

/* One thread's multiply-adds of `rounds` rounds, each ISA in a file of its own; returns how many
 * operations that were (a multiply-add counts 2), 0 where the processor lacks it. */
double tn_limits_fma_avx2(long rounds);
double tn_limits_fma_avx512(long rounds);

#ifdef __cplusplus
}
#endif
#endif

/* Nothing but multiply-adds in registers: included by one _avx2.c and one _avx512.c file. */
#ifndef TN_COMMANDS_LIMITS_FMA_H
#define TN_COMMANDS_LIMITS_FMA_H

#include "layers/ops/vector.h"
#include "src/commands/limits.h"

enum { CHAINS = 12, UNROLL = 8 }; /* enough chains for two units of latency 4 or 5 */

double TN_ISA(tn_limits_fma)(long rounds) {
    if (!tn_vector_runs()) return 0;
    tn_vector sum[CHAINS];
    /* Each step halves the distance to 2: no overflow, no denormals, nothing to leave out. */
    const tn_vector half = tn_vector_all(0.5f), one = tn_vector_all(1);
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) sum[i] = tn_vector_all((float)i);
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 8
        for (int u = 0; u < UNROLL; u++)
#pragma GCC unroll 12
            for (int i = 0; i < CHAINS; i++) sum[i] = tn_vector_fma(sum[i], half, one);
    float out[TN_VECTOR];
    static volatile float keep; /* the sums are wanted */
    for (int i = 0; i < CHAINS; i++) {
        tn_vector_store(out, sum[i]);
        keep = out[0];
    }
    (void)keep;
    return 2.0 * TN_VECTOR * CHAINS * UNROLL * (double)rounds;
}

#endif

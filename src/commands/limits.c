#include "src/commands/limits.h"

#include "src/commands/clock.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES = 5 };

static double fma_rounds(long rounds) {
#if defined(__x86_64__)
    const double wide = tn_limits_fma_avx512(rounds);
    return wide > 0 ? wide : tn_limits_fma_avx2(rounds);
#else
    (void)rounds;
    return 0;
#endif
}

/* The best of a few tries: other programs only ever take away. */
static double measure_flops(int threads) {
    const long rounds = 500000;
    double best = 0;
    for (int i = 0; i < TRIES; i++) {
        double work = 0;
        const double start = tn_clock();
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : work)
        for (int t = 0; t < threads; t++) work += fma_rounds(rounds);
        const double rate = work / (tn_clock() - start);
        if (rate > best) best = rate;
    }
    return best;
}

/* Every thread adds two arrays of its own into a third, as most of what nets do to memory. Only
 * what the program asks for is counted: three times the array. */
static void add_arrays(float *restrict to, const float *a, const float *b, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = a[i] + b[i];
}

static double measure_bandwidth(int threads) {
    const size_t count = (size_t)32 << 20, own = count / (size_t)threads;
    float *memory = malloc(3 * count * sizeof *memory);
    if (!memory) return 0;
    double best = 0;
    for (int i = 0; i < TRIES + 1; i++) { /* the first one touches the pages */
        const double start = tn_clock();
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int t = 0; t < threads; t++) {
            float *from = memory + 3 * own * (size_t)t;
            if (i == 0)
                memset(from, 0, 3 * own * sizeof *from);
            else
                add_arrays(from, from + own, from + 2 * own, own);
        }
        const double rate = 3.0 * (double)own * threads * sizeof(float) / (tn_clock() - start);
        if (i > 0 && rate > best) best = rate;
    }
    free(memory);
    return best;
}

tn_limits tn_limits_measure(int threads) {
    return (tn_limits){.flops = measure_flops(threads), .bandwidth = measure_bandwidth(threads)};
}

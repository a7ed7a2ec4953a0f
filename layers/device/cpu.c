#include "layers/device/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

static char description[160];

static const char *vectors(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return "AVX-512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "AVX2";
    return "SSE2";
#else
    return "no known vector instructions";
#endif
}

/* The text after "model name : " of /proc/cpuinfo. */
static void read_model(char *model, size_t size) {
    char line[256];
    snprintf(model, size, "unknown processor");
    FILE *from = fopen("/proc/cpuinfo", "re");
    if (!from) return;
    while (fgets(line, sizeof line, from)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0) continue;
        snprintf(model, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    fclose(from);
}

static void describe(void) {
    char model[100];
    read_model(model, sizeof model);
    snprintf(description, sizeof description, "%s, %s", model, vectors());
}

const char *tn_cpu_describe(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, describe);
    return description;
}

bool tn_cpu_has_bf16(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

int tn_cpu_threads(void) {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

static void flush_here(void) {
#ifdef __SSE2__
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
    _mm_setcsr(_mm_getcsr() | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
#endif
}

void tn_cpu_flush_denormals(int threads) {
#ifdef _OPENMP
    if (threads < 1) threads = tn_cpu_threads();
#pragma omp parallel num_threads(threads)
    flush_here();
#else
    (void)threads;
#endif
    flush_here();
}

int tn_cpu_use_threads(int threads) {
#ifdef _OPENMP
    if (threads < 1) threads = tn_cpu_threads();
    omp_set_num_threads(threads);
#else
    threads = 1;
#endif
    tn_cpu_flush_denormals(threads);
    return threads;
}
